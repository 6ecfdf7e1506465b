//! A page for Prometheus, of a service that does some of everything, and some of it badly.
//!
//! `cargo run --example metrics_endpoint`
//!
//! It is served at `http://127.0.0.1:9464/metrics`, or at the address that is given as the argument, until the input ends
//! (Ctrl-D). `examples/observability` has what makes dashboards and alerts of it.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use coord::{Coordinator, SagaError, circuit_breaker, idempotent, key, locked, retry, saga};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An error of a service that coord is used in.
#[derive(Debug)]
enum ShopError {
    Declined,
    Coordination,
}

impl From<coord::Error> for ShopError {
    fn from(_: coord::Error) -> Self {
        Self::Coordination
    }
}

impl std::fmt::Display for ShopError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Declined => "the card was declined",
            Self::Coordination => "the calls got into each other's way",
        })
    }
}

impl Error for ShopError {}

/// Several want the same order, and take turns.
#[locked("order:<id>", ttl = "10s", wait = "2s")]
async fn process(id: u64) -> Result<(), ShopError> {
    let _ = id;
    sleep(Duration::from_millis(3)).await;
    Ok(())
}

/// Not patient enough.
#[locked("order:<id>", wait = "1ms")]
async fn hurry(id: u64) -> Result<(), ShopError> {
    let _ = id;
    Ok(())
}

#[locked("report:daily", skip)]
async fn report() -> Result<(), ShopError> {
    sleep(Duration::from_millis(5)).await;
    Ok(())
}

/// Takes the account inside of the audit, while `close` does the opposite: found before it ever deadlocks.
#[locked("audit:<day>")]
async fn audit(day: u64) -> Result<(), ShopError> {
    account(day).await
}

#[locked("account:<id>")]
async fn account(id: u64) -> Result<(), ShopError> {
    let _ = id;
    Ok(())
}

#[locked("account:<id>")]
async fn close(id: u64) -> Result<(), ShopError> {
    audit_of(id).await
}

#[locked("audit:<day>")]
async fn audit_of(day: u64) -> Result<(), ShopError> {
    let _ = day;
    Ok(())
}

/// Every seventh card is declined.
#[idempotent("payment:<order>", ttl = "1h")]
async fn pay(order: u64) -> Result<u64, ShopError> {
    if order.is_multiple_of(7) {
        return Err(ShopError::Declined);
    }
    Ok(order * 100)
}

#[retry(max_retries = 2, initial_delay = "1ms", max_delay = "2ms")]
#[circuit_breaker(name = "gateway", failures = 5, reset = "200ms")]
async fn call_gateway(works: bool) -> Result<(), ShopError> {
    if works {
        Ok(())
    } else {
        Err(ShopError::Declined)
    }
}

/// Ships some orders, undoes others, and for order 0 cannot even do that.
#[saga("shipping:<order>")]
#[derive(Serialize, Deserialize)]
struct Shipping {
    order: u64,
}

#[saga]
impl Shipping {
    #[step(compensate = put_back, retry(max_retries = 1, initial_delay = "1ms"))]
    async fn reserve(&self) -> Result<u64, ShopError> {
        sleep(Duration::from_millis(1)).await;
        Ok(self.order)
    }

    async fn put_back(&self, reserve: &u64) -> Result<(), ShopError> {
        call_warehouse(*reserve != 0).await
    }

    #[step(retry(max_retries = 1, initial_delay = "1ms"))]
    async fn ship(&self) -> Result<(), ShopError> {
        call_warehouse(!self.order.is_multiple_of(5)).await
    }
}

async fn call_warehouse(works: bool) -> Result<(), ShopError> {
    sleep(Duration::from_millis(1)).await;
    if works {
        Ok(())
    } else {
        Err(ShopError::Declined)
    }
}

/// Everything once, for one order.
async fn round(coord: &Coordinator, order: u64) -> Outcome<()> {
    let same = order % 3;
    let (first, second, ..) = tokio::join!(
        process(same),
        process(same),
        report(),
        report(),
        hurry(same)
    );
    first.and(second)?;
    // One that goes away before it gets what it wants.
    let id = same;
    let held = coord.lock(key!("order:<id>")).acquire().await?;
    let gone = timeout(Duration::from_millis(1), process(same)).await;
    held.release().await?;
    drop(gone);
    // One whose lease ends before it is done.
    let short = coord
        .lock(key!("short:<id>"))
        .ttl(Duration::from_millis(20))
        .renew(false);
    let outlives_it = short.run(async |lease| {
        lease.lost().await;
        Ok::<_, coord::Error>(())
    });
    let _ = outlives_it.await;

    let _ = (pay(order).await, pay(order).await);
    let _ = call_gateway(order % 8 > 1).await;
    match (Shipping { order }).run().await {
        Ok(_) | Err(SagaError::Compensated { .. } | SagaError::Stuck { .. }) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

fn page_for_prometheus() -> Outcome<PrometheusHandle> {
    let recorder = coord::metrics::with_buckets(PrometheusBuilder::new())?.build_recorder();
    let page = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    coord::metrics::describe();
    Ok(page)
}

/// What is recorded piles up otherwise while nobody asks for the page.
async fn keep_small(page: PrometheusHandle) {
    loop {
        sleep(Duration::from_secs(5)).await;
        page.run_upkeep();
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let page = page_for_prometheus()?;
    let url = std::env::var("COORD_URL").unwrap_or_else(|_| "memory:".to_owned());
    let coord = Coordinator::connect(&url).await?;
    coord.install()?;

    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9464".to_owned());
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    println!("http://{}/metrics", listener.local_addr()?);
    let upkeep = tokio::spawn(keep_small(page.clone()));
    let app = Router::new().route("/metrics", get(move || std::future::ready(page.render())));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let working = async {
        audit(1).await?;
        close(2).await?;
        for order in 0.. {
            Box::pin(round(&coord, order)).await?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    };
    let (mut input, mut read) = (tokio::io::stdin(), [0]);
    let until_the_end = async { while input.read(&mut read).await.is_ok_and(|bytes| bytes > 0) {} };
    // One round at least, for who looks at nothing but whether it works.
    Box::pin(round(&coord, 1)).await?;
    tokio::select! {
        worked = working => worked?,
        () = until_the_end => {}
    }
    server.abort();
    upkeep.abort();
    coord.shutdown().await;
    Ok(())
}
