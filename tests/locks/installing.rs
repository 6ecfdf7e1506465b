//! The coordinator of a process, which can be installed once: in a process of its own.

use coord_tests::Worker;

#[tokio::test]
async fn a_process_has_none_until_one_is_installed_and_then_keeps_it() {
    let mut worker = Worker::spawn(env!("CARGO_BIN_EXE_installing"), [""; 0]);
    assert_eq!(worker.expect_line("current before: ").await, "NotInstalled");
    assert_eq!(worker.expect_line("locked before: ").await, "NotInstalled");
    assert!(
        worker
            .expect_line("told: ")
            .await
            .contains("call `Coordinator::install`")
    );
    assert_eq!(worker.expect_line("install: ").await, "ok");
    assert_eq!(worker.expect_line("again: ").await, "AlreadyInstalled");
    assert_eq!(worker.expect_line("another: ").await, "AlreadyInstalled");
    assert!(
        worker
            .expect_line("told: ")
            .await
            .contains("install one per process")
    );
    assert_eq!(worker.expect_line("locked: ").await, "by the installed");
    assert_eq!(worker.expect_line("spawned: ").await, "by the installed");
    assert_eq!(worker.expect_line("scoped: ").await, "by another");
    assert!(worker.until_exit().await);
}
