//! The correlation id of a request, from its headers to the [`Context`](crate::Context) of its handler, and back.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::context::Context;

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The most characters of an id that is taken over.
const LONGEST: usize = 128;

/// Runs handlers in the [`Context`](crate::Context) of their request, so that whatever they lock, execute or start is found
/// by the correlation id of who asked for it.
///
/// The id is that of the request's `X-Correlation-Id`, if it has one of 1 to 128 visible ASCII characters; else the trace id
/// of its `traceparent` (W3C Trace Context); else a new, random one. The answer has it in `X-Correlation-Id`. Put the layer
/// around what is to be in the context, [`IdempotencyLayer`](super::IdempotencyLayer) too. A client can choose any id: it
/// is for finding things, not for deciding anything.
///
/// Dropping the future of a call drops the handler's.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use coord::{Context, http::ContextLayer};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let service = ServiceBuilder::new().layer(ContextLayer::new()).service(service_fn(async |_| {
///     let context = Context::current().unwrap();
///     Ok::<_, std::convert::Infallible>(Response::new(context.correlation_id().to_owned()))
/// }));
/// let request = Request::get("/orders").header("X-Correlation-Id", "request-7");
/// let response = service.oneshot(request.body(()).unwrap()).await?;
/// assert_eq!(response.headers()["X-Correlation-Id"], "request-7");
/// assert_eq!(response.into_body(), "request-7");
/// # Ok::<(), std::convert::Infallible>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "a layer does nothing until it is put around a service"]
#[non_exhaustive]
pub struct ContextLayer;

impl ContextLayer {
    /// The layer.
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for ContextLayer {
    type Service = ContextService<S>;

    fn layer(&self, inner: S) -> ContextService<S> {
        ContextService { inner }
    }
}

/// A service with a [`ContextLayer`] around it.
#[derive(Debug, Clone)]
pub struct ContextService<S> {
    inner: S,
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ContextService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Answering<Response<ResBody>, S::Error>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let id = id_of(request.headers());
        let context = match &id {
            Some(id) => Context::with_correlation_id(id.as_str()),
            None => Context::create(),
        };
        let header = HeaderValue::from_str(context.correlation_id());
        // The one that is ready is used up; the clone has to get ready first.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let handled = context.scope(async move { inner.call(request).await });
        Box::pin(async move {
            let mut response = handled.await?;
            if let Ok(header) = header {
                response.headers_mut().insert(CORRELATION_ID, header);
            }
            Ok(response)
        })
    }
}

/// The id that a request brings along.
fn id_of(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok();
    let is_good = |id: &&str| {
        (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    text(CORRELATION_ID)
        .filter(is_good)
        .or_else(|| text(TRACEPARENT).and_then(trace_id))
        .map(ToOwned::to_owned)
}

/// The trace id in a `traceparent`: of any version, since later ones only append.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = parts.next()?;
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    };
    let is_well_formed = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    let is_all_zero = trace.bytes().all(|byte| byte == b'0');
    (is_well_formed && !is_all_zero).then_some(trace)
}
