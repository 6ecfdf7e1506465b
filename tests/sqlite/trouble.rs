//! Disks that are full, databases that are locked, and operations that fail among others.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{LeaseRequest, PutRequest, Renewed, SqliteStore, Store, StoreExt};
use coord_tests::{new_sqlite, until};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{LONG, beside, open, token};

/// A ttl that ends only after many writes.
const SOON: Duration = Duration::from_secs(1);

fn lock(path: &std::path::Path) -> Connection {
    let beside = beside(path);
    beside.execute_batch("BEGIN IMMEDIATE").unwrap();
    beside
}

#[tokio::test]
async fn a_full_database_is_told_and_goes_on_when_there_is_room() {
    let path = new_sqlite();
    let store = SqliteStore::builder()
        .largest_size(256 * 1024)
        .open(&path)
        .await
        .unwrap();
    store.set("small", "one", None).await.unwrap();
    let mut stored = 0;
    let error = loop {
        let key = format!("large/{stored}");
        match store.set(&key, vec![7; 16 * 1024], None).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(stored > 4);
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    assert!(error.to_string().contains("make room"), "{error}");
    assert!(!store.exists(&format!("large/{stored}")).await.unwrap());

    store.set("small", "two", None).await.unwrap();
    assert_eq!(
        store.get("small").await.unwrap().as_deref(),
        Some(&b"two"[..])
    );
    for number in 0..stored {
        let key = format!("large/{number}");
        assert!(
            store
                .compare_and_delete(&key, vec![7; 16 * 1024])
                .await
                .unwrap()
        );
    }
    store.set("large", vec![7; 16 * 1024], None).await.unwrap();
}

/// Also if nothing can be written before.
#[tokio::test]
async fn a_full_database_has_room_when_what_is_in_it_expires() {
    let builder = SqliteStore::builder().largest_size(256 * 1024);
    let store = builder.open(new_sqlite()).await.unwrap();
    let large = vec![7; 16 * 1024];
    let mut stored = 0;
    while store
        .set(&format!("large/{stored}"), large.clone(), SOON)
        .await
        .is_ok()
    {
        stored += 1;
    }
    until("the last to expire", async || {
        let last = format!("large/{}", stored - 1);
        (!store.exists(&last).await.unwrap()).then_some(())
    })
    .await;
    store.set("large", large, SOON).await.unwrap();
}

/// On a disk of its own, in a namespace of its own. Where users may not have those, only the test above is left.
#[test]
fn a_full_disk_is_told_and_goes_on_when_there_is_room() {
    let in_a_namespace = |script: &str, folder: &std::path::Path| {
        Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-ec", script, "sh"])
            .arg(folder)
            .arg(env!("CARGO_BIN_EXE_full_disk_worker"))
            .status()
            .is_ok_and(|status| status.success())
    };
    let folder = TempDir::new().unwrap();
    if !in_a_namespace(r#"mount -t tmpfs -o size=2m tmpfs "$1""#, folder.path()) {
        eprintln!("not tested: this user may not mount");
        return;
    }
    let script = r#"mount -t tmpfs -o size=2m tmpfs "$1"; exec "$2" "$1""#;
    assert!(in_a_namespace(script, folder.path()));
}

#[tokio::test]
async fn a_database_that_stays_locked_is_told_and_goes_on_afterwards() {
    let path = new_sqlite();
    let store = SqliteStore::builder()
        .busy_timeout(Duration::from_millis(50))
        .open(&path)
        .await
        .unwrap();
    let locked = lock(&path);
    let put = PutRequest::new("a", "one");
    let error = store.put_record(&put).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    assert!(error.to_string().contains("locked"), "{error}");
    assert_eq!(store.get("a").await.unwrap(), None, "reading goes on");
    drop(locked);
    store.put_record(&put).await.unwrap();
    assert!(store.exists("a").await.unwrap());
}

#[tokio::test]
async fn a_database_that_is_locked_for_a_while_is_waited_for() {
    let path = new_sqlite();
    let store = open(&path).await;
    let locked = lock(&path);
    let putting = tokio::spawn({
        let store = store.clone();
        async move { store.set("a", "one", None).await }
    });
    assert_eq!(store.get("a").await.unwrap(), None);
    drop(locked);
    putting.await.unwrap().unwrap();
}

/// All of them wait for the lock, and so go into one transaction.
#[tokio::test]
async fn an_operation_that_fails_spares_the_others_of_its_transaction() {
    let path = new_sqlite();
    let store = Arc::new(open(&path).await);
    let locked = lock(&path);
    locked
        .execute_batch(
            "CREATE TRIGGER refuses BEFORE INSERT ON record WHEN new.key = 'bad'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .unwrap();
    let mut puts = JoinSet::new();
    for key in ["one", "two", "bad", "three"] {
        let store = Arc::clone(&store);
        puts.spawn(async move { (key, store.set(key, "", None).await) });
    }
    tokio::task::yield_now().await;
    locked.execute_batch("COMMIT").unwrap();
    for (key, put) in puts.join_all().await {
        assert_eq!(put.is_err(), key == "bad", "{key}: {put:?}");
        assert_eq!(store.exists(key).await.unwrap(), key != "bad");
    }
}

/// When there is no room, SQLite undoes the whole transaction.
#[tokio::test]
async fn what_does_not_fit_spares_the_renewals_of_its_transaction() {
    let path = new_sqlite();
    let store = SqliteStore::builder().largest_size(256 * 1024);
    let store = store.open(&path).await.unwrap();
    let lease = LeaseRequest::exclusive("a", LONG);
    token(&store, &lease).await;
    let large = vec![7; 16 * 1024];
    let mut stored = 0;
    while store
        .set(&format!("large/{stored}"), large.clone(), None)
        .await
        .is_ok()
    {
        stored += 1;
    }

    let locked = lock(&path);
    let (mut puts, mut renewals) = (JoinSet::new(), JoinSet::new());
    for number in 0..8 {
        let (renewing, renewal) = (store.clone(), lease.renewal());
        renewals.spawn(async move { renewing.renew_leases(&[renewal]).await.remove(0) });
        let (putting, large) = (store.clone(), large.clone());
        puts.spawn(async move { putting.set(&format!("more/{number}"), large, None).await });
    }
    tokio::task::yield_now().await;
    drop(locked);
    for renewed in renewals.join_all().await {
        assert!(matches!(renewed, Ok(Renewed::Granted(_))), "{renewed:?}");
    }
    for put in puts.join_all().await {
        assert_eq!(put.unwrap_err().kind(), StoreErrorKind::NotApplied);
    }
}

#[tokio::test]
async fn a_damaged_row_is_told() {
    let path = new_sqlite();
    let store = open(&path).await;
    store.set("a", "one", None).await.unwrap();
    beside(&path)
        .execute("UPDATE record SET version = x'00'", [])
        .unwrap();
    let error = store.get("a").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert!(
        error.to_string().contains("something else has written"),
        "{error}"
    );
}

/// Its work is done or not done, and those that come later are done.
#[tokio::test]
async fn a_store_that_is_dropped_with_work_under_way_leaves_a_sound_file() {
    let path = new_sqlite();
    for round in 0..10 {
        let store = open(&path).await;
        let mut puts = Vec::new();
        for number in 0..20 {
            let store = store.clone();
            puts.push(tokio::spawn(async move {
                store.set(&format!("{round}/{number}"), "", None).await
            }));
        }
        tokio::task::yield_now().await;
        for put in &puts {
            put.abort();
        }
    }
    open(&path).await.set("last", "", None).await.unwrap();
}
