//! An API that tells its callers apart by a header: the idempotency key of one is not that of another.
//!
//! `cargo run --example api_key`
//!
//! Callers choose their idempotency keys, and two of them choose the same one. Without a scope the second would be
//! shown what the first has ordered.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use coord::Coordinator;
use coord::http::IdempotencyLayer;
use http_body_util::BodyExt;
use tower::ServiceExt;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Who a key of the API belongs to. A service has them in a table, as digests.
const CALLERS: [(&str, &str); 2] = [("key-of-alice", "alice"), ("key-of-bob", "bob")];

#[derive(Clone)]
struct Caller(&'static str);

async fn identify(mut request: Request, next: Next) -> Response {
    let given = request.headers().get("x-api-key");
    let caller = CALLERS
        .iter()
        .find(|(key, _)| given.is_some_and(|given| given == key));
    let Some((_, name)) = caller else {
        return (StatusCode::UNAUTHORIZED, "the header X-Api-Key is missing").into_response();
    };
    request.extensions_mut().insert(Caller(name));
    next.run(request).await
}

async fn create_order(
    State(orders): State<Arc<AtomicU64>>,
    Extension(Caller(name)): Extension<Caller>,
    item: String,
) -> impl IntoResponse {
    let number = orders.fetch_add(1, Ordering::SeqCst) + 1;
    (
        StatusCode::CREATED,
        format!("order {number}: {item} for {name}"),
    )
}

fn api(coord: &Coordinator, orders: Arc<AtomicU64>) -> Router {
    let idempotency = IdempotencyLayer::new(coord)
        .label("POST /orders")
        .required()
        .scope(|request| match request.extensions.get::<Caller>() {
            Some(Caller(name)) => (*name).to_owned(),
            None => "nobody".to_owned(),
        });
    // The layer that is added last is the outermost: who asks is known before keys are looked up.
    Router::new()
        .route("/orders", post(create_order))
        .with_state(orders)
        .layer(idempotency)
        .layer(middleware::from_fn(identify))
}

/// Asks the API for an order, and tells the status and what it said.
async fn order(api: &Router, headers: &[(&str, &str)], item: &str) -> Result<(u16, String)> {
    let mut request = Request::post("/orders");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(item.to_owned()))?;
    let response = api.clone().oneshot(request).await?;
    let status = response.status().as_u16();
    let said = response.into_body().collect().await?.to_bytes();
    let said = String::from_utf8(said.into())?;
    println!("  {status} {said}");
    Ok((status, said))
}

#[tokio::main]
async fn main() -> Result<()> {
    let coord = Coordinator::connect("memory:").await?;
    let orders = Arc::new(AtomicU64::new(0));
    let api = api(&coord, Arc::clone(&orders));
    let alice = ("x-api-key", "key-of-alice");
    let bob = ("x-api-key", "key-of-bob");
    let key = ("idempotency-key", "\"cart-1\"");

    println!("Alice sends her order twice:");
    let first = order(&api, &[alice, key], "a cup").await?;
    assert_eq!(first, order(&api, &[alice, key], "a cup").await?);

    println!("Bob has chosen the same key, and gets an order of his own:");
    let (status, said) = order(&api, &[bob, key], "a cup").await?;
    assert_eq!((status, &*said), (201, "order 2: a cup for bob"));

    println!("Without an idempotency key, nothing is ordered; nor without one of the API:");
    assert_eq!(order(&api, &[alice], "a cup").await?.0, 400);
    assert_eq!(order(&api, &[key], "a cup").await?.0, 401);
    assert_eq!(orders.load(Ordering::SeqCst), 2);
    coord.shutdown().await;
    Ok(())
}
