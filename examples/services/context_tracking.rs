//! A correlation id that a request brings along, found again in whatever is done for it: inside a lock, in an idempotent
//! call, in a saga, and in the process that goes on with the saga after a crash.
//!
//! `cargo run --example context_tracking`
//!
//! Nothing is handed from function to function: the context is that of the task. It does not go into tasks that are
//! spawned, unless they are run in its `scope`.

#![allow(
    clippy::unused_async,
    reason = "steps are async, whether they wait or not"
)]

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use coord::http::ContextLayer;
use coord::store::MemoryStore;
use coord::{Context, Coordinator, idempotent, locked, saga};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tower::ServiceExt;

/// What a service writes into its log: where, and on whose behalf.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn write(&self, place: &str) {
        let context = Context::current();
        let id = context.as_ref().map_or("nobody", Context::correlation_id);
        let lock = context.as_ref().and_then(Context::lock_key).unwrap_or("-");
        let saga = context.as_ref().and_then(Context::saga_id).unwrap_or("-");
        let line = format!("{place}: for {id}, lock {lock}, saga {saga}");
        println!("  {line}");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[locked("order:create:<customer>")]
async fn create(log: &Log, customer: &str) -> Result<(), coord::Error> {
    log.write("lock");
    pay(log, customer).await
}

#[idempotent("payment:<customer>")]
async fn pay(log: &Log, customer: &str) -> Result<(), coord::Error> {
    log.write("payment");
    Ok(())
}

#[saga("delivery:<customer>")]
#[derive(Serialize, Deserialize)]
struct Deliver {
    customer: String,
}

#[saga]
impl Deliver {
    #[step]
    async fn pack(&self, #[dep] log: &Log) -> Result<(), String> {
        log.write("pack");
        Ok(())
    }

    /// The first process never gets past this.
    #[step]
    async fn ship(&self, #[dep] log: &Log, #[dep] road: &Arc<Road>) -> Result<(), String> {
        log.write("ship");
        road.reached.notify_one();
        road.open.notified().await;
        Ok(())
    }
}

#[derive(Default)]
struct Road {
    reached: Notify,
    open: Notify,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = Log::default();
    let road = Arc::new(Road::default());
    let fleet = Coordinator::builder()
        .store(MemoryStore::new())
        .provide(log.clone())
        .provide(Arc::clone(&road));

    println!("A request, with an id of its sender's:");
    let first = fleet.clone().build();
    first.install()?;
    let handler = {
        let (log, first) = (log.clone(), first.clone());
        post(async move || {
            let customer = "ada".to_owned();
            create(&log, &customer)
                .await
                .map_err(|error| error.to_string())?;
            let deliver = Deliver { customer };
            deliver
                .start_with(&first)
                .map_err(|error| error.to_string())?;
            Ok::<_, String>("created")
        })
    };
    let api = Router::new()
        .route("/orders", handler)
        .layer(ContextLayer::new());
    let request = Request::post("/orders").header("x-correlation-id", "request-7");
    let response = api.oneshot(request.body(Body::empty())?).await?;
    assert_eq!(response.headers()["x-correlation-id"], "request-7");

    road.reached.notified().await;
    assert_eq!(
        log.take(),
        [
            "lock: for request-7, lock order:create:ada, saga -",
            "payment: for request-7, lock order:create:ada, saga -",
            "pack: for request-7, lock -, saga Deliver/delivery:ada",
            "ship: for request-7, lock -, saga Deliver/delivery:ada",
        ]
    );

    println!("The process ends, and another one goes on with the saga:");
    first.shutdown().await;
    let second = fleet.build();
    second.recover().await?;
    road.reached.notified().await;
    assert_eq!(
        log.take(),
        ["ship: for request-7, lock -, saga Deliver/delivery:ada"]
    );
    road.open.notify_one();
    let customer = "ada".to_owned();
    tokio::time::timeout(
        Duration::from_secs(30),
        Deliver { customer }.run_with(&second),
    )
    .await??;

    println!("Who looks at the saga finds the request:");
    let page = second.sagas().list(coord::saga::SagaFilter::new()).await?;
    assert_eq!(page.sagas[0].correlation_id, "request-7");
    println!(
        "  {} was begun by {}",
        page.sagas[0].id, page.sagas[0].correlation_id
    );
    second.shutdown().await;
    Ok(())
}
