//! An axum server on a port of its own, and a client that can hang up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use bytes::Bytes;
use coord::Coordinator;
use coord::http::IdempotencyLayer;
use coord_tests::fleet::LONG;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// The key that tests use which need only one.
pub(crate) const KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

/// The layer with a lease that ends only after the test.
pub(crate) fn layer(coord: &Coordinator) -> IdempotencyLayer {
    IdempotencyLayer::new(coord).lease(LONG)
}

/// Counts.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn until(&self, count: usize) {
        let reached = async || (self.get() >= count).then_some(());
        coord_tests::until(&format!("a count of {count}"), reached).await;
    }
}

/// Where a handler stops until it is let through.
#[derive(Clone)]
pub(crate) struct Door {
    reached: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn shut() -> Self {
        Self {
            reached: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
        }
    }

    pub(crate) async fn pass(&self) {
        self.reached.add_permits(1);
        take(&self.open).await;
    }

    /// Returns when one more stands there.
    pub(crate) async fn reached(&self) {
        take(&self.reached).await;
    }

    /// Lets one through.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }
}

async fn take(permits: &Semaphore) {
    permits.acquire().await.expect("an open door").forget();
}

/// A server. It ends when this is dropped.
pub(crate) struct Server {
    addr: SocketAddr,
    task: AbortHandle,
    hung_up: Count,
}

impl Server {
    /// Serves `router`.
    pub(crate) async fn of(router: Router) -> Self {
        let hung_up = Count::default();
        let counted = hung_up.clone();
        let router = router.layer(from_fn(move |request: Request, next: Next| {
            let mut unanswered = Unanswered(Some(counted.clone()));
            async move {
                let response = next.run(request).await;
                unanswered.is_answered();
                response
            }
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("the port");
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            addr,
            task: serving.abort_handle(),
            hung_up,
        }
    }

    /// Serves `handler` at every path, guarded by `layer`.
    pub(crate) async fn guarded<Arguments: 'static>(
        layer: IdempotencyLayer,
        handler: impl Handler<Arguments, ()>,
    ) -> Self {
        Self::of(Router::new().fallback(handler).layer(layer)).await
    }

    /// One that answers `run N` to whatever is asked for the Nth time.
    pub(crate) async fn counting(layer: IdempotencyLayer) -> (Self, Count) {
        let runs = Count::default();
        let counted = runs.clone();
        let handler = move || {
            let run = counted.add();
            async move { format!("run {run}") }
        };
        (Self::guarded(layer, handler).await, runs)
    }

    /// One whose handler stops at a door, and then answers `run N`.
    pub(crate) async fn with_door(layer: IdempotencyLayer) -> (Self, Count, Door) {
        let (runs, door) = (Count::default(), Door::shut());
        let (counted, inside) = (runs.clone(), door.clone());
        let handler = move || {
            let (run, inside) = (counted.add(), inside.clone());
            async move {
                inside.pass().await;
                format!("run {run}")
            }
        };
        (Self::guarded(layer, handler).await, runs, door)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many requests were given up before they were answered.
    pub(crate) fn hung_up(&self) -> &Count {
        &self.hung_up
    }

    /// Asks, and returns the answer.
    pub(crate) async fn ask(&self, request: Ask) -> Reply {
        let connection = self.connect().await;
        connection.ask(request).await.expect("an answer")
    }

    /// Asks `POST /` with a key.
    pub(crate) async fn post(&self, key: &str, body: &str) -> Reply {
        self.ask(Ask::new(key).body(body.to_owned())).await
    }

    /// Asks in a task; hanging up is to abort it.
    pub(crate) async fn asking(&self, request: Ask) -> JoinHandle<Reply> {
        let connection = self.connect().await;
        tokio::spawn(async move { connection.ask(request).await.expect("an answer") })
    }

    pub(crate) async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.addr).await.expect("a connection");
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("a connection");
        let mut task = JoinSet::new();
        task.spawn(connection);
        Connection {
            sender,
            _task: task,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts a request whose future is dropped.
struct Unanswered(Option<Count>);

impl Unanswered {
    fn is_answered(&mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(hung_up) = &self.0 {
            hung_up.add();
        }
    }
}

/// A connection. Dropping it is to hang up.
pub(crate) struct Connection {
    sender: http1::SendRequest<Body>,
    _task: JoinSet<hyper::Result<()>>,
}

impl Connection {
    pub(crate) async fn ask(mut self, request: Ask) -> hyper::Result<Reply> {
        let response = self.sender.send_request(request.0).await?;
        let (parts, body) = response.into_parts();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

/// A request.
pub(crate) struct Ask(hyper::Request<Body>);

impl Ask {
    /// `POST /` with the key in quotes.
    pub(crate) fn new(key: &str) -> Self {
        Self::without_key().header("idempotency-key", &format!("\"{key}\""))
    }

    pub(crate) fn without_key() -> Self {
        let request = hyper::Request::post("/").header("host", "localhost");
        Self(request.body(Body::empty()).expect("a request"))
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = value.try_into().expect("a header");
        self.0.headers_mut().append(name, value);
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        *self.0.method_mut() = method;
        self
    }

    pub(crate) fn path(mut self, path: &'static str) -> Self {
        *self.0.uri_mut() = path.parse().expect("a path");
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.0.body_mut() = body.into();
        self
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn is_replayed(&self) -> bool {
        let replayed = self.headers.get("idempotent-replayed");
        replayed.is_some_and(|value| value == "true")
    }

    /// The headers that the handler has made.
    pub(crate) fn own_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove("idempotent-replayed");
        headers.remove("date");
        headers
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        let value = self.headers.get("retry-after")?.to_str().ok()?;
        Some(value.parse().expect("whole seconds"))
    }

    #[track_caller]
    pub(crate) fn assert_ran(&self, text: &str) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert!(!self.is_replayed(), "{self:?}");
        assert_eq!(self.text(), text);
    }

    #[track_caller]
    pub(crate) fn assert_replayed(&self, text: &str) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert!(self.is_replayed(), "{self:?}");
        assert_eq!(self.text(), text);
    }

    /// It is this problem, told as RFC 9457 has it, and without the key.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(!self.is_replayed(), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let document: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(
            document["type"],
            format!("urn:problem-type:idempotency:{name}")
        );
        assert_eq!(document["status"], status);
        for member in ["title", "detail"] {
            let text = document[member].as_str().expect("text");
            assert!(!text.is_empty() && !text.contains(KEY), "{text}");
        }
    }
}
