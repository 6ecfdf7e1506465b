//! A URL names one of a server's databases.

use coord_tests::{Proxy, RedisServer};

use crate::{LONG, connect, patient};

#[tokio::test]
async fn each_database_is_a_world_of_its_own_on_every_connection() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let first = connect(patient(), &format!("{}/0", server.url())).await;
    let other = connect(patient(), &format!("{}/3", proxy.url())).await;
    let there = connect(patient(), &format!("{}/3", server.url())).await;
    let held = other.lock("a").ttl(LONG).acquire().await.unwrap();
    let free = first.lock("a").ttl(LONG).try_acquire().await.unwrap();
    assert!(free.is_some(), "another database has no part in it");
    let waiter = there.lock("a").ttl(LONG);
    let taken = there.lock("a").ttl(LONG).try_acquire().await.unwrap();
    assert!(taken.is_none());
    proxy.cut();
    let waits = tokio::spawn(waiter.acquire());
    let released = held.release().await;
    released.expect("the new connection is to the same database");
    let next = waits.await.unwrap();
    next.expect("whoever waits there is woken")
        .release()
        .await
        .unwrap();
}
