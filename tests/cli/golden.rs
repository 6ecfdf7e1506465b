//! Comparing what is said with files, with what differs from run to run masked.

use std::path::Path;

/// Compares with the file of this name, which `COORD_GOLDEN=write` writes anew.
pub(crate) fn assert_golden(name: &str, said: &str) {
    let said = masked(said);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/golden");
    let path = folder.join(name).with_extension("out");
    if std::env::var_os("COORD_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::create_dir_all(&folder).expect("a folder for golden files");
        std::fs::write(&path, &said).expect("a golden file to be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(said, golden, "{}: see COORD_GOLDEN", path.display());
}

/// With the same text, as long, in the place of times, tokens, ids, and what is left of ten minutes.
fn masked(said: &str) -> String {
    let mut masked = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(at) = rest.find(|one: char| one.is_ascii_alphanumeric()) {
        let (before, word) = rest.split_at(at);
        masked.push_str(before);
        let ends = word.find(|one: char| !(one.is_ascii_alphanumeric() || "-:. ".contains(one)));
        let word = &word[..ends.unwrap_or(word.len())];
        let (length, mask) = mask(word);
        masked.push_str(mask.unwrap_or(&word[..length]));
        rest = &rest[before.len() + length..];
    }
    masked + rest
}

/// How long what stands at the beginning is, and what is put in its place.
fn mask(text: &str) -> (usize, Option<&'static str>) {
    let word = text.split(' ').next().unwrap_or_default();
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mask = if word.len() == 24 && word.ends_with('Z') && digits == 17 {
        Some("2026-01-02T03:04:05.678Z")
    } else if matches!(word.len(), 16 | 19) && digits == word.len() {
        // Those of locks, and those of calls.
        Some(&"7777777777777777777"[..digits])
    } else if word.len() == 32 && is_hex {
        Some("0123456789abcdef0123456789abcdef")
    } else if word == "9m" && text.get(5..6) == Some("s") {
        return (6, Some("9m 55s"));
    } else {
        None
    };
    (word.len(), mask)
}
