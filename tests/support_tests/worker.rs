//! Worker processes hear, answer, pause and die.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use coord_tests::{Worker, until};

async fn echo() -> Worker {
    let mut worker = Worker::spawn(env!("CARGO_BIN_EXE_echo"), ["one", "two"]);
    assert_eq!(worker.expect_line("ready ").await, "one two");
    worker
}

#[tokio::test]
async fn a_worker_hears_and_answers() {
    let mut worker = echo().await;
    worker.send_line("hello");
    worker.send_line("again");
    assert_eq!(worker.expect_line("heard ").await, "hello");
    assert_eq!(worker.next_line().await.as_deref(), Some("heard again"));
}

#[tokio::test]
#[should_panic(expected = "the worker wrote Some(\"heard this\")")]
async fn another_line_than_expected_is_shown() {
    let mut worker = echo().await;
    worker.send_line("this");
    worker.expect_line("that").await;
}

#[tokio::test]
async fn a_paused_worker_answers_after_it_is_resumed() {
    let mut worker = echo().await;
    worker.pause();
    worker.send_line("hello");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), worker.next_line())
            .await
            .is_err()
    );
    worker.resume();
    assert_eq!(worker.expect_line("heard ").await, "hello");
}

#[tokio::test]
async fn a_killed_worker_says_nothing_more() {
    let mut worker = echo().await;
    worker.kill();
    assert!(!worker.until_exit().await);
    worker.send_line("hello");
    assert_eq!(worker.next_line().await, None);
}

#[tokio::test]
async fn a_dropped_worker_is_gone() {
    let worker = echo().await;
    worker.pause();
    let process = format!("/proc/{}", worker.id());
    drop(worker);
    assert!(!std::path::Path::new(&process).exists());
}

/// A test process that is killed runs no destructors. A worker stands in for it.
#[tokio::test]
async fn servers_end_with_a_killed_test_process() {
    let mut worker = echo().await;
    worker.send_line("server");
    let addr = worker.expect_line("server ").await;
    let folder = PathBuf::from(worker.expect_line("folder ").await);
    assert!(TcpStream::connect(&addr).is_ok());
    assert!(folder.exists());
    worker.kill();
    until("the server to end", async || {
        TcpStream::connect(&addr).is_err().then_some(())
    })
    .await;
    until("its folder to go", async || {
        (!folder.exists()).then_some(())
    })
    .await;
}
