//! Which files are opened, and what is done to them.

use std::path::{Path, PathBuf};

use coord::store::{
    Capabilities, ClockSource, Consistency, Durability, LeaseRequest, PutRequest, ReplicaLoss,
    RoundTrips, SqliteStore, Store, StoreExt, Synchronous, TokensGrow,
};
use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{new_sqlite, sqlite_url, until};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{LONG, beside, open, refused, token};

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let path = new_sqlite();
    let store = open(&path).await;
    store.set("a", "one", None).await.unwrap();
    drop(store);
    assert_eq!(
        open(&path).await.get("a").await.unwrap().as_deref(),
        Some(&b"one"[..])
    );
}

#[tokio::test]
async fn a_url_names_a_file() {
    let path = new_sqlite();
    for url in [sqlite_url(&path), format!("sqlite://{}", path.display())] {
        let coord = Coordinator::connect(&url).await.unwrap();
        coord
            .store()
            .put_record(&PutRequest::new("a", "one"))
            .await
            .unwrap();
    }
    assert!(path.is_file());
}

#[tokio::test]
async fn a_url_that_names_no_file_is_told_with_the_form_to_write() {
    for url in [
        "sqlite:",
        "sqlite://",
        "sqlite::memory:",
        "sqlite://coord.db",
        "sqlite:coord.db?mode=ro",
    ] {
        let error = Coordinator::connect(url).await.unwrap_err();
        assert!(matches!(error, Error::InvalidUrl { .. }), "{url}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("`sqlite:coord.db`") || text.contains("`SqliteStore::builder`"),
            "{url}: {text}"
        );
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_is_told() {
    let folder = TempDir::new().unwrap();
    let error = refused(&folder.path().join("none/coord.db")).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(
        error
            .to_string()
            .contains("folder of the file does not exist"),
        "{error}"
    );
    let error = refused(folder.path()).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("cannot be opened"), "{error}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_alone() {
    let path = new_sqlite();
    beside(&path)
        .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = refused(&path).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let path = new_sqlite();
    let text = "a text of somebody's, long enough to be looked at ".repeat(40);
    std::fs::write(&path, &text).unwrap();
    let error = refused(&path).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("no SQLite database"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_another_version_is_refused_with_both() {
    let path = new_sqlite();
    drop(open(&path).await);
    beside(&path)
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = refused(&path).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    let text = error.to_string();
    assert!(
        text.contains("version 99") && text.contains("version 1"),
        "{text}"
    );
}

/// One that was killed before it had made the tables.
#[tokio::test]
async fn an_empty_database_is_made_ours() {
    let path = new_sqlite();
    beside(&path)
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    open(&path).await.set("a", "one", None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_open_a_new_file_at_once() {
    for _ in 0..5 {
        let path = new_sqlite();
        let mut opening = JoinSet::new();
        for number in 0..12 {
            let path = path.clone();
            opening.spawn(async move {
                let store = open(&path).await;
                store.set(&format!("k{number}"), "", None).await.unwrap();
            });
        }
        opening.join_all().await;
        let store = open(&path).await;
        for number in 0..12 {
            assert!(store.exists(&format!("k{number}")).await.unwrap());
        }
    }
}

/// What is written now is seen by nobody who opens the file from now on.
#[tokio::test]
async fn a_file_that_was_moved_away_is_noticed() {
    let path = new_sqlite();
    let store = open(&path).await;
    store.set("a", "one", None).await.unwrap();
    std::fs::rename(&path, path.with_extension("moved")).unwrap();
    for error in [
        store.set("a", "two", None).await.unwrap_err(),
        store.get("a").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Denied);
        assert!(error.to_string().contains("was moved"), "{error}");
    }
    std::fs::rename(path.with_extension("moved"), &path).unwrap();
    store.set("a", "two", None).await.unwrap();
}

/// SQLite keeps there what is not in the file yet, and who locks what.
#[tokio::test]
async fn files_beside_it_that_were_taken_away_are_noticed() {
    for end in ["-wal", "-shm"] {
        let path = new_sqlite();
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for store in [open(&path).await, open(&link).await] {
            store.set("a", "one", None).await.unwrap();
            let beside = PathBuf::from(format!("{}{end}", path.display()));
            let away = path.with_extension("away");
            std::fs::rename(&beside, &away).unwrap();
            for error in [
                store.set("a", "two", None).await.unwrap_err(),
                store.get("a").await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), StoreErrorKind::Denied);
                assert!(error.to_string().contains("was moved"), "{error}");
            }
            std::fs::rename(&away, &beside).unwrap();
            store.set("a", "two", None).await.unwrap();
        }
    }
}

/// It waits for the lock of the file that was there before.
#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_opened_is_noticed() {
    let path = new_sqlite();
    drop(open(&path).await);
    until_closed(&path).await;
    let locked = beside(&path);
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    let opening = tokio::spawn({
        let path = path.clone();
        async move { SqliteStore::builder().busy_timeout(LONG).open(path).await }
    });
    until_open_twice(&path).await;
    for end in ["", "-wal", "-shm"] {
        let from = format!("{}{end}", path.display());
        std::fs::rename(&from, format!("{from}.old")).unwrap();
    }
    let replacing = open(&path).await;
    locked.execute_batch("COMMIT").unwrap();
    match opening.await.unwrap() {
        Err(Error::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Denied),
        other => panic!("expected the file to be refused, got {other:?}"),
    }
    replacing.set("a", "one", None).await.unwrap();
}

/// By this process.
async fn until_open_twice(path: &Path) {
    let path = path.canonicalize().unwrap();
    until("the file to be opened again", async || {
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let open = descriptors.filter(|each| each.path().read_link().is_ok_and(|to| to == path));
        (open.count() == 2).then_some(())
    })
    .await;
}

/// The last one to close a database takes away what is beside it.
async fn until_closed(path: &Path) {
    let beside = PathBuf::from(format!("{}-wal", path.display()));
    until("the database to be closed", async || {
        (!beside.exists()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn tokens_of_a_new_file_are_above_those_of_the_one_that_was_deleted() {
    let path = new_sqlite();
    let mut last = 0;
    for _ in 0..3 {
        let store = open(&path).await;
        for _ in 0..3 {
            let request = LeaseRequest::exclusive("a", LONG);
            let token = token(&store, &request).await;
            assert!(token > last, "{token} follows {last}");
            last = token;
            store.release_lease(&request.lease).await.unwrap();
        }
        drop(store);
        until_closed(&path).await;
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn tokens_are_above_earlier_ones_when_a_copy_is_put_back() {
    let path = new_sqlite();
    drop(open(&path).await);
    let copy = path.with_extension("copy");
    beside(&path)
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    let before = token(&open(&path).await, &LeaseRequest::exclusive("a", LONG)).await;
    let after = token(&open(&copy).await, &LeaseRequest::exclusive("a", LONG)).await;
    assert!(after > before, "{after} follows {before}");
}

#[tokio::test]
async fn capabilities_tell_what_is_guaranteed() {
    let expected = Capabilities::unknown()
        .with_consistency(Consistency::SingleNode)
        .with_native_wake_ups(true)
        .with_clock(ClockSource::Host)
        .with_replica_loss(ReplicaLoss::NoReplicas)
        .with_tokens(TokensGrow::AcrossDataLoss)
        .with_round_trips(RoundTrips::each(0))
        .with_scans(true);
    let full = open(&new_sqlite()).await;
    assert_eq!(
        full.capabilities(),
        expected.with_durability(Durability::Synced)
    );
    let normal = SqliteStore::builder()
        .synchronous(Synchronous::Normal)
        .open(new_sqlite())
        .await
        .unwrap();
    assert_eq!(
        normal.capabilities(),
        expected.with_durability(Durability::AsConfigured)
    );
}
