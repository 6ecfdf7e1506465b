//! The proxy forwards, refuses, delays, swallows and cuts.

use std::time::{Duration, Instant};

use coord_tests::{Proxy, RedisServer, until};
use tokio::net::TcpStream;

use crate::client::Client;

async fn server_and_proxy() -> (RedisServer, Proxy) {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    (server, proxy)
}

#[tokio::test]
async fn large_and_binary_values_pass() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    let value = "x\r".repeat(500_000);
    client.send(&[&format!("SET a {value}"), "GET a"]).await;
    assert_eq!(client.lines(3).await, ["+OK", "$1000000", value.trim_end()]);
}

#[tokio::test]
async fn a_cut_closes_all_connections_and_new_ones_work() {
    let (_server, proxy) = server_and_proxy().await;
    let (mut one, mut other) = (Client::of(&proxy).await, Client::of(&proxy).await);
    assert_eq!(one.ask("PING").await.as_deref(), Some("+PONG"));
    assert_eq!(other.ask("PING").await.as_deref(), Some("+PONG"));
    assert_eq!(proxy.connections(), 2);
    proxy.cut();
    assert_eq!(proxy.connections(), 0);
    assert_eq!((one.line().await, other.line().await), (None, None));
    assert_eq!(
        Client::of(&proxy).await.ask("PING").await.as_deref(),
        Some("+PONG")
    );
}

#[tokio::test]
async fn refused_connections_are_refused_and_open_ones_stay() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    client.ask("PING").await;
    proxy.refuse();
    assert!(TcpStream::connect(proxy.addr()).await.is_err());
    assert_eq!(client.ask("PING").await.as_deref(), Some("+PONG"));
    proxy.accept();
    proxy.accept();
    assert_eq!(
        Client::of(&proxy).await.ask("PING").await.as_deref(),
        Some("+PONG")
    );
}

#[tokio::test]
async fn a_delay_holds_up_both_directions_and_does_not_add_up() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    client.ask("PING").await;
    let each_way = Duration::from_millis(100);
    proxy.delay(each_way);
    let begun = Instant::now();
    for _ in 0..10 {
        client.send(&["PING"]).await;
    }
    client.lines(10).await;
    let took = begun.elapsed();
    assert!(took >= 2 * each_way && took < 10 * each_way, "{took:?}");
}

#[tokio::test]
async fn swallowed_requests_do_not_reach_the_server() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    client.ask("PING").await;
    proxy.swallow_requests(true);
    let arrives = proxy.until_request("SET");
    client.send(&["SET a 1"]).await;
    arrives.await;
    proxy.swallow_requests(false);
    assert_eq!(
        client.line().await,
        None,
        "cut, since a reply would be taken for the lost one's"
    );
    assert!(server.cli(&["GET", "a"]).await.is_null());
}

#[tokio::test]
async fn swallowed_replies_are_those_of_commands_that_were_executed() {
    let (server, proxy) = server_and_proxy().await;
    let (mut client, mut idle) = (Client::of(&proxy).await, Client::of(&proxy).await);
    client.ask("PING").await;
    idle.ask("PING").await;
    proxy.swallow_replies(true);
    client.send(&["SET a 1"]).await;
    until("the value", async || {
        (!server.cli(&["GET", "a"]).await.is_null()).then_some(())
    })
    .await;
    proxy.swallow_replies(false);
    assert_eq!(client.line().await, None);
    assert_eq!(
        idle.ask("PING").await.as_deref(),
        Some("+PONG"),
        "lost nothing"
    );
}

#[tokio::test]
async fn a_cut_before_a_command_keeps_it_from_the_server() {
    let (server, proxy) = server_and_proxy().await;
    proxy.cut_before_next("incr", 2);
    for _ in 0..2 {
        let mut client = Client::of(&proxy).await;
        client.send(&["SET a 1", "INCR a", "SET a 3"]).await;
        while client.line().await.is_some() {}
        until("what went before", async || {
            (!server.cli(&["GET", "a"]).await.is_null()).then_some(())
        })
        .await;
        assert_eq!(server.cli(&["GET", "a"]).await.text(), "1");
    }
    assert_eq!(proxy.cuts(), 2);
    assert_eq!(
        Client::of(&proxy).await.ask("INCR a").await.as_deref(),
        Some(":2")
    );
}

