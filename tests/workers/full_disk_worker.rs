//! A process that fills the disk it is given, sees what a store says to that, makes room, and sees that it goes on.
//!
//! Argument: a folder on a disk of two megabytes. It ends well if all is as it should be.

use std::fs;
use std::path::Path;

use coord::StoreErrorKind;
use coord::store::{SqliteStore, StoreExt};

const VALUE_BYTES: usize = 16 * 1024;
/// More than half of the disk: closing the database copies everything.
const BALLAST_BYTES: usize = 1_200 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let ballast = Path::new(&folder).join("ballast");
    let path = Path::new(&folder).join("coord.db");
    fs::write(&ballast, vec![0; BALLAST_BYTES]).expect("room for the ballast");
    let store = SqliteStore::open(&path).await.expect("room for a database");

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

    fs::remove_file(&ballast).expect("the ballast");
    let put = store.set(&key(stored), vec![7; VALUE_BYTES], None).await;
    put.expect("there is room again");
    drop(store);
    let store = SqliteStore::open(&path).await.expect("a sound file");
    for number in 0..=stored {
        assert!(store.exists(&key(number)).await.expect("an answer"));
    }
}

fn key(number: usize) -> String {
    format!("large/{number}")
}
