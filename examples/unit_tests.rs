//! A service, and how it is tested without a server: each test has a store in memory of its own.
//!
//! `cargo test --example unit_tests` runs the tests, `cargo run --example unit_tests` the service.
//!
//! A coordinator's `scope` is what attributes use inside of it, so that tests run side by side. A paused clock passes
//! ttls and timeouts at once.

#![allow(
    clippy::unused_async,
    reason = "steps are async, whether they wait or not"
)]

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};

use coord::{Coordinator, idempotent, locked, saga};
use serde::{Deserialize, Serialize};

/// What is to be tested. It does not know where its leases are kept.
#[derive(Debug, Default)]
pub struct OrderService {
    charges: AtomicU32,
}

impl OrderService {
    /// Charges for an order, once.
    #[idempotent("payment:<order>", ttl = "10m")]
    pub async fn pay(&self, order: u64) -> Result<u32, coord::Error> {
        Ok(self.charges.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Runs while nobody else does this for the order.
    #[locked("order:<order>", ttl = "2s", wait = "1s")]
    pub async fn process(&self, order: u64) -> Result<u32, coord::Error> {
        tokio::task::yield_now().await;
        self.pay(order).await
    }
}

/// The order in three steps.
#[saga("order:<id>")]
#[derive(Debug, Serialize, Deserialize)]
pub struct Place {
    id: u64,
    goes_well: bool,
}

#[saga]
impl Place {
    #[step(compensate = release)]
    async fn reserve(&self) -> Result<u32, String> {
        Ok(1)
    }

    async fn release(&self, _reserve: &u32) -> Result<(), String> {
        Ok(())
    }

    #[step]
    async fn charge(&self, reserve: &u32) -> Result<u32, String> {
        Ok(reserve + 1)
    }

    #[step]
    async fn ship(&self, charge: &u32) -> Result<u32, String> {
        if self.goes_well {
            Ok(charge + 1)
        } else {
            Err("no carrier".to_owned())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    Coordinator::connect("memory:").await?.install()?;
    let service = OrderService::default();
    let first = service.process(7).await?;
    assert_eq!(service.process(7).await?, first, "replayed");
    let done = Place {
        id: 7,
        goes_well: true,
    }
    .run()
    .await?;
    assert_eq!(done.ship, 3);
    println!("order 7 is paid with charge {first}, and shipped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use coord::SagaError;
    use coord::saga::HistoryKind;

    /// Runs a test on a store of its own.
    async fn with_store(test: impl AsyncFnOnce(&Coordinator)) {
        let coord = Coordinator::builder().build();
        coord.scope(Box::pin(test(&coord))).await;
        coord.shutdown().await;
    }

    #[tokio::test]
    async fn two_at_the_same_time_take_turns_and_pay_once() {
        with_store(async |_| {
            let service = OrderService::default();
            let (one, two) = tokio::join!(service.process(1), service.process(1));
            assert_eq!((one.unwrap(), two.unwrap()), (1, 1));
            assert_eq!(service.charges.load(Ordering::SeqCst), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn a_payment_that_is_asked_for_twice_is_made_once() {
        with_store(async |_| {
            let service = OrderService::default();
            assert_eq!(service.pay(1).await.unwrap(), 1);
            assert_eq!(service.pay(1).await.unwrap(), 1);
            assert_eq!(service.pay(2).await.unwrap(), 2);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_is_busy_for_too_long_is_given_up() {
        with_store(async |coord| {
            let _held = coord.lock("order:1").acquire().await.unwrap();
            let refused = OrderService::default().process(1).await;
            assert!(matches!(refused, Err(coord::Error::LockTimeout { .. })));
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_payment_is_forgotten_after_its_ttl() {
        with_store(async |_| {
            let service = OrderService::default();
            service.pay(1).await.unwrap();
            tokio::time::sleep(Duration::from_secs(11 * 60)).await;
            assert_eq!(service.pay(1).await.unwrap(), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn all_steps_run_in_order() {
        with_store(async |coord| {
            Place {
                id: 1,
                goes_well: true,
            }
            .run()
            .await
            .unwrap();
            assert_eq!(
                done(coord, HistoryKind::Done).await,
                ["reserve", "charge", "ship"]
            );
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_done_is_undone_if_there_is_no_carrier() {
        with_store(async |coord| {
            let failed = Place {
                id: 1,
                goes_well: false,
            }
            .run()
            .await;
            assert!(matches!(failed, Err(SagaError::Compensated { step, .. }) if step == "ship"));
            assert_eq!(done(coord, HistoryKind::Undone).await, ["reserve"]);
        })
        .await;
    }

    /// The steps to which this has happened.
    async fn done(coord: &Coordinator, kind: HistoryKind) -> Vec<String> {
        let history = coord.sagas().history("Place/order:1").await.unwrap();
        let events = history.unwrap().events.into_iter();
        events
            .filter(|event| event.kind == kind)
            .map(|event| event.step)
            .collect()
    }
}
