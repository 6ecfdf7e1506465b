//! One process of the shop.

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::process;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use coord::http::{ContextLayer, IdempotencyLayer};
use coord::{Coordinator, store};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::books::Books;
use crate::live::{self, Live};
use crate::order::{self, Services};
use crate::processes::{self, Process};
use crate::settings::Settings;
use crate::{answer, calls, page, payment, report};

/// How long a process counts as alive after it was last heard of: so long does an order wait for another one to go on
/// with it.
const ALIVE_FOR: Duration = Duration::from_secs(3);
/// How long a request that is sent again waits for the answer to the first one.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct App {
    pub(crate) coord: Coordinator,
    pub(crate) services: Services,
    pub(crate) process: Process,
    /// The kind of store, for people.
    pub(crate) store: String,
    /// What names in the store begin with.
    pub(crate) namespace: String,
    pub(crate) live: Live,
    metrics: PrometheusHandle,
}

/// Serves until it is told to stop.
pub(crate) fn run(settings: Settings) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("cannot start its threads: {error}"))?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), String> {
    let listener = listen(settings.port).await?;
    let port = listener
        .local_addr()
        .map_err(|error| format!("the port is gone: {error}"))?
        .port();
    let app = Arc::new(open(&settings, port).await?);
    let recovery = app.coord.recovery().every(ALIVE_FOR / 4);
    recovery.spawn().map_err(|error| error.to_string())?;
    println!(
        "process {} serves http://127.0.0.1:{port}, store {}",
        process::id(),
        app.store
    );

    let (stop, stopped) = watch::channel(false);
    let (router, idempotency) = router(&app, stopped.clone());
    let asked_to_stop = until_stopped(settings.supervised);
    let background = tokio::spawn(in_background(Arc::clone(&app)));
    let served = axum::serve(listener, router).with_graceful_shutdown(async move {
        asked_to_stop.await;
        // The streams end, and with them the connections that are waited for.
        let _ = stop.send(true);
    });
    let served = served.await;
    background.abort();
    idempotency.idle().await;
    app.coord.shutdown().await;
    served.map_err(|error| format!("cannot serve: {error}"))
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is taken: name another one, as in `cargo run --example shop -- 8081`")
            }
            _ => format!("cannot listen on port {port}: {error}"),
        })
}

async fn open(settings: &Settings, port: u16) -> Result<App, String> {
    let metrics = install_metrics()?;
    // Neither of the two errors has the URL in it, which may have a password.
    let store = store::connect(&settings.url).await;
    let store = store.map_err(|error| format!("{error}"))?;
    let id = process::id();
    let services = Services {
        books: Books::new(Arc::clone(&store), &settings.namespace),
        process: format!("process {id} on port {port}"),
        step: settings.step,
    };
    let coord = Coordinator::builder()
        .store(store)
        .namespace(&*settings.namespace)
        .lock_ttl(ALIVE_FOR)
        .provide(services.clone())
        .build();
    coord.install().map_err(|error| error.to_string())?;
    let scheme = settings.url.split(':').next().unwrap_or_default();
    Ok(App {
        coord,
        services,
        process: Process {
            id,
            port,
            since: milliseconds(),
        },
        store: scheme.to_owned(),
        namespace: settings.namespace.clone(),
        live: Live::default(),
        metrics,
    })
}

fn install_metrics() -> Result<PrometheusHandle, String> {
    let builder = coord::metrics::with_buckets(PrometheusBuilder::new());
    let recorder = builder.map_err(|error| error.to_string())?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    coord::metrics::describe();
    Ok(handle)
}

fn router(app: &Arc<App>, stopped: watch::Receiver<bool>) -> (Router, IdempotencyLayer) {
    let guard = |label| {
        IdempotencyLayer::new(&app.coord)
            .label(label)
            .required()
            .ttl(calls::KEPT)
            .lease(ALIVE_FOR)
            .wait(PATIENCE)
            // A shop with accounts would scope keys by account. Here the two forms must not meet.
            .scope(|request| request.uri.path().to_owned())
            // What was filled in wrong can be corrected under the same key.
            .store_when(|status| status.is_success())
    };
    let payments = guard("POST /api/payments");
    let repeatable = Router::new()
        .route(
            "/api/orders",
            post(order::place).layer(guard("POST /api/orders")),
        )
        .route("/api/payments", post(payment::pay).layer(payments.clone()))
        .layer(middleware::from_fn_with_state(Arc::clone(app), calls::note))
        .layer(ContextLayer::new());
    let router = Router::new()
        .merge(repeatable)
        .merge(page::router())
        .route("/api/report", post(report::now))
        .route(
            "/api/live",
            get(async move |State(app): State<Arc<App>>| live::stream(&app, stopped.clone())),
        )
        .route("/metrics", get(render_metrics))
        .route("/crash", post(crash))
        .fallback(page::not_found)
        .layer(middleware::from_fn(page::protect))
        .with_state(Arc::clone(app));
    (router, payments)
}

async fn render_metrics(State(app): State<Arc<App>>) -> String {
    app.metrics.render()
}

/// `POST /crash`: kills the process, as a power cut would. Nothing is tidied up and nothing is given back.
async fn crash(State(app): State<Arc<App>>) -> Response {
    tokio::spawn(async {
        // So long that the answer gets out.
        tokio::time::sleep(Duration::from_millis(50)).await;
        process::abort();
    });
    let dies = json!({ "process": app.process.id });
    answer::json(StatusCode::ACCEPTED, &dies)
}

async fn in_background(app: Arc<App>) {
    tokio::join!(
        live::follow(&app),
        report::every_night(app.services.clone()),
        processes::tell(app.services.books.clone(), app.process.clone()),
        keep_small(&app.metrics),
    );
}

/// What is recorded piles up otherwise while nobody asks for the page.
async fn keep_small(metrics: &PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}

/// Returns when the user wants it to stop, or when its supervisor is gone.
async fn until_stopped(supervised: bool) {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = until_input_ends(), if supervised => {}
    }
}

async fn until_input_ends() {
    let (ended, has_ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let _ = has_ended.await;
}

/// Since 1970.
pub(crate) fn milliseconds() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
