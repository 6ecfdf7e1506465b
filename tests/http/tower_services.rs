//! The layer around a service that is called without a server, for what a server does not let through.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use bytes::Bytes;
use coord::Coordinator;
use coord::http::RequestTrailers;
use coord_tests::SmallStore;
use futures_util::{Stream, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::server::{Count, KEY, layer};

/// `POST /` with the key.
fn post<B>(body: B) -> Request<B> {
    let request = Request::post("/").header("idempotency-key", format!("\"{KEY}\""));
    request.body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_small_store_does_not_keep_is_not_made_again() {
    for (store, first, later) in [
        (SmallStore::new(10_000), 200, 410),
        // The handler's answer is not passed on, since a repetition would not get it.
        (SmallStore::unaware(10_000), 500, 500),
    ] {
        let coord = Coordinator::builder().store(store).build();
        let runs = Count::default();
        let counted = runs.clone();
        let service = service_fn(move |_: Request<Full<Bytes>>| {
            counted.add();
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("x".repeat(10_000)))) }
        });
        let service = ServiceBuilder::new().layer(layer(&coord)).service(service);
        for status in [first, later, later] {
            let answer = service.clone().oneshot(post(Full::from("ten"))).await;
            assert_eq!(answer.unwrap().status(), status);
        }
        assert_eq!(runs.get(), 1);
    }
}

fn trailers(name: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("7"))])
}

#[tokio::test(start_paused = true)]
async fn trailers_come_with_the_first_answer_and_reach_the_handler() {
    let coord = Coordinator::builder().build();
    let handler = service_fn(async move |request: Request<Body>| {
        let said = request.extensions().get::<RequestTrailers>();
        assert_eq!(said.unwrap().0, trailers("asked"));
        let answer = Full::<Bytes>::from("said").with_trailers(ready(Some(Ok(trailers("said")))));
        Ok::<_, Infallible>(Response::new(answer))
    });
    let service = ServiceBuilder::new().layer(layer(&coord)).service(handler);
    for expected in [Some(trailers("said")), None] {
        let asked = Full::<Bytes>::from("ten").with_trailers(ready(Some(Ok(trailers("asked")))));
        let answer = service
            .clone()
            .oneshot(post(Body::new(asked)))
            .await
            .unwrap();
        let replayed = answer.headers().contains_key("idempotent-replayed");
        assert_eq!(replayed, expected.is_none());
        let body = answer.into_body().collect().await.unwrap();
        assert_eq!(body.trailers(), expected.as_ref());
        assert_eq!(body.to_bytes(), "said");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_over_an_outer_limit_is_too_large() {
    let coord = Coordinator::builder().build();
    let runs = Count::default();
    let counted = runs.clone();
    let handler = service_fn(move |_: Request<Body>| {
        counted.add();
        async { Ok::<_, Infallible>(Response::new(Body::empty())) }
    });
    let service = ServiceBuilder::new().layer(layer(&coord)).service(handler);
    for (body, status) in [
        (Body::new(Limited::new(Body::from("x".repeat(11)), 10)), 413),
        (Body::from_stream(failing()), 400),
        (Body::new(Limited::new(Body::from("x".repeat(10)), 10)), 200),
    ] {
        let answer = service.clone().oneshot(post(body)).await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(runs.get(), 1);
}

/// A body that breaks off.
fn failing() -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter([Ok(Bytes::from("x")), Err(std::io::Error::other("it broke"))])
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_not_run_again_when_what_judges_its_answer_panics() {
    let coord = Coordinator::builder().build();
    let runs = Count::default();
    let counted = runs.clone();
    let handler = service_fn(move |_: Request<Body>| {
        counted.add();
        async { Ok::<_, Infallible>(Response::new(Body::from("done"))) }
    });
    let panics = layer(&coord).store_when(|_| panic!("as it is meant to"));
    let service = ServiceBuilder::new().layer(panics).service(handler);
    let first = tokio::spawn(service.clone().oneshot(post(Body::empty()))).await;
    assert!(first.unwrap_err().is_panic());
    for _ in 0..2 {
        let again = service.clone().oneshot(post(Body::empty())).await;
        assert_eq!(again.unwrap().status(), 500);
    }
    assert_eq!(runs.get(), 1);
}
