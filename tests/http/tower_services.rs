//! The layer around a service that is called without a server, for what a server does not let through.

use std::convert::Infallible;

use bytes::Bytes;
use coord::Coordinator;
use coord_tests::SmallStore;
use http::{Request, Response};
use http_body_util::Full;
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
