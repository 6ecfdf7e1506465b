//! The tables of CONTRIBUTING: whatever the one that goes through another library links and names must be there, and
//! the other one must say why there is each dependency.

use std::fs;
use std::path::Path;

use crate::{assert_none, repository};

const HEADING: &str = "\n## Chd.Coordination";

/// What ends the names of metrics.
const KINDS: [&str; 3] = ["_total", "_seconds", "_attempts"];

/// What shows that something is so: a file, and in it functions and modules by name.
struct Proof<'a> {
    file: &'a str,
    names: Vec<&'a str>,
}

fn table() -> String {
    let text = fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let (_, section) = text.split_once(HEADING).expect("the section");
    section.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The cells of each row, of headings and lines below them too.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| line.starts_with('|'));
    let rows = lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect());
    rows.filter(|cells: &Vec<_>| cells[0] != "there" && !cells[0].starts_with("---"))
        .collect()
}

/// `[name](file)` and what stands behind it in backticks, up to the next one.
fn proofs(cell: &str) -> Vec<Proof<'_>> {
    let links = cell.split("](").skip(1);
    links
        .filter_map(|link| {
            let (file, rest) = link.split_once(')')?;
            let names = rest.split('[').next()?.split('`').skip(1).step_by(2);
            Some(Proof {
                file,
                names: names.collect(),
            })
        })
        .collect()
}

/// Whether a file of Rust or of the shell has a function or a module of this name.
fn has(text: &str, name: &str) -> bool {
    let begins = [
        format!("fn {name}("),
        format!("mod {name} "),
        format!("\n{name}() "),
    ];
    begins.iter().any(|begin| text.contains(begin))
}

fn problems(root: &Path, proof: &Proof<'_>) -> Vec<String> {
    let file = proof.file;
    let Ok(text) = fs::read_to_string(root.join(file)) else {
        return vec![format!("{file}: there is no such file")];
    };
    let missing = proof.names.iter().filter(|name| !has(&text, name));
    missing
        .map(|name| format!("{file}: there is no `{name}` in it"))
        .collect()
}

#[test]
fn what_the_table_links_and_names_is_there() {
    let (root, table) = (repository(), table());
    let mut found = Vec::new();
    for row in rows(&table) {
        let proofs = row.last().map(|cell| proofs(cell)).unwrap_or_default();
        if row.len() != 3 || proofs.is_empty() {
            found.push(format!("{}: nothing shows it", row.join(" | ")));
        }
        found.extend(proofs.iter().flat_map(|proof| problems(&root, proof)));
    }
    assert!(
        rows(&table).len() > 80,
        "the table has {} rows",
        rows(&table).len()
    );
    assert_none(&found);
}

#[test]
fn what_the_table_calls_a_metric_is_one() {
    let table = table();
    let mut found = Vec::new();
    for row in rows(&table) {
        let words = row[1].split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
        let named = words.filter(|word| {
            word.starts_with("coord_") && KINDS.iter().any(|kind| word.ends_with(kind))
        });
        for name in named {
            if !coord::metrics::ALL.iter().any(|metric| metric.name == name) {
                found.push(format!("`{name}` is no metric"));
            }
        }
    }
    assert_none(&found);
}

/// Whatever can be run is in the list of examples in the README.
#[test]
fn each_example_is_in_the_readme() {
    let root = repository();
    let manifest =
        |path| fs::read_to_string(root.join(path)).expect("the manifest of some examples");
    let manifests = ["examples/Cargo.toml", "examples/services/Cargo.toml"]
        .map(manifest)
        .concat();
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let (_, list) = readme
        .split_once("\n## Examples")
        .expect("the list of examples");
    let mut found = Vec::new();
    for example in manifests.split("[[example]]").skip(1) {
        let name = example.split('"').nth(1).unwrap_or_default();
        if !list.contains(&format!("`{name}`")) {
            found.push(format!("the README does not list `{name}`"));
        }
    }
    assert_none(&found);
}

/// The names of what a package depends on, apart from what its tests do.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut is_listed = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_listed = line.ends_with("dependencies]") && !line.contains("dev-");
        } else if let Some((name, _)) = line.split_once(['.', ' ']).filter(|_| is_listed) {
            names.push(name);
        }
    }
    names
}

/// Whatever a user's program gets along with ours has its row in CONTRIBUTING.
#[test]
fn each_dependency_is_weighed() {
    let root = repository();
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let (_, weighed) = text
        .split_once("\n## What was weighed")
        .expect("the section");
    let weighed = weighed.split("\n## ").next().unwrap_or_default();
    let manifest = |path| fs::read_to_string(root.join(path)).expect("a manifest");
    let manifests = ["coord/Cargo.toml", "coord-macros/Cargo.toml"].map(manifest);
    let mut all: Vec<_> = manifests
        .iter()
        .flat_map(|text| dependencies(text))
        .collect();
    all.retain(|name| *name != "coord-macros");
    assert!(all.len() > 30, "{all:?}");
    let missing = all
        .iter()
        .filter(|name| !weighed.contains(&format!("`{name}`")));
    let missing = missing.map(|name| format!("nothing says why there is `{name}`"));
    assert_none(&missing.collect::<Vec<_>>());
}
