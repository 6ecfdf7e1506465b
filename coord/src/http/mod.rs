//! HTTP: a layer for tower and axum that honours the `Idempotency-Key` header, and [one](ContextLayer) that takes over the
//! correlation id of a request.
//!
//! A client that got no answer to `POST /payments` does not know whether it has paid. It sends the request again,
//! with the same key, and gets the answer to the first one: status, headers and body, with
//! `Idempotent-Replayed: true`. This follows the IETF's draft of
//! [the `Idempotency-Key` header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
//!
//! In axum it is `Router::layer(IdempotencyLayer::new(&coord).ttl(day))`. Any tower service will do whose
//! request body can be made from [`Bytes`](bytes::Bytes), as axum's can:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use bytes::Bytes;
//! use coord::http::IdempotencyLayer;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let coord = coord::Coordinator::builder().build();
//! let payments = ServiceBuilder::new()
//!     .layer(IdempotencyLayer::new(&coord).required())
//!     .service(service_fn(async |request: Request<Full<Bytes>>| {
//!         // Talk to the payment provider, once.
//!         let body = request.into_body().collect().await?.to_bytes();
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::new(body)))
//!     }));
//!
//! let request = || {
//!     let request = Request::post("/payments").header("Idempotency-Key", "\"8e03978e\"");
//!     request.body(Full::from("ten euros")).unwrap()
//! };
//! let first = payments.clone().oneshot(request()).await?;
//! let again = payments.clone().oneshot(request()).await?;
//! assert!(!first.headers().contains_key("Idempotent-Replayed"));
//! assert_eq!(again.headers()["Idempotent-Replayed"], "true");
//! let body = again.into_body().collect().await.unwrap().to_bytes();
//! assert_eq!(body, "ten euros");
//! # Ok::<(), std::convert::Infallible>(()) }).unwrap();
//! ```
//!
//! # What a request is answered
//!
//! | a request | gets |
//! |---|---|
//! | of another method than [`methods`](IdempotencyLayer::methods), or without the header | what the handler says |
//! | without the header, where it is [`required`](IdempotencyLayer::required) | 400 |
//! | with the header twice, malformed, empty, or over [`LONGEST_KEY`] characters | 400 |
//! | with a body over [`max_body`](IdempotencyLayer::max_body), or over a limit that is put around the layer | 413 |
//! | with a new key | what the handler says, which is stored if its status [`is_final`] |
//! | with a known key, of the same caller, method, path and body | the stored answer |
//! | with a known key, of the same caller, and another method, path or body | 422 |
//! | with a key whose first request is not done | 409 and `Retry-After`, the rest of the lease; or, with [`wait`](IdempotencyLayer::wait), the answer to that |
//! | with a key whose answer was too large to be stored | 410 |
//! | while the store fails, or the coordinator shuts down | 503 and `Retry-After`; with the same key it can be sent again |
//!
//! The errors have bodies of `application/problem+json` (RFC 9457) with `type`, `title`, `status` and `detail`.
//! The key is in none of them. Those that come from a [`coord::Error`](crate::Error) have it among their
//! extensions, for a log.
//!
//! # What is promised
//!
//! - The handler of a key runs to its end and has its answer stored at most once per `ttl`. A handler that
//!   fails, panics, or whose process dies is run again by the next request; so it finds an
//!   [`IdempotencyContext`](crate::IdempotencyContext) among the extensions of its request, whose
//!   [`downstream_key`](crate::IdempotencyContext::downstream_key) it passes on to whoever carries out the effect.
//! - A handler that has begun goes on when its client hangs up, and its answer is stored. It runs in a task of its
//!   own that [`Coordinator::shutdown`](crate::Coordinator::shutdown) ends. To let such handlers finish first,
//!   await [`idle`](IdempotencyLayer::idle) in between. What waits or has not begun ends with its client.
//! - The handler does not run before the store has confirmed that it may.
//! - What is stored has no `Set-Cookie`, none of the headers that are about the connection, and no trailers: these
//!   come with the first answer only. Those of a request are among its extensions, as [`RequestTrailers`].
//!
//! # Where to put it
//!
//! Inside of what authenticates, so that [`scope`](IdempotencyLayer::scope) can tell callers apart; and inside of
//! what compresses, so that what is stored is plain, and each client is sent it in an encoding that it accepts. In
//! axum, on the outermost router: within `Router::nest` the path lacks its beginning, and equal requests to two
//! places look the same.
//!
//! Request bodies are read before the handler runs, and answers before they are sent, both up to `max_body`; so
//! answers that do not end, such as event streams, are not for this layer. Task-locals of the code around do not
//! reach the handler, but for the [`Context`](crate::Context) and the coordinator of a `scope`; extensions of
//! the request do.

// `service` is the way of a request through the others: `key` finds the key, `body` reads the bodies, `handlers`
// owns the tasks, `answer` is what is stored, `problem` what is said when there is nothing to replay.
// `correlation` stands alone.

mod answer;
mod body;
mod correlation;
mod handlers;
mod key;
mod layer;
mod problem;
mod service;

pub use answer::is_final;
pub use body::ResponseBody;
pub use correlation::{ContextLayer, ContextService};
pub use key::LONGEST_KEY;
pub use layer::IdempotencyLayer;
pub use service::{IdempotencyService, RequestTrailers};
