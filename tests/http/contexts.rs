//! The correlation id of a request, in its handler and in its answer.

use axum::Router;
use axum::routing::any;
use coord::Context;
use coord::http::ContextLayer;
use coord_tests::fleet::Fleet;

use crate::server::{Ask, KEY, Reply, Server, layer};

const HEADER: &str = "x-correlation-id";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A server whose handler answers with its correlation id.
async fn telling() -> Server {
    let handler = async || Context::current().unwrap().correlation_id().to_owned();
    Server::of(
        Router::new()
            .fallback(any(handler))
            .layer(ContextLayer::new()),
    )
    .await
}

fn told(reply: &Reply) -> &str {
    let header = reply.headers[HEADER].to_str().unwrap();
    assert_eq!(header, reply.text());
    header
}

#[tokio::test]
async fn the_id_of_the_request_is_that_of_its_handler_and_answer() {
    let server = telling().await;
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let ask = || Ask::without_key().header("traceparent", &traceparent);
    assert_eq!(told(&server.ask(ask()).await), TRACE);
    // Who names an id means it.
    let both = ask().header(HEADER, "request-7");
    assert_eq!(told(&server.ask(both).await), "request-7");
}

#[tokio::test]
async fn an_id_that_is_missing_or_malformed_is_made_anew() {
    let server = telling().await;
    let one = server.ask(Ask::without_key()).await;
    let other = server.ask(Ask::without_key()).await;
    assert_ne!(told(&one), told(&other));
    let too_long = "x".repeat(129);
    for (header, value) in [
        (HEADER, ""),
        (HEADER, "two words"),
        (HEADER, &*too_long),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736"),
        (
            "traceparent",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ),
        (
            "traceparent",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "traceparent",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ),
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ),
    ] {
        let reply = server.ask(Ask::without_key().header(header, value)).await;
        let id = told(&reply);
        assert_eq!(id.len(), 32, "{value}: {id}");
        assert!(!value.contains(id), "{value}: {id}");
    }
}

/// The handler is that of the first request; the answer is that to the second.
#[tokio::test]
async fn a_replay_has_the_id_of_its_own_request() {
    let fleet = Fleet::on_memory();
    let handler = async || Context::current().unwrap().correlation_id().to_owned();
    let router = Router::new()
        .fallback(any(handler))
        .layer(layer(&fleet.process().await))
        .layer(ContextLayer::new());
    let server = Server::of(router).await;
    let first = server.ask(Ask::new(KEY).header(HEADER, "first")).await;
    assert_eq!(told(&first), "first");
    let again = server.ask(Ask::new(KEY).header(HEADER, "second")).await;
    again.assert_replayed("first");
    assert_eq!(again.headers[HEADER], "second");
}
