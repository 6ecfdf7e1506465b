//! A payment API whose clients can repeat a request: the card is charged once, whatever gets lost on the way.
//!
//! `cargo run --example http_api` serves on a free port, is its own client, and checks what comes back. With
//! `COORD_URL=redis://127.0.0.1:6379` all processes that serve the API replay each other's answers.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use coord::http::IdempotencyLayer;
use coord::{Coordinator, IdempotencyContext};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Who asks, as the authentication says.
#[derive(Clone)]
struct Account(String);

/// Stands for a payment provider.
#[derive(Clone, Default)]
struct Provider {
    charges: Arc<AtomicU64>,
}

impl Provider {
    /// A provider that is told a key twice charges once.
    async fn charge(&self, amount: &str, idempotency_key: &str) -> u64 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        println!(
            "  provider: charges {amount} under {}…",
            &idempotency_key[..8]
        );
        self.charges.fetch_add(1, Ordering::SeqCst) + 1
    }
}

async fn pay(
    State(provider): State<Provider>,
    Extension(call): Extension<IdempotencyContext>,
    amount: String,
) -> impl IntoResponse {
    // If this process dies here, whoever takes over tells the provider the same key.
    let charge = provider
        .charge(&amount, &call.downstream_key("charge"))
        .await;
    (StatusCode::CREATED, format!("charge {charge} of {amount}"))
}

/// Stands for a real authentication.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let name = request.headers().get("authorization");
    let Some(name) = name.and_then(|name| name.to_str().ok()) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let account = Account(name.to_owned());
    request.extensions_mut().insert(account);
    next.run(request).await
}

fn api(coord: &Coordinator, provider: Provider) -> (Router, IdempotencyLayer) {
    let idempotency = IdempotencyLayer::new(coord)
        .label("POST /payments")
        .required()
        .ttl(Duration::from_secs(24 * 60 * 60))
        .scope(|request| match request.extensions.get::<Account>() {
            Some(Account(name)) => format!("account {name}"),
            None => "nobody".to_owned(),
        });
    // The layer that is added last is the outermost: who asks is known before keys are looked up.
    let router = Router::new()
        .route("/payments", post(pay))
        .with_state(provider)
        .layer(idempotency.clone())
        .layer(middleware::from_fn(authenticate));
    (router, idempotency)
}

/// Asks the API to pay, on a connection of its own.
async fn ask(api: SocketAddr, account: &str, key: &str, amount: &str) -> Result<(u16, String)> {
    let stream = TcpStream::connect(api).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::post("/payments")
        .header("host", "localhost")
        .header("authorization", account)
        .header("idempotency-key", format!("\"{key}\""))
        .body(Full::new(Bytes::from(amount.to_owned())))?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let said = String::from_utf8(body.collect().await?.to_bytes().into())?;
    let replayed = parts.headers.contains_key("idempotent-replayed");
    println!(
        "  {account}, key {key}, {amount}: {}{} {said}",
        parts.status.as_u16(),
        if replayed { ", replayed:" } else { ":" }
    );
    drop(sender);
    connection.await??;
    Ok((parts.status.as_u16(), said))
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("COORD_URL").unwrap_or_else(|_| "memory:".to_owned());
    let coord = Coordinator::connect(&url).await?;
    let provider = Provider::default();
    let (router, idempotency) = api(&coord, provider.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(async move { server.await });
    // New in each run, as a client's keys are.
    let key = format!("payment-{}-{}", std::process::id(), addr.port());

    println!("A client whose answer got lost asks again:");
    let first = ask(addr, "alice", &key, "10 EUR").await?;
    let again = ask(addr, "alice", &key, "10 EUR").await?;
    assert_eq!(first, again);

    println!(
        "\nThe same key for another payment is a mistake, and another account's key is another key:"
    );
    let (status, _) = ask(addr, "alice", &key, "99 EUR").await?;
    assert_eq!(status, 422);
    let (status, said) = ask(addr, "bob", &key, "10 EUR").await?;
    assert_eq!((status, said.as_str()), (201, "charge 2 of 10 EUR"));

    println!("\nA client that is impatient hangs up and asks again:");
    let key = format!("{key}-impatient");
    let hung_up = tokio::time::timeout(
        Duration::from_millis(50),
        ask(addr, "alice", &key, "20 EUR"),
    );
    assert!(hung_up.await.is_err());
    loop {
        let (status, said) = ask(addr, "alice", &key, "20 EUR").await?;
        if status == 409 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        assert_eq!((status, said.as_str()), (201, "charge 3 of 20 EUR"));
        break;
    }
    assert_eq!(provider.charges.load(Ordering::SeqCst), 3);

    // The server first, then handlers whose clients have gone, then what they are coordinated by.
    let _ = stop.send(());
    server.await??;
    idempotency.idle().await;
    coord.shutdown().await;
    println!("\nThree payments, three charges.");
    Ok(())
}
