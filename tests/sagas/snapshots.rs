//! Definitions of sagas compared with a snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use coord::testing::check_definitions;
use tempfile::TempDir;

/// Set for a test that is run once more, in a process of its own.
const OVERWRITTEN: &str = "COORD_TEST_OVERWRITTEN";

struct Snapshot {
    path: PathBuf,
    _folder: TempDir,
}

impl Snapshot {
    /// One of the sagas as they are.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("sagas.snapshot");
        check_definitions(&path);
        Self {
            path,
            _folder: folder,
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// What it would be if the code had been another, and what is said of it.
    fn as_if(&self, now: &str, before: &str) -> Result<(), String> {
        let text = self.text();
        assert!(text.contains(now), "{text}");
        fs::write(&self.path, text.replacen(now, before, 1)).unwrap();
        check(&self.path)
    }
}

fn check(path: &Path) -> Result<(), String> {
    let checked = std::panic::catch_unwind(|| check_definitions(path));
    checked.map_err(|panic| *panic.downcast::<String>().unwrap())
}

const TRIP: &str = "\nBookTrip\n    hotel -> [u64]\n    flights -> Option<String>\n";

#[test]
fn a_missing_snapshot_is_written_and_fits() {
    let snapshot = Snapshot::new();
    let text = snapshot.text();
    assert!(text.starts_with("# The sagas of this program"), "{text}");
    assert!(text.contains(TRIP), "{text}");
    check(&snapshot.path).unwrap();
    assert_eq!(snapshot.text(), text);
}

#[test]
fn steps_that_were_appended_are_written() {
    let snapshot = Snapshot::new();
    let text = snapshot.text();
    let shorter = "\nBookTrip\n    hotel -> [u64]\n";
    snapshot.as_if(TRIP, shorter).unwrap();
    assert_eq!(snapshot.text(), text);
}

#[test]
fn sagas_that_are_new_are_written() {
    let snapshot = Snapshot::new();
    let text = snapshot.text();
    snapshot.as_if(TRIP, "").unwrap();
    assert_eq!(snapshot.text(), text);
}

#[test]
fn steps_that_were_renamed_reordered_or_removed_are_told() {
    for (before, told) in [
        (
            "\nBookTrip\n    hotel -> [u64]\n    flight -> Option<String>\n",
            "`BookTrip`: step 2 was `flight` with the output `Option<String>` and is `flights` with",
        ),
        (
            "\nBookTrip\n    flights -> Option<String>\n    hotel -> [u64]\n",
            "`BookTrip`: step 1 was `flights` with the output `Option<String>` and is `hotel` with",
        ),
        (
            "\nBookTrip\n    hotel -> [u64]\n    flights -> Option<String>\n    visa -> ()\n",
            "`BookTrip`: step 3 was `visa` with the output `()` and is not there",
        ),
        (
            "\nBookTrip\n    hotel -> [u32]\n    flights -> Option<String>\n",
            "`BookTrip`: step 1 was `hotel` with the output `[u32]` and is `hotel` with the output `[u64]`",
        ),
        (
            "\nBookFlight\n    flight -> ()\n",
            "`BookFlight`: it is not in this program any more",
        ),
    ] {
        let snapshot = Snapshot::new();
        let refused = snapshot.as_if(TRIP, before).unwrap_err();
        assert!(refused.contains(told), "{refused}");
        assert!(refused.contains("COORD_SNAPSHOT=overwrite"), "{refused}");
        assert!(snapshot.text().contains(before), "it is left as it was");
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_is_told_with_the_line() {
    let snapshot = Snapshot::new();
    let refused = snapshot
        .as_if("    hotel -> [u64]\n", "    hotel\n")
        .unwrap_err();
    assert!(
        refused.contains("cannot be understood at `    hotel`"),
        "{refused}"
    );
}

/// The variable is that of a process, so the test runs itself.
#[test]
fn whatever_has_changed_is_written_when_asked() {
    if let Some(path) = std::env::var_os(OVERWRITTEN) {
        check_definitions(PathBuf::from(path));
        return;
    }
    let snapshot = Snapshot::new();
    let text = snapshot.text();
    snapshot
        .as_if("    hotel -> [u64]", "    hotels -> [u64]")
        .unwrap_err();
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "snapshots::whatever_has_changed_is_written_when_asked",
        ])
        .env("COORD_SNAPSHOT", "overwrite")
        .env(OVERWRITTEN, &snapshot.path)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(snapshot.text(), text);
}
