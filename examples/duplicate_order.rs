//! An order that several workers are told to process: one does, the others find it done.
//!
//! `cargo run --example duplicate_order`
//!
//! The lock lets one in at a time; that the order is still to be processed is looked up inside.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use coord::{Coordinator, locked};

const WORKERS: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Status {
    Pending,
    Completed,
}

#[derive(Debug)]
enum OrderError {
    Unknown,
    AlreadyProcessed,
    Coordination(coord::Error),
}

impl From<coord::Error> for OrderError {
    fn from(error: coord::Error) -> Self {
        Self::Coordination(error)
    }
}

/// Stands for the database. Each call by itself is safe, two of them in a row are not.
#[derive(Default)]
struct Orders {
    status: Mutex<HashMap<u64, Status>>,
    charged: Mutex<Vec<u64>>,
}

impl Orders {
    fn status(&self, id: u64) -> Option<Status> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.get(&id).copied()
    }

    fn set(&self, id: u64, to: Status) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.insert(id, to);
    }

    async fn charge(&self, id: u64) {
        // While this takes its time, the other workers would find the order pending too.
        tokio::task::yield_now().await;
        let mut charged = self.charged.lock().unwrap_or_else(PoisonError::into_inner);
        charged.push(id);
    }
}

/// One process in the fleet at a time, per order.
#[locked("order:process:<id>", ttl = "5m")]
async fn process(orders: &Orders, id: u64) -> Result<(), OrderError> {
    match orders.status(id) {
        None => Err(OrderError::Unknown),
        Some(Status::Completed) => Err(OrderError::AlreadyProcessed),
        Some(Status::Pending) => {
            orders.charge(id).await;
            orders.set(id, Status::Completed);
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;
    let orders = Arc::new(Orders::default());
    orders.set(42, Status::Pending);

    let workers = (0..WORKERS).map(|_| {
        let orders = Arc::clone(&orders);
        tokio::spawn(async move { process(&orders, 42).await })
    });
    let (mut processed, mut found_done) = (0, 0);
    for worker in workers.collect::<Vec<_>>() {
        match worker.await? {
            Ok(()) => processed += 1,
            Err(OrderError::AlreadyProcessed) => found_done += 1,
            Err(OrderError::Unknown) => return Err("there is such an order".into()),
            Err(OrderError::Coordination(error)) => return Err(error.into()),
        }
    }
    println!("{WORKERS} workers: {processed} processed order 42, {found_done} found it done");
    assert_eq!((processed, found_done), (1, WORKERS - 1));
    assert_eq!(
        *orders
            .charged
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
        [42],
        "charged once"
    );
    assert!(matches!(
        process(&orders, 7).await,
        Err(OrderError::Unknown)
    ));
    coord.shutdown().await;
    Ok(())
}
