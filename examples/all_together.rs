//! All of it in one service: attributes one above the other, a saga inside a lock, a limit on the gateway, a catalog that
//! many read, and one correlation id through all of them.
//!
//! `cargo run --example all_together`
//!
//! | what must not happen | what prevents it |
//! |---|---|
//! | two processes on one order | `#[locked("order:<id>")]` |
//! | a price that changes while it is read | `#[locked("catalog", shared)]` |
//! | a payment made twice | `#[idempotent("payment:<id>")]` |
//! | a gateway that is overrun | `#[locked("gateway", permits = 2)]` |
//! | a failure for what passes by itself; waiting for what is away | `#[retry(…)]`, `#[circuit_breaker(…)]` |
//! | an order that is half done | `#[saga("fulfilment:<id>")]` |

#![allow(
    clippy::unused_async,
    reason = "steps are async, whether they wait or not"
)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use coord::{Context, Coordinator, SagaError, StepContext, circuit_breaker, idempotent, locked};
use coord::{retry, saga};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

const ORDERS: u64 = 6;

/// What the world has seen.
#[derive(Default)]
struct World {
    gateway_calls: AtomicU32,
    at_the_gateway: AtomicU32,
    most_at_the_gateway: AtomicU32,
    charges: AtomicU32,
    shipped: AtomicU32,
}

/// What the gateway says, or we about it.
#[derive(Debug)]
enum PayError {
    Busy,
    Coordination(coord::Error),
}

impl PayError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl From<coord::Error> for PayError {
    fn from(error: coord::Error) -> Self {
        Self::Coordination(error)
    }
}

#[locked("catalog", shared)]
async fn price(item: &str) -> Result<u64, coord::Error> {
    Ok(100 * item.len() as u64)
}

/// The top one is outermost: a payment that is known is replayed before anything is retried or counted.
#[idempotent("payment:<id>", ttl = "24h", fingerprint(cents))]
#[retry("fast", if = PayError::is_busy)]
#[circuit_breaker(failures = 20, reset = "1s", name = "gateway")]
#[locked("gateway", permits = 2)]
async fn pay(world: &World, id: u64, cents: u64) -> Result<String, PayError> {
    let now = world.at_the_gateway.fetch_add(1, Ordering::SeqCst) + 1;
    world.most_at_the_gateway.fetch_max(now, Ordering::SeqCst);
    tokio::task::yield_now().await;
    world.at_the_gateway.fetch_sub(1, Ordering::SeqCst);
    // Each third call is turned away, and is worth another attempt.
    if world.gateway_calls.fetch_add(1, Ordering::SeqCst) % 3 == 2 {
        return Err(PayError::Busy);
    }
    world.charges.fetch_add(1, Ordering::SeqCst);
    Ok(format!("charge of {cents} for order {id}"))
}

#[saga("fulfilment:<id>")]
#[derive(Serialize, Deserialize)]
struct Fulfil {
    id: u64,
    item: String,
}

#[saga]
impl Fulfil {
    #[step(compensate = give_back)]
    async fn allocate(&self) -> Result<String, String> {
        Ok(format!("shelf of {}", self.item))
    }

    async fn give_back(&self, _allocate: &String) -> Result<(), String> {
        Ok(())
    }

    #[step]
    async fn invoice(&self, ctx: &StepContext) -> Result<String, String> {
        let id = Context::current().map(|context| context.correlation_id().to_owned());
        Ok(format!("{} for {}", ctx.saga_id(), id.unwrap_or_default()))
    }

    #[step]
    async fn ship(&self, allocate: &str, #[dep] world: &Arc<World>) -> Result<String, String> {
        world.shipped.fetch_add(1, Ordering::SeqCst);
        Ok(format!("from the {allocate}"))
    }
}

/// What went wrong with an order, for whoever asked for it.
#[derive(Debug)]
struct OrderError(String);

impl From<coord::Error> for OrderError {
    fn from(error: coord::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<PayError> for OrderError {
    fn from(error: PayError) -> Self {
        match error {
            PayError::Busy => Self("the gateway is busy".to_owned()),
            PayError::Coordination(error) => error.into(),
        }
    }
}

impl From<SagaError> for OrderError {
    fn from(error: SagaError) -> Self {
        Self(error.to_string())
    }
}

#[locked("order:<id>", ttl = "5m", wait = "1m")]
async fn process(world: &World, id: u64) -> Result<(String, String), OrderError> {
    let item = "teapot".to_owned();
    let cents = price(&item).await?;
    let charge = pay(world, id, cents).await?;
    let fulfilled = Fulfil { id, item }.run().await?;
    Ok((charge, fulfilled.invoice))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let world = Arc::new(World::default());
    let coord = Coordinator::builder().provide(Arc::clone(&world)).build();
    coord.install()?;

    // Every order is asked for three times, all at the same time.
    let mut requests = JoinSet::new();
    for number in 0..ORDERS * 3 {
        let world = Arc::clone(&world);
        let context = Context::with_correlation_id(format!("request-{number}"));
        requests.spawn(context.scope(async move {
            let id = number % ORDERS;
            process(&world, id).await.map(|answer| (id, answer))
        }));
    }
    let mut answers = vec![None; usize::try_from(ORDERS)?];
    while let Some(answer) = requests.join_next().await {
        let (id, answer) = answer?.map_err(|OrderError(problem)| problem)?;
        let known = answers[usize::try_from(id)?].get_or_insert_with(|| answer.clone());
        assert_eq!(*known, answer, "each of the three got the one answer");
    }
    for (charge, invoice) in answers.into_iter().flatten() {
        println!("  {charge}; invoice {invoice}");
    }
    assert_eq!(world.charges.load(Ordering::SeqCst), 6);
    assert_eq!(world.shipped.load(Ordering::SeqCst), 6);
    assert!(world.most_at_the_gateway.load(Ordering::SeqCst) <= 2);
    println!("18 requests, 6 orders: 6 charges, 6 parcels");
    coord.shutdown().await;
    Ok(())
}
