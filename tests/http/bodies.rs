//! Bodies that are too large, or break off.

use std::io::Error;

use axum::body::Body;
use bytes::Bytes;
use coord_tests::fleet::Fleet;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Ask, Count, KEY, Server, layer};

/// A body whose length is not known before it ends.
fn streamed(pieces: impl IntoIterator<Item = String, IntoIter: Send + 'static>) -> Body {
    let pieces = pieces.into_iter().map(Bytes::from);
    Body::from_stream(stream::iter(pieces.map(Ok::<_, Error>)))
}

pub(crate) async fn a_request_that_is_too_large_is_refused(fleet: &Fleet) {
    let layer = layer(&fleet.process().await).max_body(1000);
    let (server, runs) = Server::counting(layer).await;
    let pieces = |count| streamed((0..count).map(|_| "x".repeat(100)));
    for (key, body) in [
        ("known length", Body::from("x".repeat(1001))),
        ("streamed", pieces(11)),
    ] {
        let reply = server.ask(Ask::new(key).body(body)).await;
        reply.assert_problem(413, "request-too-large");
    }
    assert_eq!(runs.get(), 0);
    // The same bytes are the same request, however they come.
    let exact = Ask::new(KEY).body("x".repeat(1000));
    server.ask(exact).await.assert_ran("run 1");
    let again = server.ask(Ask::new(KEY).body(pieces(10))).await;
    again.assert_replayed("run 1");
    // Without a key there is no limit.
    let unguarded = Ask::without_key().body("x".repeat(1001));
    server.ask(unguarded).await.assert_ran("run 2");
}

/// The server's answer of this length arrives whole, and is not made again.
async fn is_made_once(server: Server, runs: Count, length: usize) {
    let first = server.post(KEY, "").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.body.len(), length);
    assert_eq!(first.body, "x".repeat(length));
    for _ in 0..2 {
        let again = server.post(KEY, "").await;
        again.assert_problem(410, "result-too-large");
    }
    assert_eq!(runs.get(), 1);
}

pub(crate) async fn an_answer_that_is_too_large_reaches_its_client_and_is_not_made_again(
    fleet: &Fleet,
) {
    for known_length in [true, false] {
        let coord = fleet.process_in(&coord_tests::unique("large")).await;
        let runs = Count::default();
        let counted = runs.clone();
        let answer = move || {
            counted.add();
            async move {
                if known_length {
                    Body::from("x".repeat(2000))
                } else {
                    streamed((0..20).map(|_| "x".repeat(100)))
                }
            }
        };
        let server = Server::guarded(layer(&coord).max_body(1000), answer).await;
        is_made_once(server, runs, 2000).await;
    }
}

pub(crate) async fn an_answer_that_no_store_keeps_is_not_made_again(fleet: &Fleet) {
    let (runs, length) = (Count::default(), 3 << 20);
    let counted = runs.clone();
    let answer = move || {
        counted.add();
        async move { "x".repeat(length) }
    };
    let layer = layer(&fleet.process().await).max_body(usize::MAX);
    is_made_once(Server::guarded(layer, answer).await, runs, length).await;
}

/// The largest answer that is promised to be stored is stored.
pub(crate) async fn the_largest_answer_is_replayed(fleet: &Fleet) {
    let answer = || async { "x".repeat(959 << 10) };
    let server = Server::guarded(layer(&fleet.process().await), answer).await;
    let first = server.post(KEY, "").await;
    let again = server.post(KEY, "").await;
    assert!(again.is_replayed());
    assert_eq!(again.body, first.body);
}

pub(crate) async fn a_request_that_breaks_off_runs_nothing(fleet: &Fleet) {
    let (server, runs) = Server::counting(layer(&fleet.process().await)).await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nidempotency-key: \"{KEY}\"\r\ncontent-length: 10\r\n\r\nfive "
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    // The server has read it to its end when it closes.
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    assert_eq!(runs.get(), 0);
    server.post(KEY, "another body").await.assert_ran("run 1");
}

/// Its client gets no whole answer, and the next request runs the handler.
pub(crate) async fn an_answer_that_breaks_off_is_no_result(fleet: &Fleet) {
    let runs = Count::default();
    let counted = runs.clone();
    let answer = move || {
        let run = counted.add();
        async move {
            let pieces = match run {
                1 => vec![Ok("half".to_owned()), Err(Error::other("the disk is gone"))],
                run => vec![Ok(format!("run {run}"))],
            };
            Body::from_stream(stream::iter(pieces))
        }
    };
    let server = Server::guarded(layer(&fleet.process().await), answer).await;
    let connection = server.connect().await;
    assert!(connection.ask(Ask::new(KEY)).await.is_err());
    server.post(KEY, "").await.assert_ran("run 2");
    server.post(KEY, "").await.assert_replayed("run 2");
}
