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

/// Without what differs: times, tokens, ids, and lengths of time that were measured. Tables lose their columns.
fn masked(said: &str) -> String {
    let lines = said.lines().map(|line| {
        let mut words = String::new();
        let text = line.trim_start();
        words.push_str(&line[..line.len() - text.len()]);
        for (index, word) in text.split_whitespace().enumerate() {
            if index > 0 {
                words.push(' ');
            }
            words.push_str(&masked_word(word));
        }
        words.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn masked_word(word: &str) -> String {
    let core = word.trim_matches(|one: char| !one.is_alphanumeric());
    let (before, behind) = word.split_once(core).unwrap_or_default();
    let mask = mask(core);
    [before, mask.unwrap_or(core), behind].concat()
}

fn mask(word: &str) -> Option<&'static str> {
    let is = |fits: fn(&char) -> bool| word.chars().all(|one| fits(&one));
    let digits = word.chars().filter(char::is_ascii_digit).count();
    if word.len() == 24 && word.ends_with('Z') && digits == 17 {
        Some("<time>")
    } else if word.len() >= 15 && is(char::is_ascii_digit) {
        Some("<token>")
    } else if word.len() == 32 && is(char::is_ascii_hexdigit) {
        Some("<id>")
    } else if word.len() > 3 && word.contains('.') && is(|one| one.is_ascii_digit() || *one == '.') {
        Some("<number>")
    } else if matches!(word, "9m" | "59m" | "59s" | "58s" | "9s" | "29s" | "28s") {
        Some("<left>")
    } else {
        None
    }
}
