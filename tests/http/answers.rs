//! What of an answer is stored and replayed.

use axum::Extension;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use coord::{Context, Coordinator, IdempotencyContext};
use coord_tests::fleet::Fleet;
use coord_tests::recording::Recording;
use http_body_util::BodyExt;
use hyper::{HeaderMap, StatusCode};

use crate::server::{Ask, Count, KEY, Server, layer};

pub(crate) async fn a_repeated_request_gets_the_first_answer_in_every_process(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let runs = Count::default();
    let counted = runs.clone();
    let handler = move || {
        let run = counted.add();
        async move {
            let body: Vec<u8> = (0..=255).cycle().take(10_000).collect();
            Response::builder()
                .status(StatusCode::CREATED)
                .header("location", format!("/payments/{run}"))
                .header("x-many", "one")
                .header("x-many", "two")
                .header("x-bytes", &b"\xff\xe4 \x80"[..])
                .header("x-empty", "")
                .body(Body::from(body))
                .unwrap()
        }
    };
    let one = Server::guarded(layer(&one), handler.clone()).await;
    let other = Server::guarded(layer(&other), handler).await;
    let first = one.post(KEY, "ten").await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert!(!first.is_replayed());
    for server in [&one, &other, &one] {
        let again = server.post(KEY, "ten").await;
        assert!(again.is_replayed());
        assert_eq!(again.status, first.status);
        assert_eq!(again.own_headers(), first.own_headers());
        assert_eq!(again.body, first.body);
    }
    assert_eq!(first.headers["x-bytes"].as_bytes(), b"\xff\xe4 \x80");
    assert_eq!(runs.get(), 1);
}

pub(crate) async fn an_answer_without_a_body_is_replayed(fleet: &Fleet) {
    let answer = || async { StatusCode::NO_CONTENT };
    let server = Server::guarded(layer(&fleet.process().await), answer).await;
    for replayed in [false, true] {
        let reply = server.post(KEY, "").await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        assert_eq!(reply.is_replayed(), replayed);
        assert!(reply.body.is_empty());
    }
}

pub(crate) async fn cookies_and_headers_of_the_connection_are_never_stored(fleet: &Fleet) {
    let answer = || async {
        let headers = [
            ("set-cookie", "session=a-secret"),
            ("connection", "x-hop"),
            ("x-hop", "a-secret"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authentication-info", "a-secret"),
            ("trailer", "x-sum"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("x-kept", "kept"),
        ];
        (headers, "done")
    };
    let server = Server::guarded(layer(&fleet.process().await), answer).await;
    let first = server.post(KEY, "").await;
    first.assert_ran("done");
    assert_eq!(first.headers["set-cookie"], "session=a-secret");
    let again = server.post(KEY, "").await;
    again.assert_replayed("done");
    let known = [
        "content-type",
        "content-length",
        "date",
        "idempotent-replayed",
        "x-kept",
    ];
    for name in again.headers.keys() {
        assert!(known.contains(&name.as_str()), "{name}");
    }
    let name = format!("{}/idempotency/%http::{KEY}", fleet.namespace());
    let stored = fleet.store().get_record(&name).await.unwrap().unwrap();
    let record = String::from_utf8_lossy(&stored.value).into_owned();
    assert!(record.contains("kept") && !record.contains("a-secret"));
}

/// Answers with the status that the request asks for.
async fn status_asked_for(request: Request) -> Response {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let status: u16 = std::str::from_utf8(&body).unwrap().parse().unwrap();
    (StatusCode::from_u16(status).unwrap(), "said").into_response()
}

pub(crate) async fn only_results_are_stored(fleet: &Fleet) {
    let server = Server::guarded(layer(&fleet.process().await), status_asked_for).await;
    let results = [200, 201, 202, 204, 303, 400, 402, 403, 404, 410, 412, 422];
    let others = [401, 408, 409, 423, 425, 429, 500, 502, 503, 504, 599];
    for (statuses, stored) in [(&results[..], true), (&others, false)] {
        for status in statuses {
            let key = format!("status {status}");
            for repeated in [false, true] {
                let reply = server.post(&key, &status.to_string()).await;
                assert_eq!(reply.status, *status);
                assert_eq!(reply.is_replayed(), stored && repeated, "{status}");
            }
        }
    }
}

pub(crate) async fn which_statuses_are_results_can_be_chosen(fleet: &Fleet) {
    let layer = layer(&fleet.process().await).store_when(|status| status.is_server_error());
    let server = Server::guarded(layer, status_asked_for).await;
    for (status, stored) in [("200", false), ("422", false), ("500", true)] {
        server.post(status, status).await;
        let again = server.post(status, status).await;
        assert_eq!(again.is_replayed(), stored, "{status}");
    }
}

/// The first attempt fails, the second is its repetition. Both tell the same key to whom they ask in turn, and
/// keep what surrounds them.
pub(crate) async fn a_handler_knows_its_call(fleet: &Fleet) {
    let coord = fleet.process().await;
    let runs = Count::default();
    let handler = move |Extension(call): Extension<IdempotencyContext>| {
        let run = runs.add();
        async move {
            assert!(Coordinator::current().is_ok());
            let correlation = Context::current().unwrap().correlation_id().to_owned();
            let status = if run == 1 { 500 } else { 200 };
            let status = StatusCode::from_u16(status).unwrap();
            let downstream = ("downstream", call.downstream_key("charge"));
            let correlation = ("correlation", correlation);
            (status, [downstream, correlation])
        }
    };
    let surrounded = {
        let coord = coord.clone();
        axum::middleware::from_fn(move |request: Request, next: axum::middleware::Next| {
            let answering = coord.scope(next.run(request));
            Context::with_correlation_id("request 7").scope(answering)
        })
    };
    let router = axum::Router::new().route("/", post(handler));
    let server = Server::of(router.layer(layer(&coord)).layer(surrounded)).await;
    let told = |headers: &HeaderMap| {
        assert_eq!(headers["correlation"], "request 7");
        headers["downstream"].to_str().unwrap().to_owned()
    };
    let first = server.post(KEY, "").await;
    assert_eq!(first.status, 500);
    let second = server.post(KEY, "").await;
    assert_eq!(second.status, 200);
    assert!(!second.is_replayed());
    assert_eq!(told(&first.headers), told(&second.headers));
    let other = server.post("another", "").await;
    assert_ne!(told(&first.headers), told(&other.headers));
}

pub(crate) async fn spans_and_problems_tell_the_label_and_not_the_key(fleet: &Fleet) {
    let recording = Recording::start();
    let layer = layer(&fleet.process().await).label("POST /payments");
    let (server, _) = Server::counting(layer).await;
    server.post(KEY, "ten").await;
    server.post(KEY, "ten").await.assert_replayed("run 1");
    let other = server.post(KEY, "eleven").await;
    other.assert_problem(422, "key-reused");
    let bare = Ask::without_key().header("idempotency-key", KEY);
    server.ask(bare).await.assert_problem(400, "key-malformed");
    let told = recording.everything();
    assert!(told.contains("POST /payments"), "{told}");
    assert!(!told.contains(KEY), "{told}");
}
