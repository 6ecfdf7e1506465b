//! The server's programs, and the user who runs them: PostgreSQL refuses to run as root.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::process::geteuid;
use tokio::sync::OnceCell;

use crate::leash::folder_of_the_process;

/// The environment variable that names the folder of the programs, when it is not where Debian has them.
const FOLDER: &str = "COORD_POSTGRES_BIN";
const DEBIAN: &str = "/usr/lib/postgresql";
/// Who runs them in place of root.
const USER: &str = "postgres";

/// The path of a program, of the newest version there is.
pub(super) fn path(program: &str) -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOUND.get_or_init(|| match std::env::var_os(FOLDER) {
        Some(folder) => folder.into(),
        None => newest().unwrap_or_else(|| {
            panic!("there is no PostgreSQL in {DEBIAN}. `tests/run` installs it; {FOLDER} names the folder of its programs")
        }),
    });
    folder.join(program)
}

fn newest() -> Option<PathBuf> {
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = fs::read_dir(DEBIAN).ok()?.filter_map(Result::ok);
    let newest = folders
        .map(|entry| entry.path())
        .filter(|folder| folder.join("bin/postgres").exists())
        .max_by_key(version)?;
    Some(newest.join("bin"))
}

/// A command that runs as one who is not root.
pub(super) fn user_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = if geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(std::env::temp_dir());
    command
}

/// Gives a folder to the user who runs the programs.
pub(super) fn give(folder: &Path) {
    if geteuid().is_root() {
        run(Command::new("chown").arg(format!("{USER}:")).arg(folder));
    }
}

/// Runs a command to its end.
pub(super) fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("a command that runs");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A folder of data as it is made, to be copied.
pub(super) async fn template() -> &'static Path {
    static TEMPLATE: OnceCell<PathBuf> = OnceCell::const_new();
    let make = async || {
        let folder = folder_of_the_process().join("postgres");
        fs::create_dir(&folder).expect("a folder");
        // The folder of the process is root's, and others must get through.
        let parent = folder.parent().expect("it is in another");
        run(Command::new("chmod").arg("a+x").arg(parent));
        give(&folder);
        let data = folder.join("data");
        run(user_command(path("initdb"))
            .args([
                "--auth",
                "trust",
                "--username",
                USER,
                "--no-sync",
                "--encoding",
                "UTF8",
            ])
            .args(["--locale", "C", "--pgdata"])
            .arg(&data));
        data
    };
    TEMPLATE.get_or_init(make).await
}
