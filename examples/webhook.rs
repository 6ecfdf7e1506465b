//! A webhook handler whose sender delivers at least once.
//!
//! `cargo run --example webhook`
//!
//! The sender repeats a delivery that it got no answer for in time, also while the first one is still being
//! worked on. It is told to come again later then, and the answer that it gets in the end is always the
//! same, a refusal too.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use coord::{Coordinator, idempotent};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// What the sender sends.
#[derive(Clone)]
struct Delivery {
    id: &'static str,
    event: &'static str,
}

/// What a handler may answer. A refusal is an answer, and remembered; what `coord` has to say passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum HookError {
    UnknownEvent(String),
    #[serde(skip)]
    ComeAgainLater,
    #[serde(skip)]
    Coordination(String),
}

impl From<coord::Error> for HookError {
    fn from(error: coord::Error) -> Self {
        match error {
            coord::Error::InProgress { .. } => Self::ComeAgainLater,
            other => Self::Coordination(other.to_string()),
        }
    }
}

#[derive(Default)]
struct Shop {
    orders_paid: AtomicU32,
    refusals: AtomicU32,
    at_work: Notify,
    go_on: Notify,
}

#[idempotent(
    "hook:<delivery.id>",
    ttl = "7d",
    lease = "2m",
    in_progress = "reject",
    remember_errors
)]
async fn handle(shop: &Shop, delivery: &Delivery) -> Result<String, HookError> {
    if delivery.event != "order.paid" {
        shop.refusals.fetch_add(1, Ordering::SeqCst);
        return Err(HookError::UnknownEvent(delivery.event.to_owned()));
    }
    // This takes longer than the sender's patience.
    shop.at_work.notify_one();
    shop.go_on.notified().await;
    let paid = shop.orders_paid.fetch_add(1, Ordering::SeqCst) + 1;
    Ok(format!("order {paid} is paid"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;
    let shop = Arc::new(Shop::default());
    let delivery = Delivery {
        id: "evt_1",
        event: "order.paid",
    };

    let first = tokio::spawn({
        let (shop, delivery) = (Arc::clone(&shop), delivery.clone());
        async move { handle(&shop, &delivery).await }
    });
    shop.at_work.notified().await;

    let meanwhile = handle(&shop, &delivery).await;
    assert_eq!(meanwhile, Err(HookError::ComeAgainLater));
    println!("delivered again while the first is at work: come again later");

    shop.go_on.notify_one();
    let answer = first.await?.map_err(|error| format!("{error:?}"))?;
    assert_eq!(handle(&shop, &delivery).await, Ok(answer.clone()));
    assert_eq!(shop.orders_paid.load(Ordering::SeqCst), 1);
    println!("delivered once more: {answer}");

    let odd = Delivery {
        id: "evt_2",
        event: "order.eaten",
    };
    let refused = handle(&shop, &odd).await;
    assert_eq!(handle(&shop, &odd).await, refused);
    assert_eq!(shop.refusals.load(Ordering::SeqCst), 1, "remembered");
    println!("an event that nobody knows: {refused:?}");
    coord.shutdown().await;
    Ok(())
}
