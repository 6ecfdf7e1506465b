//! A catalog that many read together and one rewrites alone.
//!
//! `cargo run --example read_write`
//!
//! Readers and writers stand in one line, so that readers who keep coming do not keep a writer waiting.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use coord::{Coordinator, locked};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const READERS: usize = 3;
const SHOPS: usize = 10;

/// Two prices that must be read as they were written: together.
#[derive(Default)]
struct Catalog {
    cup: Mutex<u64>,
    saucer: Mutex<u64>,
}

fn of(price: &Mutex<u64>) -> std::sync::MutexGuard<'_, u64> {
    price.lock().unwrap_or_else(PoisonError::into_inner)
}

#[locked("catalog", shared)]
async fn read(catalog: &Catalog) -> Result<(u64, u64), coord::Error> {
    let cup = *of(&catalog.cup);
    // A writer that could get in here would be seen halfway.
    tokio::task::yield_now().await;
    Ok((cup, *of(&catalog.saucer)))
}

/// The same key without `shared`: alone.
#[locked("catalog")]
async fn raise(catalog: &Catalog) -> Result<(), coord::Error> {
    *of(&catalog.cup) += 1;
    tokio::task::yield_now().await;
    *of(&catalog.saucer) += 1;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;
    let catalog = Arc::new(Catalog::default());

    let mut reads = JoinSet::new();
    let mut writes = JoinSet::new();
    for _ in 0..SHOPS {
        let (reader, writer) = (Arc::clone(&catalog), Arc::clone(&catalog));
        reads.spawn(async move { read(&reader).await });
        writes.spawn(async move { raise(&writer).await });
    }
    while let Some(prices) = reads.join_next().await {
        let (cup, saucer) = prices??;
        assert_eq!(cup, saucer, "a catalog that was half rewritten");
    }
    while let Some(write) = writes.join_next().await {
        write??;
    }
    assert_eq!(read(&catalog).await?, (10, 10));
    println!("{SHOPS} readers among {SHOPS} writers: nobody saw half a change");

    // Readers are inside together, or this would hang; while they are, no writer gets in.
    let together = Barrier::new(READERS);
    let lock = coord.rw_lock("catalog");
    let inside = || async {
        let reading = lock.read().acquire().await?;
        together.wait().await;
        assert!(lock.write().try_acquire().await?.is_none());
        together.wait().await;
        reading.release().await
    };
    tokio::try_join!(inside(), inside(), inside())?;
    assert!(lock.write().try_acquire().await?.is_some());
    println!("{READERS} readers at the same time, and no writer among them");
    coord.shutdown().await;
    Ok(())
}
