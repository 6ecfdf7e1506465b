//! Two commits of one row, by a thread that does nothing else, with the setting that coord has by default.

use std::path::Path;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::Floor;

const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
     CREATE TABLE floor (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID";

pub(crate) fn floor(path: &Path) -> Floor {
    let connection = Connection::open(path).expect("a database");
    connection.execute_batch(SETTINGS).expect("a table");
    let (sender, mut asked) = mpsc::unbounded_channel::<(String, oneshot::Sender<()>)>();
    std::thread::spawn(move || {
        let mut count = 0;
        while let Some((key, done)) = asked.blocking_recv() {
            let upsert = "INSERT OR REPLACE INTO floor VALUES (?1, ?2)";
            let mut upsert = connection.prepare_cached(upsert).expect("a statement");
            // What does not change is not written.
            count += 1;
            upsert.execute(params![key, count]).expect("a commit");
            let _ = done.send(());
        }
    });
    super::floor(move |key| {
        let sender = sender.clone();
        async move {
            for _ in 0..2 {
                let (done, committed) = oneshot::channel();
                sender.send((key.clone(), done)).expect("the thread");
                committed.await.expect("a commit");
            }
        }
    })
}
