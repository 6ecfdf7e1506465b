//! A long import with a step for each batch, whose process dies in the middle.
//!
//! `cargo run --example data_import`
//!
//! How many batches there are is known only when the file is there, so the steps are closures. The second process
//! runs the same code under the same key: batches that are done are not loaded again.
//!
//! Both processes are played by this one, each with a runtime of its own, which opens the same file.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::pending;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coord::store::SqliteStore;
use coord::{Coordinator, SagaError};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

const BATCHES: u32 = 6;
/// While this one is loaded, the power goes out.
const UNLUCKY: u32 = 3;

/// Where the rows go. It outlives the processes that load them.
#[derive(Default)]
struct Warehouse {
    tables: Mutex<Tables>,
    power_fails: Notify,
}

#[derive(Default)]
struct Tables {
    /// Rows by the key under which they came.
    rows: BTreeMap<String, u64>,
    /// How often each batch was begun.
    begun: BTreeMap<u32, u32>,
}

impl Warehouse {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the rows of one key once, as an upsert does.
    async fn load(&self, process: &str, batch: u32, key: &str) -> Result<u64, String> {
        let rows = 1000 + u64::from(batch);
        let begun = {
            let mut tables = self.tables();
            tables.rows.insert(key.to_owned(), rows);
            let begun = tables.begun.entry(batch).or_default();
            *begun += 1;
            *begun
        };
        if batch == UNLUCKY && begun == 1 {
            println!(
                "{process}: the power goes out; batch {batch} is in, and nobody has been told"
            );
            self.power_fails.notify_one();
            pending::<()>().await;
        }
        println!("{process}: loaded batch {batch}");
        Ok(rows)
    }

    fn unload(&self, key: &str) {
        self.tables().rows.remove(key);
    }
}

/// What the import is, in whatever process. Besides its steps the body does the same each time.
async fn import(
    process: &'static str,
    coord: &Coordinator,
    warehouse: &Warehouse,
) -> Result<u64, SagaError> {
    let saga = coord.saga("import:customers").run(async |saga| {
        let mut rows = 0;
        for batch in 0..BATCHES {
            let step = format!("batch-{batch}");
            let key = saga.idempotency_key(&step);
            rows += saga
                .step(step, async || warehouse.load(process, batch, &key).await)
                .compensate(async |_rows| {
                    warehouse.unload(&key);
                    Ok::<(), String>(())
                })
                .await?;
        }
        Ok(rows)
    });
    saga.await
}

async fn coordinator(file: &Path) -> Result<Coordinator, coord::Error> {
    let coord = Coordinator::builder()
        .store(SqliteStore::open(file).await?)
        // So long does the second process wait before it takes the first one for dead.
        .lock_ttl(Duration::from_secs(1));
    Ok(coord.build())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("coord.db");
    let warehouse = Warehouse::default();

    let first = Runtime::new()?;
    let coord = first.block_on(coordinator(&file))?;
    let outcome = first.block_on(async {
        tokio::select! {
            ended = import("first process", &coord, &warehouse) => Some(ended),
            () = warehouse.power_fails.notified() => None,
        }
    });
    assert!(outcome.is_none(), "it cannot end without power");
    // With it go all its tasks. Nothing is given back.
    drop(first);

    let second = Runtime::new()?;
    let coord = second.block_on(coordinator(&file))?;
    let rows = second.block_on(import("second process", &coord, &warehouse))?;
    second.block_on(coord.shutdown());

    let tables = warehouse.tables();
    println!("{rows} rows in {BATCHES} batches");
    assert_eq!(
        tables.rows.values().sum::<u64>(),
        rows,
        "no row is in twice"
    );
    for (&batch, &begun) in &tables.begun {
        let expected = if batch == UNLUCKY { 2 } else { 1 };
        assert_eq!(begun, expected, "batch {batch}");
    }
    Ok(())
}
