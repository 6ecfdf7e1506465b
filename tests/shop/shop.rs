//! Processes of the shop.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use coord::Coordinator;
use coord::store::SqliteStore;
use coord_tests::Worker;
use tempfile::TempDir;

/// How long a step of an order takes, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// Where only the end matters.
    Quick = 200,
    /// So long that what is under way is seen, and something can be done meanwhile.
    Slow = 1500,
}

impl Step {
    fn setting(self) -> String {
        format!("SHOP_STEP_MS={}", self as u32)
    }
}

/// The shop, and what it is started with.
pub(crate) struct Shop {
    worker: Worker,
    port: u16,
    /// Gone with the shop.
    folder: Option<TempDir>,
}

impl Shop {
    /// One process on a file of its own, which is started again when it dies.
    pub(crate) async fn supervised(step: Step) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let setting = format!("SHOP_FOLDER={}", folder.path().display());
        let mut worker = start(&["-u", "COORD_URL", &setting, &step.setting()], &["0"]);
        let url = worker.expect_line("the shop is at http://127.0.0.1:").await;
        let shop = Self {
            worker,
            port: url.parse().expect("a port"),
            folder: Some(folder),
        };
        shop.until_served().await
    }

    /// One that shares a store with others, and is not started again.
    pub(crate) async fn alone(store: &str, namespace: &str) -> Self {
        let (store, namespace) = (
            format!("COORD_URL={store}"),
            format!("SHOP_NAMESPACE={namespace}"),
        );
        let mut worker = start(
            &[&store, &namespace, &Step::Slow.setting()],
            &["--alone", "0"],
        );
        let line = worker.expect_line("process ").await;
        let (_, port) = line.split_once("http://127.0.0.1:").expect("a URL");
        let (port, _) = port.split_once(',').expect("a port");
        Self {
            port: port.parse().expect("a port"),
            worker,
            folder: None,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A coordinator beside the shop's own, on its file.
    pub(crate) async fn coordinator(&self) -> Coordinator {
        let folder = self.folder.as_ref().expect("a shop with a file of its own");
        let store = SqliteStore::open(folder.path().join("shop.db"));
        let store = store.await.expect("the shop's file");
        Coordinator::builder()
            .store(store)
            .namespace("shop")
            .build()
    }

    /// Waits until the process is gone, of a shop that nobody starts again.
    pub(crate) async fn until_dead(&self) {
        assert!(
            !self.worker.until_exit().await,
            "it dies, and does not end well"
        );
    }

    async fn until_served(mut self) -> Self {
        let line = self.worker.expect_line("process ").await;
        assert!(line.contains("serves"), "{line}");
        self
    }
}

/// What the shop says when it cannot start.
pub(crate) fn refused(settings: &[&str], arguments: &[&str]) -> Output {
    let program = program().to_str().expect("a path in UTF-8");
    Command::new("env")
        .args(settings)
        .arg(program)
        .args(arguments)
        .output()
        .expect("a shop that can be started")
}

fn start(settings: &[&str], arguments: &[&str]) -> Worker {
    let program = program().to_str().expect("a path in UTF-8");
    let words = [settings, &[program], arguments].concat();
    Worker::spawn("env", words)
}

/// The example's program. Tests of the workspace have it built; for those of this package alone it is built now.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        // What cargo tells this test of its package would have some packages compiled anew.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                build.env_remove(&name);
            }
        }
        let built = build
            .args([
                "build",
                "--quiet",
                "--workspace",
                "--all-features",
                "--example",
                "shop",
            ])
            .status()
            .expect("cargo");
        assert!(built.success(), "the shop cannot be built");
        let test = env::current_exe().expect("the test's own path");
        let profile = test.ancestors().nth(2).expect("the folder of a profile");
        profile.join("examples").join("shop")
    })
}
