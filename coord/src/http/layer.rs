//! Asking for the layer: whose requests it guards, and for how long answers are kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, StatusCode};
use tower_layer::Layer;

use super::answer::is_final;
use super::handlers::Handlers;
use super::service::IdempotencyService;
use crate::coordinator::Coordinator;

const DEFAULT_TTL: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_MAX_BODY: usize = 1024 * 1024;

/// Answers a request with a known `Idempotency-Key` as the first one with that key was answered. See
/// [the module](super).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use coord::http::IdempotencyLayer;
///
/// # let coord = coord::Coordinator::builder().build();
/// #[derive(Clone)]
/// struct Account(String);
///
/// let layer = IdempotencyLayer::new(&coord)
///     .required()
///     .ttl(Duration::from_secs(24 * 60 * 60))
///     .lease(Duration::from_secs(60))
///     .scope(|request| match request.extensions.get::<Account>() {
///         Some(Account(id)) => format!("account {id}"),
///         None => "nobody".to_owned(),
///     });
/// # let _ = layer; });
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct IdempotencyLayer {
    settings: Settings,
}

/// What a layer was told.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) coordinator: Coordinator,
    pub(super) label: &'static str,
    pub(super) methods: Vec<Method>,
    pub(super) required: bool,
    pub(super) accept_unquoted: bool,
    pub(super) max_body: usize,
    pub(super) ttl: Duration,
    pub(super) lease: Option<Duration>,
    pub(super) wait: Duration,
    pub(super) scope: Arc<dyn Fn(&Parts) -> String + Send + Sync>,
    pub(super) store_when: Arc<dyn Fn(StatusCode) -> bool + Send + Sync>,
}

impl IdempotencyLayer {
    /// A layer that keeps answers in the store of `coordinator`.
    pub fn new(coordinator: &Coordinator) -> Self {
        let settings = Settings {
            coordinator: coordinator.clone(),
            label: "http",
            methods: vec![Method::POST, Method::PATCH],
            required: false,
            accept_unquoted: false,
            max_body: DEFAULT_MAX_BODY,
            ttl: DEFAULT_TTL,
            lease: None,
            wait: Duration::ZERO,
            scope: Arc::new(|_| String::new()),
            store_when: Arc::new(is_final),
        };
        Self { settings }
    }

    /// How long an answer is kept and replayed, counted from when it is stored. The default is 24 hours.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// After how long another request runs the handler if this process dies in it. While it lives, this is
    /// extended in the background. The default is the coordinator's `lock_ttl`, 30 seconds, or `ttl` if that is
    /// shorter.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = Some(lease);
        self
    }

    /// How long a request waits for the answer to an earlier one with its key, before it is answered 409. The
    /// default is not to wait.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.settings.wait = wait;
        self
    }

    /// Tells callers apart: keys of different scopes never meet. Such as the account that an outer layer has
    /// authenticated and put among the request's extensions.
    ///
    /// Without this, all callers share one scope: one who guesses another's key and request is given its answer,
    /// and one who uses a key that another has used is refused. So give a scope wherever callers must not know of
    /// each other.
    pub fn scope(mut self, scope: impl Fn(&Parts) -> String + Send + Sync + 'static) -> Self {
        self.settings.scope = Arc::new(scope);
        self
    }

    /// Answers 400 to requests without the header. The default is to pass them on unguarded.
    pub fn required(mut self) -> Self {
        self.settings.required = true;
        self
    }

    /// Whether to accept keys without quotes too, as in `Idempotency-Key: 8e03978e-40d5`; with quotes it is the
    /// same key. The default is not to: the draft says that the header is a string of RFC 8941, in double
    /// quotes, and a client that is told at once puts it right once. Turn it on for an API whose clients send
    /// bare keys already, as many do.
    ///
    /// A key without quotes has no space, quote, backslash, comma or semicolon.
    pub fn accept_unquoted(mut self, accept: bool) -> Self {
        self.settings.accept_unquoted = accept;
        self
    }

    /// The methods that are guarded. The default is POST and PATCH; the others are idempotent by themselves.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.settings.methods = methods.into_iter().collect();
        self
    }

    /// The most bytes of a body, of a guarded request and of a stored answer. The default is 1 MiB.
    ///
    /// A request over it is answered 413. An answer over it is passed on as it is and not stored: later requests
    /// with its key are answered 410, and the handler is not run again. So is an answer over 960 KiB, headers
    /// included, whatever this is, because a store keeps no more; or over less, in a store that keeps less.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// Which statuses are results, to be stored and replayed. After another one, the next request with the key
    /// runs the handler again. The default is [`is_final`]; 1xx never are. If it panics, the panic is passed on, and
    /// the handler, which has run, is not run again.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::builder().build();
    /// use coord::http::{IdempotencyLayer, is_final};
    ///
    /// // A request that was found faulty can be corrected under its key.
    /// let layer = IdempotencyLayer::new(&coord).store_when(|status| is_final(status) && status != 422);
    /// # let _ = layer; });
    /// ```
    pub fn store_when(
        mut self,
        is_result: impl Fn(StatusCode) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.store_when = Arc::new(is_result);
        self
    }

    /// What stands for the key in metrics, spans and errors, as a template does elsewhere: such as the route,
    /// `POST /payments`, of a layer that is put around one. The default is `http`.
    pub fn label(mut self, label: &'static str) -> Self {
        self.settings.label = label;
        self
    }

    /// Resolves when no guarded request is under way in any layer of this coordinator: not even one whose client
    /// has hung up. Await it after the server has stopped and before
    /// [`Coordinator::shutdown`], which ends what is under way.
    ///
    /// Dropping the future changes nothing.
    pub async fn idle(&self) {
        if let Ok(handlers) = self.settings.handlers() {
            handlers.idle().await;
        }
    }
}

impl Settings {
    /// The tasks of the coordinator's guarded requests.
    pub(super) fn handlers(&self) -> Result<Arc<Handlers>, crate::error::Error> {
        self.coordinator.service(|_| Handlers::new())
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdempotencyService::new(inner, self.settings.clone())
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("label", &self.settings.label)
            .field("ttl", &self.settings.ttl)
            .finish_non_exhaustive()
    }
}
