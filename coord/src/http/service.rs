//! The way of a request: its key, its body, its call, its answer.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::answer::Answer;
use super::body::{BoxError, Read, ResponseBody, Whole, passed_on, read};
use super::handlers::Begun;
use super::key;
use super::layer::Settings;
use super::problem::Problem;
use crate::error::Error;
use crate::idempotency::{FingerprintParts, Request as Call};

/// A service with an [`IdempotencyLayer`](super::IdempotencyLayer) around it.
#[derive(Clone)]
pub struct IdempotencyService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> IdempotencyService<S> {
    pub(super) fn new(inner: S, settings: Settings) -> Self {
        Self {
            inner,
            settings: Arc::new(settings),
        }
    }
}

/// The trailers of a guarded request, among its extensions: the body that the handler gets is made of bytes, and has
/// none. They are no part of what tells one request from another.
#[derive(Debug, Clone)]
pub struct RequestTrailers(pub HeaderMap);

type Answering<E> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, E>> + Send>>;

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for IdempotencyService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    ReqBody: Body<Data = Bytes> + From<Bytes> + Send + 'static,
    ReqBody::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let key = match self.settings.key_of(&request) {
            Ok(Some(key)) => key,
            Ok(None) => {
                let answering = self.inner.call(request);
                return Box::pin(async { Ok(answering.await?.map(passed_on)) });
            }
            Err(problem) => return Box::pin(ready(Ok(problem.into_response()))),
        };
        // The one that is ready is used up; the clone has to get ready first.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        Box::pin(guarded(inner, Arc::clone(&self.settings), key, request))
    }
}

/// Runs the handler or replays what it has said.
async fn guarded<S, ReqBody, ResBody>(
    mut inner: S,
    settings: Arc<Settings>,
    key: String,
    request: Request<ReqBody>,
) -> Result<Response<ResponseBody>, S::Error>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    ReqBody: Body<Data = Bytes> + From<Bytes> + Send + 'static,
    ReqBody::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    let body = match read(body, settings.max_body).await {
        Read::Whole(body) => body,
        Read::TooLarge { .. } => {
            return Ok(Problem::request_too_large(settings.max_body).into_response());
        }
        Read::Broken {
            is_over_a_limit: true,
            ..
        } => return Ok(Problem::request_over_a_limit().into_response()),
        Read::Broken { .. } => return Ok(Problem::unreadable_request().into_response()),
    };
    let handlers = match settings.handlers() {
        Ok(handlers) => handlers,
        Err(error) => return Ok(Problem::of(error).into_response()),
    };
    let Whole { bytes, trailers } = body;
    if let Some(trailers) = trailers {
        parts.extensions.insert(RequestTrailers(trailers));
    }
    let call = settings.call(&parts, &key, &bytes);
    let begun = Begun::default();
    let begins = begun.clone();
    let work = call.run(Answer::Refused, Answer::codec(), |context| async move {
        begins.set();
        parts.extensions.insert(context);
        let request = Request::from_parts(parts, ReqBody::from(bytes));
        match inner.call(request).await {
            Ok(response) => {
                let largest_value = settings.coordinator.store().capabilities().largest_value;
                let is_result = &*settings.store_when;
                Answer::of(response, is_result, settings.max_body, largest_value).await
            }
            Err(error) => Answer::Failed(error),
        }
    });
    let outcome = handlers.run(begun, work).await;
    let answer = outcome.map_or(Answer::Refused(Error::ShutDown), |outcome| {
        outcome.into_inner()
    });
    answer.into_response()
}

impl Settings {
    /// The key of a request that is to be guarded.
    fn key_of<B>(&self, request: &Request<B>) -> Result<Option<String>, Problem> {
        if !self.methods.contains(request.method()) {
            return Ok(None);
        }
        match key::in_header(request.headers(), self.accept_unquoted)? {
            None if self.required => Err(Problem::missing_key()),
            key => Ok(key),
        }
    }

    /// The idempotent call that the request is.
    fn call(&self, parts: &Parts, key: &str, body: &Bytes) -> Call {
        let mut fingerprint = FingerprintParts::default();
        let path = parts.uri.path_and_query();
        fingerprint.add_bytes("method", parts.method.as_str().as_bytes());
        fingerprint.add_bytes("path", path.map_or("/", |path| path.as_str()).as_bytes());
        fingerprint.add_bytes("body", body);

        let key = key::in_store(&(self.scope)(parts), key, self.label);
        let mut call = Call::new(self.coordinator.clone(), key);
        call.ttl = self.ttl;
        call.lease = self.lease;
        call.wait = self.wait;
        call.fingerprint = fingerprint.finish().map(Some);
        call
    }
}

impl<S> fmt::Debug for IdempotencyService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyService").finish_non_exhaustive()
    }
}
