//! How the source is laid out: which module may use which, how long files get, what lies at the top; and whether what
//! documents point to is there.

mod comparison;
mod rules;
mod sources;
mod uses;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Rules;
use sources::Sources;

/// Longer files have two subjects.
const LONGEST_FILE: usize = 500;

/// What the top level of the repository holds, besides files whose names begin with a point.
const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "coord",
    "coord-macros",
    "examples",
    "target",
    "tests",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a folder above `tests`")
        .to_owned()
}

/// Fails with all that is wrong, one to a line.
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn modules_use_only_modules_to_their_left() {
    let sources = Sources::read(&repository(), "coord/src");
    assert_none(&Rules::of(&sources).layers());
}

#[test]
fn backends_do_not_know_each_other() {
    let sources = Sources::read(&repository(), "coord/src");
    assert_none(&Rules::of(&sources).backends());
}

#[test]
fn files_have_one_subject() {
    let mut violations = Vec::new();
    for folder in [
        "coord/src",
        "coord-macros/src",
        "examples",
        "tests/shop",
        "tests/support",
    ] {
        for (file, text) in sources::rust_files(&repository(), folder) {
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                let file = file.display();
                violations.push(format!(
                    "{file}: {lines} lines, and {LONGEST_FILE} is the most"
                ));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    let mut violations = Vec::new();
    for entry in fs::read_dir(repository()).expect("the repository") {
        let name = entry.expect("an entry of the repository").file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !TOP_LEVEL.contains(&&*name) {
            violations.push(format!(
                "{name}: the top level holds only {}",
                TOP_LEVEL.join(", ")
            ));
        }
    }
    assert_none(&violations);
}
