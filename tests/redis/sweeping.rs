//! What has expired makes room.

use std::time::Duration;

use coord::store::{PutRequest, RedisStore, Store};
use coord_tests::redis::RedisServer;
use coord_tests::until;
use redis::AsyncCommands as _;

const SHORT: Duration = Duration::from_millis(1);

/// More than are looked at in one go.
#[tokio::test]
async fn names_of_what_has_expired_leave_the_index() {
    let server = RedisServer::start().await;
    let builder = RedisStore::builder().sweep_every(Duration::from_millis(50));
    let store = builder.connect(&server.url()).await.unwrap();
    for number in 0..600 {
        let put = PutRequest::new(format!("gone/{number}"), "one").listed();
        store.put_record(&put.ttl(SHORT)).await.unwrap();
    }
    let kept = PutRequest::new("kept", "one").listed();
    store.put_record(&kept).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut beside = client.get_multiplexed_async_connection().await.unwrap();
    until("one name to be left", async || {
        let names: Vec<String> = beside.zrange("{coord}:index", 0, -1).await.unwrap();
        (names == ["kept"]).then_some(())
    })
    .await;
}