#[tokio::test]
async fn a_cut_after_a_command_comes_when_it_was_executed() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    proxy.cut_after_next("the-key", 1);
    client.send(&["SET a 1", "INCR the-key", "SET a 3"]).await;
    assert_eq!(
        client.line().await.as_deref(),
        Some("+OK"),
        "replies from before the cut arrive"
    );
    assert_eq!(client.line().await, None);
    assert_eq!(server.cli(&["GET", "the-key"]).await.text(), "1");
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(
        Client::of(&proxy)
            .await
            .ask("INCR the-key")
            .await
            .as_deref(),
        Some(":2")
    );
}

#[tokio::test]
async fn a_cut_after_a_command_is_not_led_astray_by_subscriptions() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    client.send(&["HELLO 3"]).await;
    while client.line().await.as_deref() != Some("*0") {}
    client
        .send(&["SUBSCRIBE one two", "PUBLISH one hello"])
        .await;
    // Two confirmations of six lines, a message of seven, and the number of receivers.
    assert_eq!(
        client
            .lines(20)
            .await
            .iter()
            .filter(|line| *line == "subscribe")
            .count(),
        2
    );
    proxy.cut_after_next("INCR", 1);
    client
        .send(&["PUBLISH two hello", "UNSUBSCRIBE", "GET a", "INCR a"])
        .await;
    let rest = async {
        let mut rest = Vec::new();
        while let Some(line) = client.line().await {
            rest.push(line);
        }
        rest
    }
    .await;
    assert_eq!(
        rest.iter().filter(|line| *line == "unsubscribe").count(),
        2,
        "{rest:?}"
    );
    assert_eq!(
        rest.last().map(String::as_str),
        Some("_"),
        "the reply to GET is delivered: {rest:?}"
    );
}

#[tokio::test]
async fn cancelled_cuts_do_not_happen() {
    let (_server, proxy) = server_and_proxy().await;
    proxy.cut_after_next("PING", 1);
    proxy.cancel_cuts();
    assert_eq!(
        Client::of(&proxy).await.ask("PING").await.as_deref(),
        Some("+PONG")
    );
    assert_eq!(proxy.cuts(), 0);
}

#[tokio::test]
async fn connections_go_where_the_proxy_was_redirected() {
    let (server, proxy) = server_and_proxy().await;
    let other = RedisServer::start().await;
    let mut client = Client::of(&proxy).await;
    client.ask("PING").await;
    proxy.redirect(other.addr());
    assert_eq!(client.ask("SET a old").await.as_deref(), Some("+OK"));
    assert_eq!(
        Client::of(&proxy).await.ask("SET a new").await.as_deref(),
        Some("+OK")
    );
    assert_eq!(server.cli(&["GET", "a"]).await.text(), "old");
    assert_eq!(other.cli(&["GET", "a"]).await.text(), "new");
}

#[tokio::test]
async fn a_server_that_dies_closes_the_connections() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    client.ask("PING").await;
    server.kill();
    assert_eq!(client.line().await, None);
    assert_eq!(Client::of(&proxy).await.ask("PING").await, None);
    server.restart().await;
    assert_eq!(
        Client::of(&proxy).await.ask("PING").await.as_deref(),
        Some("+PONG")
    );
}

#[tokio::test]
async fn what_a_client_sent_before_it_left_is_executed() {
    let (server, proxy) = server_and_proxy().await;
    proxy.delay(Duration::from_millis(20));
    let mut client = Client::of(&proxy).await;
    client.send(&["SET a 1"]).await;
    drop(client);
    until("the value", async || {
        (!server.cli(&["GET", "a"]).await.is_null()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_dropped_proxy_closes_everything() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::of(&proxy).await;
    client.ask("PING").await;
    let addr = proxy.addr();
    drop(proxy);
    assert_eq!(client.line().await, None);
    assert!(TcpStream::connect(addr).await.is_err());
}
