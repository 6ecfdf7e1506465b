//! Which requests are guarded, and which of them are the same.

use coord_tests::fleet::Fleet;
use hyper::Method;

use crate::server::{Ask, KEY, Server, layer};

const QUOTED: &str = "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"";

fn too_long() -> String {
    format!("\"{}\"", "x".repeat(256))
}

pub(crate) async fn a_malformed_key_is_refused(fleet: &Fleet) {
    let (server, runs) = Server::counting(layer(&fleet.process().await)).await;
    let too_long = too_long();
    let malformed = [
        KEY,
        "",
        "\"\"",
        "\"",
        "\"a",
        "a\"",
        "'a'",
        "\"a\" \"b\"",
        "\"a\", \"b\"",
        "\"a\"b",
        "\"a\";",
        "\"a\";=1",
        "\"a\";b=\"",
        r#""a\b""#,
        r#""a\"#,
        "\"a\tb\"",
        "\"ä\"",
        "(\"a\")",
        "?1",
        "12",
        "token",
        ":YQ==:",
        "@1659578233",
        &too_long,
    ];
    for header in malformed {
        let ask = Ask::without_key().header("idempotency-key", header);
        server.ask(ask).await.assert_problem(400, "key-malformed");
    }
    let twice = Ask::new("a").header("idempotency-key", "\"a\"");
    server.ask(twice).await.assert_problem(400, "key-malformed");
    assert_eq!(runs.get(), 0);
}

pub(crate) async fn a_well_formed_key_is_accepted(fleet: &Fleet) {
    let (server, runs) = Server::counting(layer(&fleet.process().await)).await;
    let longest = format!("\"{}\"", "%".repeat(255));
    let well_formed = [
        QUOTED,
        "\" \"",
        "\"a, b;c\"",
        r#""a\"b""#,
        r#""a\\b""#,
        "\"%\"",
        "\"%25\"",
        &longest,
    ];
    for (run, header) in (1..).zip(well_formed) {
        let ask = || Ask::without_key().header("idempotency-key", header);
        server.ask(ask()).await.assert_ran(&format!("run {run}"));
        let again = server.ask(ask()).await;
        again.assert_replayed(&format!("run {run}"));
    }
    let parameters = "  \"%\"; version=2;a; b=\"c\"";
    let same = Ask::without_key().header("idempotency-key", parameters);
    server.ask(same).await.assert_replayed("run 6");
    assert_eq!(runs.get(), well_formed.len());
}

pub(crate) async fn unquoted_keys_are_accepted_when_asked_for(fleet: &Fleet) {
    let layer = layer(&fleet.process().await).accept_unquoted(true);
    let (server, runs) = Server::counting(layer).await;
    let ask = |header: &str| Ask::without_key().header("idempotency-key", header);
    server.ask(ask(KEY)).await.assert_ran("run 1");
    server.ask(ask(QUOTED)).await.assert_replayed("run 1");
    server.ask(ask("a:b/c=d")).await.assert_ran("run 2");
    for malformed in [
        "",
        "a b",
        "a,b",
        "a;b=1",
        "\"a",
        "a\"",
        "ä",
        &"x".repeat(256),
    ] {
        let reply = server.ask(ask(malformed)).await;
        reply.assert_problem(400, "key-malformed");
    }
    assert_eq!(runs.get(), 2);
}

pub(crate) async fn a_missing_key_is_refused_where_it_is_required(fleet: &Fleet) {
    let layer = layer(&fleet.process().await).required();
    let (server, runs) = Server::counting(layer).await;
    let missing = server.ask(Ask::without_key()).await;
    missing.assert_problem(400, "key-missing");
    assert_eq!(runs.get(), 0);
    let get = Ask::without_key().method(Method::GET);
    server.ask(get).await.assert_ran("run 1");
}

pub(crate) async fn without_a_key_requests_are_not_guarded(fleet: &Fleet) {
    let (server, _) = Server::counting(layer(&fleet.process().await)).await;
    server.ask(Ask::without_key()).await.assert_ran("run 1");
    server.ask(Ask::without_key()).await.assert_ran("run 2");
}

pub(crate) async fn only_the_methods_asked_for_are_guarded(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (server, runs) = Server::counting(layer(&coord)).await;
    for (method, key) in [(Method::POST, "post"), (Method::PATCH, "patch")] {
        for _ in 0..2 {
            server.ask(Ask::new(key).method(method.clone())).await;
        }
    }
    assert_eq!(runs.get(), 2);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        for _ in 0..2 {
            let reply = server.ask(Ask::new(KEY).method(method.clone())).await;
            assert!(!reply.is_replayed());
        }
    }
    assert_eq!(runs.get(), 8);

    let (server, runs) = Server::counting(layer(&coord).methods([Method::PUT])).await;
    for method in [Method::PUT, Method::PUT, Method::POST, Method::POST] {
        server.ask(Ask::new(KEY).method(method)).await;
    }
    assert_eq!(runs.get(), 3);
}

pub(crate) async fn the_same_key_of_another_caller_is_another_key(fleet: &Fleet) {
    let layer = layer(&fleet.process().await).scope(|request| {
        let account = request.headers.get("account");
        account.map_or_else(String::new, |account| {
            String::from_utf8_lossy(account.as_bytes()).into_owned()
        })
    });
    let (server, _) = Server::counting(layer).await;
    let ask = |account: &str, key: &str| Ask::new(key).header("account", account);
    let callers = [
        ("a", "b:c"),
        ("a:b", "c"),
        ("", "a:b:c"),
        ("a", "c"),
        ("", "c"),
    ];
    for (run, (account, key)) in (1..).zip(callers) {
        let first = server.ask(ask(account, key)).await;
        first.assert_ran(&format!("run {run}"));
    }
    for (run, (account, key)) in (1..).zip(callers) {
        let again = server.ask(ask(account, key)).await;
        again.assert_replayed(&format!("run {run}"));
    }
}

/// Another method, path, query or body, while the first is running and afterwards.
pub(crate) async fn another_request_with_the_key_is_refused(fleet: &Fleet) {
    let (server, runs, door) = Server::with_door(layer(&fleet.process().await)).await;
    let ask = || Ask::new(KEY).path("/pay?now=1").body("ten");
    let others = || {
        [
            ask().method(Method::PATCH),
            ask().path("/refund?now=1"),
            ask().path("/pay?now=2"),
            ask().path("/pay"),
            ask().body("eleven"),
            ask().body(""),
        ]
    };
    let first = server.asking(ask()).await;
    door.reached().await;
    for other in others() {
        server.ask(other).await.assert_problem(422, "key-reused");
    }
    door.open();
    first.await.unwrap().assert_ran("run 1");
    for other in others() {
        server.ask(other).await.assert_problem(422, "key-reused");
    }
    let with_other_headers = ask().header("user-agent", "another");
    let again = server.ask(with_other_headers).await;
    again.assert_replayed("run 1");
    assert_eq!(runs.get(), 1);
}
