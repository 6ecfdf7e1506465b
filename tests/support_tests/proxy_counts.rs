//! The proxy counts commands and round trips, and tells when a command arrives.

use coord_tests::{Proxy, RedisServer};

use crate::client::Client;

#[tokio::test]
async fn commands_are_counted_by_name() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let mut client = Client::of(&proxy).await;
    client.send(&["set a 1", "SET b 2", "GET a", "GET c"]).await;
    client.lines(5).await;
    assert_eq!(proxy.requests(), 4);
    assert_eq!(
        (
            proxy.requests_of("SET"),
            proxy.requests_of("get"),
            proxy.requests_of("DEL")
        ),
        (2, 2, 0)
    );
    proxy.reset_counts();
    assert!(proxy.requests_by_name().is_empty());
    client.ask("PING").await;
    assert_eq!(
        proxy.requests_by_name().into_iter().collect::<Vec<_>>(),
        [("PING".to_owned(), 1)]
    );
}

#[tokio::test]
async fn commands_sent_together_are_one_round_trip() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let mut client = Client::of(&proxy).await;
    assert_eq!(proxy.round_trips(), 0);
    client.send(&["PING", "PING", "PING"]).await;
    client.lines(3).await;
    assert_eq!(proxy.round_trips(), 1);
    client.ask("PING").await;
    client.ask("PING").await;
    assert_eq!(proxy.round_trips(), 3);
    Client::of(&proxy).await.ask("PING").await;
    assert_eq!(proxy.round_trips(), 4);
    proxy.reset_counts();
    assert_eq!(proxy.round_trips(), 0);
}

#[tokio::test]
async fn pushes_are_no_answers() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let mut client = Client::of(&proxy).await;
    client.send(&["HELLO 3"]).await;
    while client.line().await.as_deref() != Some("*0") {}
    client.send(&["SUBSCRIBE news"]).await;
    client.lines(6).await;
    assert_eq!(proxy.round_trips(), 2, "a confirmation is an answer");

    proxy.reset_counts();
    let arrives = proxy.until_request("BLPOP");
    client.send(&["BLPOP list 0"]).await;
    arrives.await;
    server.cli(&["PUBLISH", "news", "hello"]).await;
    assert_eq!(client.lines(7).await[6], "hello");
    let arrives = proxy.until_request("PING");
    client.send(&["PING"]).await;
    arrives.await;
    server.cli(&["RPUSH", "list", "item"]).await;
    assert_eq!(
        client.lines(6).await.last().map(String::as_str),
        Some("+PONG")
    );
    assert_eq!(proxy.round_trips(), 1);
}

#[tokio::test]
async fn swallowed_pushes_take_nothing_else_along() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let mut client = Client::of(&proxy).await;
    client.send(&["SUBSCRIBE news"]).await;
    client.lines(6).await;
    proxy.swallow_pushes(true);
    server.cli(&["PUBLISH", "news", "lost"]).await;
    client.send(&["UNSUBSCRIBE news"]).await;
    assert_eq!(client.lines(6).await[2], "unsubscribe");
    proxy.swallow_pushes(false);
    assert_eq!(client.ask("PING").await.as_deref(), Some("+PONG"));
}

#[tokio::test]
async fn a_request_is_told_of_even_if_it_comes_before_the_wait() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let mut client = Client::of(&proxy).await;
    let by_name = proxy.until_request("get");
    let by_key = proxy.until_request("the-key");
    let other = proxy.until_request("DEL");
    client.ask("GET the-key").await;
    by_name.await;
    by_key.await;
    client.ask("DEL a").await;
    other.await;
}
