//! What locks and records in a file cost. The floor is what each of them cannot do without: the commit of one row,
//! by a thread that does nothing else, with the same setting. A lock's cycle is two commits.
//!
//! `cargo bench -p coord-tests --bench sqlite`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coord::Coordinator;
use coord::store::{PutRequest, SqliteStore, Store, Synchronous};
use coord_tests::bench::{Contestant, compare};
use coord_tests::new_sqlite;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

const TTL: Duration = Duration::from_secs(30);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for synchronous in [Synchronous::Full, Synchronous::Normal] {
            let store = SqliteStore::builder().synchronous(synchronous);
            let store = store.open(new_sqlite()).await.expect("a file");
            let coordinator = Coordinator::builder().store(store.clone()).build();
            let floor = Arc::new(Floor::start(&new_sqlite(), synchronous));
            for tasks in [1, 32] {
                println!("\nSQLite, synchronous {synchronous:?}, {tasks} tasks");
                compare(tasks, contestants(&floor, &store, &coordinator)).await;
            }
        }
    });
}

fn contestants(
    floor: &Arc<Floor>,
    store: &SqliteStore,
    coordinator: &Coordinator,
) -> Vec<Contestant> {
    let (once, twice) = (Arc::clone(floor), Arc::clone(floor));
    let (store, coordinator) = (store.clone(), coordinator.clone());
    vec![
        Contestant::new("one row (floor)", move |key| {
            let floor = Arc::clone(&once);
            async move { floor.commit(key).await }
        }),
        Contestant::new("record put", move |key| {
            let store = store.clone();
            async move {
                let put = PutRequest::new(key, "value").ttl(TTL);
                store.put_record(&put).await.expect("a put");
            }
        }),
        Contestant::new("one row, twice", move |key| {
            let floor = Arc::clone(&twice);
            async move {
                floor.commit(key.clone()).await;
                floor.commit(key).await;
            }
        }),
        Contestant::new("lock cycle", move |key| {
            let coordinator = coordinator.clone();
            async move {
                let lease = coordinator.lock(key).ttl(TTL).acquire().await;
                lease.expect("a lease").release().await.expect("a release");
            }
        }),
    ]
}

/// A thread that commits one row at a time.
struct Floor(mpsc::UnboundedSender<(String, oneshot::Sender<()>)>);

impl Floor {
    fn start(path: &Path, synchronous: Synchronous) -> Self {
        let connection = Connection::open(path).expect("a database");
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .expect("a setting");
        let synchronous = match synchronous {
            Synchronous::Normal => "NORMAL",
            _ => "FULL",
        };
        connection
            .pragma_update(None, "synchronous", synchronous)
            .expect("a setting");
        connection
            .execute_batch("CREATE TABLE floor (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID")
            .expect("a table");
        let (sender, mut asked) = mpsc::unbounded_channel::<(String, oneshot::Sender<()>)>();
        std::thread::spawn(move || {
            let mut count = 0;
            while let Some((key, done)) = asked.blocking_recv() {
                let mut upsert = connection
                    .prepare_cached("INSERT OR REPLACE INTO floor VALUES (?1, ?2)")
                    .expect("a statement");
                // What does not change is not written.
                count += 1;
                upsert.execute(params![key, count]).expect("a commit");
                let _ = done.send(());
            }
        });
        Self(sender)
    }

    async fn commit(&self, key: String) {
        let (done, committed) = oneshot::channel();
        self.0.send((key, done)).expect("the thread");
        committed.await.expect("a commit");
    }
}
