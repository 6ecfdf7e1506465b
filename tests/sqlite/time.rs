//! Whose time it is, and what becomes of rows whose time is over.

use std::time::Duration;

use coord::Coordinator;
use coord::store::{
    AppendRequest, DeleteRequest, LeaseRequest, PutRequest, SqliteStore, Store, StoreExt,
};
use coord_tests::{new_sqlite, until};

use crate::{LONG, beside, open};

const SHORT: Duration = Duration::from_millis(50);

/// As after the host has booted anew.
fn boot(path: &std::path::Path, seen_later: i64) {
    let changed = beside(path).execute(
        "UPDATE host SET boot = 'another', boot_time = 0, seen = seen + ?1",
        [seen_later],
    );
    assert_eq!(changed.unwrap(), 1);
}

async fn left(store: &SqliteStore) -> Option<Duration> {
    let entry = store.get_record("a").await.unwrap();
    entry.and_then(|entry| entry.expires_in)
}

#[tokio::test]
async fn time_goes_on_across_a_boot_of_the_host() {
    let path = new_sqlite();
    let store = open(&path).await;
    store.set("a", "one", LONG).await.unwrap();
    let before = left(&store).await.unwrap();
    drop(store);
    boot(&path, 0);
    let after = left(&open(&path).await).await.unwrap();
    assert!(after <= before, "{after:?} after {before:?}");
    assert!(before < after + LONG / 2, "{after:?} after {before:?}");
}

/// The wall clock was set back meanwhile.
#[tokio::test]
async fn time_does_not_go_back_at_a_boot() {
    let path = new_sqlite();
    let store = open(&path).await;
    store.set("a", "one", LONG).await.unwrap();
    drop(store);
    let ttl = i64::try_from(LONG.as_micros()).unwrap();
    boot(&path, ttl);
    assert_eq!(left(&open(&path).await).await, None);
}

#[tokio::test]
async fn what_has_expired_is_swept_by_later_writes() {
    let path = new_sqlite();
    let store = open(&path).await;
    for number in 0..20 {
        let put = PutRequest::new(format!("r{number}"), "").ttl(SHORT);
        store.put_record(&put).await.unwrap();
        let lease = LeaseRequest::exclusive(format!("l{number}"), SHORT);
        store.acquire_lease(&lease).await.unwrap();
        store
            .append_log(&AppendRequest::new("log", number, ""))
            .await
            .unwrap();
    }
    store.expire_log("log", SHORT).await.unwrap();
    let beside = beside(&path);
    let rows = || -> i64 {
        let count = "SELECT (SELECT count(*) FROM record) + (SELECT count(*) FROM contender)
                         + (SELECT count(*) FROM log_entry) + (SELECT count(*) FROM log_end)";
        beside.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert!(rows() > 1);
    until("all but one to be swept", async || {
        store.set("kept", "", None).await.unwrap();
        (rows() == 1).then_some(())
    })
    .await;
}

/// Each write takes out more than it can have put in.
#[tokio::test]
async fn logs_that_have_expired_do_not_pile_up() {
    const LOGS: usize = 160;
    let path = new_sqlite();
    let store = open(&path).await;
    let beside = beside(&path);
    let ends = || -> i64 {
        let count = "SELECT count(*) FROM log_end";
        beside.query_row(count, [], |row| row.get(0)).unwrap()
    };
    for number in 0..LOGS {
        let log = format!("log/{number}");
        store
            .append_log(&AppendRequest::new(&*log, 0, ""))
            .await
            .unwrap();
        store.expire_log(&log, LONG).await.unwrap();
    }
    assert_eq!(ends(), 160);
    beside
        .execute("UPDATE log_end SET expires_at = 0", [])
        .unwrap();
    for _ in 0..LOGS / 4 {
        store.set("kept", "", None).await.unwrap();
    }
    assert_eq!(ends(), 0);
}

/// Nobody asks for the resource any more, and nobody but who waits would hear of it.
#[tokio::test]
async fn a_sweep_hands_over_what_the_dead_held() {
    let store = open(&new_sqlite()).await;
    let holder = LeaseRequest::exclusive("a", SHORT);
    let waiter = LeaseRequest::exclusive("a", LONG).queue(LONG);
    store.acquire_lease(&holder).await.unwrap();
    let coord::store::Acquired::Waiting { mut wake, .. } =
        store.acquire_lease(&waiter).await.unwrap()
    else {
        return; // The holder was dead already.
    };
    until("the waiter to be woken", async || {
        store.set("elsewhere", "", None).await.unwrap();
        let woken = tokio::time::timeout(Duration::from_millis(1), wake.changed()).await;
        woken.is_ok().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_remembered_of_the_deleted_is_listed_nowhere() {
    let store = open(&new_sqlite()).await;
    store.set("a", "one", None).await.unwrap();
    store.delete_record(&DeleteRequest::new("a")).await.unwrap();
    let page = store
        .list_records(&coord::store::ListRequest::new(""))
        .await;
    assert!(page.unwrap().entries.is_empty());
}

/// A test's clock that stands still does not keep the threads from answering.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_hangs_nothing() {
    let store = open(&new_sqlite()).await;
    let coord = Coordinator::builder().store(store).build();
    for _ in 0..3 {
        let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
        lease.release().await.unwrap();
    }
    let done = coord
        .idempotency("b")
        .run(async || Ok::<_, coord::Error>(1))
        .await;
    assert_eq!(done.unwrap(), 1);
    coord.shutdown().await;
}
