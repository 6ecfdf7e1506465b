//! Processes of the shop.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use coord_tests::Worker;
use tempfile::TempDir;

/// How long a step of an order takes: so long that one can do something meanwhile.
const STEP: &str = "SHOP_STEP_MS=400";

/// The shop, and what it is started with.
pub(crate) struct Shop {
    worker: Worker,
    port: u16,
    /// Gone with the shop.
    _folder: Option<TempDir>,
}

impl Shop {
    /// One process on a file of its own, which is started again when it dies.
    pub(crate) async fn supervised() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let setting = format!("SHOP_FOLDER={}", folder.path().display());
        let mut worker = start(&["-u", "COORD_URL", &setting, STEP], &["0"]);
        let url = worker.expect_line("the shop is at http://127.0.0.1:").await;
        let shop = Self {
            worker,
            port: url.parse().expect("a port"),
            _folder: Some(folder),
        };
        shop.until_served().await
    }

    /// One that shares a store with others, and is not started again.
    pub(crate) async fn alone(store: &str, namespace: &str) -> Self {
        let (store, namespace) = (
            format!("COORD_URL={store}"),
            format!("SHOP_NAMESPACE={namespace}"),
        );
        let mut worker = start(&[&store, &namespace, STEP], &["--alone", "0"]);
        let line = worker.expect_line("process ").await;
        let (_, port) = line.split_once("http://127.0.0.1:").expect("a URL");
        let (port, _) = port.split_once(',').expect("a port");
        Self {
            port: port.parse().expect("a port"),
            worker,
            _folder: None,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
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
        let built = Command::new(cargo)
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
