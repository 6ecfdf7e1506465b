//! A batch whose items are processed side by side: each under a lock of its own, and not too many at once.
//!
//! `cargo run --example parallel_batch`
//!
//! Two processes get batches that overlap. No item is processed by both at the same time, and items that differ do not
//! wait for each other.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use coord::store::MemoryStore;
use coord::{Coordinator, locked};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Barrier;

const AT_ONCE: usize = 4;

#[derive(Default)]
struct Items {
    /// Who is at work on what.
    busy: BTreeMap<u32, u32>,
    done: BTreeMap<u32, u32>,
}

type Shared = Arc<Mutex<Items>>;

fn with<T>(items: &Shared, act: impl FnOnce(&mut Items) -> T) -> T {
    act(&mut items.lock().unwrap_or_else(PoisonError::into_inner))
}

#[locked("item:<item>", ttl = "1m", coord = coord)]
async fn process(coord: &Coordinator, items: &Shared, item: u32) -> Result<(), coord::Error> {
    with(items, |items| {
        let busy = items.busy.entry(item).or_default();
        *busy += 1;
        assert_eq!(*busy, 1, "nobody else is at work on item {item}");
    });
    tokio::task::yield_now().await;
    with(items, |items| {
        items.busy.remove(&item);
        *items.done.entry(item).or_default() += 1;
    });
    Ok(())
}

async fn batch(
    coord: Coordinator,
    items: Shared,
    batch: impl Iterator<Item = u32>,
) -> Result<(), coord::Error> {
    stream::iter(batch)
        .map(|item| process(&coord, &items, item))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    let process_of = || Coordinator::builder().store(store.clone()).build();
    let items = Shared::default();
    let one = tokio::spawn(batch(process_of(), Arc::clone(&items), 0..60));
    let two = tokio::spawn(batch(process_of(), Arc::clone(&items), (40..100).rev()));
    one.await??;
    two.await??;
    with(&items, |items| {
        let twice = items.done.values().filter(|times| **times == 2).count();
        println!(
            "{} items, {twice} of them in both batches",
            items.done.len()
        );
        assert_eq!((items.done.len(), twice), (100, 20));
    });

    // Locks of different items are independent: all four of these are held at the same time, or this would hang.
    let coord = process_of();
    let meeting = Barrier::new(AT_ONCE);
    let meet = |item: u32| {
        let key = coord::key!("item:<item>");
        coord.lock(key).run(async |_| {
            meeting.wait().await;
            Ok::<_, coord::Error>(())
        })
    };
    tokio::try_join!(meet(1), meet(2), meet(3), meet(4))?;
    println!("four items at the same time");
    coord.shutdown().await;
    Ok(())
}
