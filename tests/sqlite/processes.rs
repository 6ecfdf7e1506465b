//! Processes that share a file, are killed, and stand still.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use coord::store::{Acquired, LeaseRequest, Store, StoreExt, Wake, Watched};
use coord::{Coordinator, Lease};
use coord_tests::{PATIENCE, Worker, new_sqlite, sqlite_url, until};

use crate::{LONG, beside, open, token};

const NAMESPACE: &str = "processes";
/// A ttl that ends while a test waits for it.
const SHORT: Duration = Duration::from_millis(600);

async fn lock_worker(path: &Path, ttl: Duration) -> Worker {
    let ttl = ttl.as_millis().to_string();
    let arguments = [&*sqlite_url(path), NAMESPACE, &ttl];
    let mut worker = Worker::spawn(env!("CARGO_BIN_EXE_lock_worker"), arguments);
    worker.expect_line("ready").await;
    worker
}

async fn acquire(worker: &mut Worker) -> u64 {
    worker.send_line("acquire a");
    worker.expect_line("held ").await.parse().expect("a token")
}

async fn coordinator(path: &Path) -> Coordinator {
    Coordinator::builder()
        .store(open(path).await)
        .namespace(NAMESPACE)
        .build()
}

fn token_of(lease: &Lease) -> u64 {
    lease.token().into()
}

/// How many are in the line of the lock.
async fn until_in_line(store: &dyn Store, count: usize) {
    let resource = format!("{NAMESPACE}/lock/a");
    until("the line to be of that length", async || {
        let line = store.inspect_lease(&resource).await.expect("a line");
        (line.len() == count).then_some(())
    })
    .await;
}

/// What of its work was acknowledged before a worker was killed.
#[derive(Default)]
struct Told {
    puts: Vec<String>,
    logs: HashMap<String, u64>,
    last_token: u64,
}

impl Told {
    fn hear(&mut self, line: &str) {
        match *line.split(' ').collect::<Vec<_>>() {
            ["put", key] => self.puts.push(key.to_owned()),
            ["log", log, length] => {
                self.logs
                    .insert(log.to_owned(), length.parse().expect("a length"));
            }
            ["token", token] => {
                let token = token.parse().expect("a token");
                self.last_token = self.last_token.max(token);
            }
            // The last line of one that was killed may be half a line.
            _ => {}
        }
    }
}

