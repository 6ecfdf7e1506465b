//! A connection that is made anew, and a server that has forgotten the scripts.

use coord::store::{ListRequest, PutRequest, Store, Watched};
use coord_tests::{Proxy, RedisServer, until};

use crate::builder;

/// Others wait for the connection.
#[tokio::test]
async fn a_new_connection_hears_of_very_many_records_after_a_few_round_trips() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let store = builder().connect(&proxy.url()).await.unwrap();
    let mut watches = Vec::new();
    for number in 0..200 {
        let watched = Watched::Record(format!("shop/{number}"));
        watches.push(store.watch(&watched).await.unwrap());
    }
    proxy.cut();
    proxy.reset_counts();
    until("a new connection", async || {
        store.get_record("shop/x").await.ok()
    })
    .await;
    assert!(proxy.round_trips() < 50, "{}", proxy.round_trips());
    // Everybody looks again, and is then told of what happens.
    for watch in &mut watches {
        watch.changed().await;
    }
    let put = PutRequest::new("shop/7", b"1".to_vec());
    store.put_record(&put).await.unwrap();
    watches[7].changed().await;
}

#[tokio::test]
async fn records_are_listed_by_a_server_that_has_forgotten_the_scripts() {
    let server = RedisServer::start().await;
    let store = builder().connect(&server.url()).await.unwrap();
    let put = PutRequest::new("shop/x", b"1".to_vec()).listed();
    store.put_record(&put).await.unwrap();
    server.cli(&["SCRIPT", "FLUSH"]).await;
    let page = store.list_records(&ListRequest::new("shop/")).await;
    assert_eq!(page.unwrap().entries.len(), 1);
}
