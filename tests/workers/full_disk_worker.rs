//! A process that fills the disk it is given, sees what a store says to that, makes room, and sees that it goes on.
//!
//! Argument: a folder on a disk of two megabytes. It ends well if all is as it should be.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{Acquired, LeaseRequest, Renewed, SqliteStore, Store, StoreExt};
use coord_tests::until;
use futures_util::future::{join, join_all};

const VALUE_BYTES: usize = 16 * 1024;
/// More than half of the disk: closing the database copies everything.
const BALLAST_BYTES: usize = 1_200 * 1024;
/// A ttl that ends only after the test.
const LONG: Duration = Duration::from_secs(600);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let folder = Path::new(&folder);
    is_told_and_goes_on(&folder.join("coord.db"), &folder.join("ballast")).await;
    let kept = folder.join("kept");
    fs::create_dir(&kept).expect("a folder");
    what_is_held_is_kept(&kept.join("coord.db"), &kept.join("ballast")).await;
}

async fn is_told_and_goes_on(path: &Path, ballast: &Path) {
    fs::write(ballast, vec![0; BALLAST_BYTES]).expect("room for the ballast");
    let store = SqliteStore::open(path).await.expect("room for a database");

    let mut stored = 0;
    let error = loop {
        let put = store.set(&key(stored), vec![7; VALUE_BYTES], None).await;
        match put {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(stored > 4, "{stored} were stored");
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(!store.exists(&key(stored)).await.expect("reading goes on"));

    fs::remove_file(ballast).expect("the ballast");
    let put = store.set(&key(stored), vec![7; VALUE_BYTES], None).await;
    put.expect("there is room again");
    drop(store);
    let store = SqliteStore::open(path).await.expect("a sound file");
    for number in 0..=stored {
        assert!(store.exists(&key(number)).await.expect("an answer"));
    }
}

/// A renewal needs no room but in the log, which can be begun anew.
async fn what_is_held_is_kept(path: &Path, ballast: &Path) {
    let lease = LeaseRequest::exclusive("held", LONG);
    let store = SqliteStore::open(path).await.expect("room for a database");
    let held = store.acquire_lease(&lease).await.expect("an answer");
    assert!(matches!(held, Acquired::Granted(_)), "{held:?}");
    drop(store);
    let log = path.with_extension("db-wal");
    until("all to be in the database", async || {
        (!log.exists()).then_some(())
    })
    .await;

    let store = SqliteStore::open(path).await.expect("a sound file");
    for _ in 0..4 {
        renew(&store, &lease).await;
    }
    fill(ballast);
    for _ in 0..200 {
        renew(&store, &lease).await;
    }
    let renewing = join_all((0..20).map(|_| renew(&store, &lease)));
    let names: Vec<_> = (0..20).map(key).collect();
    let putting = names
        .iter()
        .map(|key| store.set(key, vec![7; VALUE_BYTES * 4], None));
    for put in join(renewing, join_all(putting)).await.1 {
        let error = put.expect_err("there is no room");
        assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    }
    fs::remove_file(ballast).expect("the ballast");
    let put = store.set(&key(0), vec![7; VALUE_BYTES], None).await;
    put.expect("there is room again");
}

async fn renew(store: &SqliteStore, lease: &LeaseRequest) {
    let renewed = store.renew_leases(&[lease.renewal()]).await.remove(0);
    assert!(matches!(renewed, Ok(Renewed::Granted(_))), "{renewed:?}");
}

/// Leaves no room on the disk.
fn fill(ballast: &Path) {
    let mut ballast = File::create(ballast).expect("the ballast");
    while ballast.write_all(&[0; 4096]).is_ok() {}
}

fn key(number: usize) -> String {
    format!("large/{number}")
}
