//! How long the log gets that SQLite writes ahead of the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use coord::store::{SqliteStore, StoreExt, Synchronous};
use coord_tests::new_sqlite;
use rusqlite::Connection;

use crate::beside;

const VALUE_BYTES: usize = 1_000_000;
/// How many values together are several times as long as the log may get.
const VALUES: usize = 250;
/// What it may get, and what is written until it is looked at.
const LONGEST: u64 = 80 * 1024 * 1024;

/// Somebody who reads at every moment, now by one connection and now by another.
struct Reading {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reading {
    fn begin(path: &Path) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (one, other) = (beside(path), beside(path));
        let ended = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            look(&one);
            while !ended.load(Ordering::Relaxed) {
                look(&other);
                one.execute_batch("COMMIT").unwrap();
                look(&one);
                other.execute_batch("COMMIT").unwrap();
            }
        });
        Self {
            ends,
            thread: Some(thread),
        }
    }
}

fn look(connection: &Connection) {
    connection.execute_batch("BEGIN").unwrap();
    let look = connection.query_row("SELECT one FROM host", [], |_| Ok(()));
    look.unwrap();
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// SQLite by itself begins the log anew only when nobody reads in it.
#[tokio::test]
async fn the_log_stays_short_while_somebody_always_reads() {
    let path = new_sqlite();
    let builder = SqliteStore::builder().synchronous(Synchronous::Normal);
    let store = builder.open(&path).await.unwrap();
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let _reading = Reading::begin(&path);
    let mut longest = 0;
    for number in 0..VALUES {
        let value = vec![u8::try_from(number).unwrap(); VALUE_BYTES];
        store.set("a", value, None).await.unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    assert!(longest < LONGEST, "it got {longest} bytes long");
}