/// Nothing that was acknowledged is lost, and nothing is there by half, wherever in a commit the process died.
#[tokio::test]
async fn a_process_that_is_killed_in_the_middle_of_commits_loses_nothing_acknowledged() {
    let path = new_sqlite();
    let mut last_token = 0;
    for round in 0..8 {
        let prefix = format!("killed/{round}");
        let arguments = [&*sqlite_url(&path), &prefix];
        let mut worker = Worker::spawn(env!("CARGO_BIN_EXE_store_worker"), arguments);
        let mut told = Told::default();
        for _ in 0..100 + rand::random_range(0..100) {
            told.hear(&worker.next_line().await.expect("it works on"));
        }
        worker.kill();
        while let Some(line) = worker.next_line().await {
            told.hear(&line);
        }

        let store = open(&path).await;
        for key in &told.puts {
            let value = store.get(key).await.unwrap();
            assert_eq!(value.as_deref(), Some(key.as_bytes()), "{key} was lost");
        }
        for (log, length) in &told.logs {
            let entries = store.read_log(log, 0, usize::MAX).await.unwrap();
            let expected: Vec<_> = (0..entries.len()).map(|index| index.to_string()).collect();
            assert_eq!(entries, expected, "the log {log} has holes");
            assert!(entries.len() as u64 >= *length, "{log} lost its end");
        }
        assert!(told.last_token > last_token);
        let request = LeaseRequest::exclusive("killed/token", LONG);
        last_token = token(&store, &request).await;
        assert!(last_token > told.last_token, "a token came again");
        store.release_lease(&request.lease).await.unwrap();
    }
    let sound: String = beside(&path)
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn processes_that_work_at_the_same_time_lose_nothing() {
    let path = new_sqlite();
    let mut workers: Vec<_> = (0..3)
        .map(|number| {
            let arguments = [sqlite_url(&path), format!("together/{number}")];
            Worker::spawn(env!("CARGO_BIN_EXE_store_worker"), arguments)
        })
        .collect();
    let mut told = Told::default();
    for _ in 0..150 {
        for worker in &mut workers {
            told.hear(&worker.next_line().await.expect("it works on"));
        }
    }
    drop(workers);
    let store = open(&path).await;
    assert!(!told.puts.is_empty());
    for key in &told.puts {
        assert!(store.exists(key).await.unwrap(), "{key} was lost");
    }
}

#[tokio::test]
async fn a_release_wakes_the_next_in_another_process() {
    let path = new_sqlite();
    let store = open(&path).await;
    let mut worker = lock_worker(&path, LONG).await;
    let earlier = acquire(&mut worker).await;
    let request = LeaseRequest::exclusive(format!("{NAMESPACE}/lock/a"), LONG).queue(LONG);
    let Acquired::Waiting {
        token, mut wake, ..
    } = store.acquire_lease(&request).await.unwrap()
    else {
        panic!("the worker holds it")
    };
    assert!(u64::from(token) > earlier);
    worker.send_line("release");
    worker.expect_line("released").await;
    let woken = tokio::time::timeout(PATIENCE, wake.changed()).await;
    assert_eq!(woken, Ok(Wake::Granted(token)));
}

/// The holder's time is over, and nobody has written yet that the next one holds.
#[tokio::test]
async fn a_hand_over_that_nobody_has_written_is_not_told() {
    let path = new_sqlite();
    let (one, other) = (open(&path).await, open(&path).await);
    token(&one, &LeaseRequest::exclusive("a", LONG)).await;
    let request = LeaseRequest::exclusive("a", LONG).queue(LONG);
    let Acquired::Waiting { mut wake, .. } = other.acquire_lease(&request).await.unwrap() else {
        panic!("the other one holds it")
    };
    let ended = beside(&path).execute("UPDATE contender SET expires_at = 0 WHERE granted", []);
    assert_eq!(ended.unwrap(), 1);
    let woken = tokio::time::timeout(PATIENCE, wake.changed()).await;
    assert_eq!(woken, Ok(Wake::Look));
    token(&other, &request).await;
}

#[tokio::test]
async fn a_waiter_in_another_process_is_woken() {
    let path = new_sqlite();
    let coord = coordinator(&path).await;
    let mut worker = lock_worker(&path, LONG).await;
    for _ in 0..5 {
        let lease = coord.lock("a").acquire().await.unwrap();
        worker.send_line("acquire a");
        until_in_line(&**coord.store(), 2).await;
        let earlier = token_of(&lease);
        lease.release().await.unwrap();
        let later: u64 = worker.expect_line("held ").await.parse().unwrap();
        assert!(later > earlier);
        worker.send_line("release");
        worker.expect_line("released").await;
    }
}

#[tokio::test]
async fn a_change_by_another_process_wakes_who_watches_the_line() {
    let path = new_sqlite();
    let store = open(&path).await;
    let mut worker = lock_worker(&path, LONG).await;
    let watched = Watched::Lease(format!("{NAMESPACE}/lock/a"));
    let mut watch = store.watch(&watched).await.unwrap();
    for command in ["acquire a", "release"] {
        worker.send_line(command);
        worker.next_line().await;
        let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
        assert_eq!(woken, Ok(Wake::Look));
    }
}

#[tokio::test]
async fn a_killed_holder_is_followed_by_the_next() {
    let path = new_sqlite();
    let coord = coordinator(&path).await;
    let mut worker = lock_worker(&path, SHORT).await;
    let earlier = acquire(&mut worker).await;
    let next = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").acquire().await }
    });
    until_in_line(&**coord.store(), 2).await;
    worker.kill();
    let lease = next.await.unwrap().unwrap();
    assert!(token_of(&lease) > earlier);
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_waiter_that_is_killed_is_skipped() {
    let path = new_sqlite();
    let coord = coordinator(&path).await;
    let holder = coord.lock("a").acquire().await.unwrap();
    let mut worker = lock_worker(&path, SHORT).await;
    worker.send_line("acquire a");
    until_in_line(&**coord.store(), 2).await;
    let next = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").acquire().await }
    });
    until_in_line(&**coord.store(), 3).await;
    worker.kill();
    worker.until_exit().await;
    holder.release().await.unwrap();
    next.await.unwrap().unwrap().release().await.unwrap();
}

/// When it wakes, its body is told to go on in the same moment, and must not.
#[tokio::test]
async fn a_holder_that_was_paused_for_too_long_does_not_go_on() {
    let path = new_sqlite();
    let coord = coordinator(&path).await;
    let mut worker = lock_worker(&path, SHORT).await;
    worker.send_line("run a");
    let earlier: u64 = worker.expect_line("body ").await.parse().unwrap();
    {
        // Not in the middle of a transaction, where it would hold up everybody.
        let beside = beside(&path);
        beside.execute_batch("BEGIN IMMEDIATE").unwrap();
        worker.pause();
    }
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    assert!(token_of(&lease) > earlier);
    worker.send_line("go on");
    worker.resume();
    assert_eq!(worker.next_line().await.as_deref(), Some("dropped"));
    assert_eq!(worker.next_line().await.as_deref(), Some("lost"));
    lease.release().await.unwrap();
}
