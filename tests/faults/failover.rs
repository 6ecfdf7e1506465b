//! A replica that becomes the primary without the last writes, and a primary that goes on beside it.

use std::net::SocketAddr;

use coord_tests::{Proxy, RedisServer, until};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::setup::{LONG, SHORT, coordinator, token};

/// A primary, and a replica that follows it through a tunnel that can be cut.
struct Pair {
    primary: RedisServer,
    replica: RedisServer,
    tunnel: JoinHandle<()>,
}

impl Pair {
    async fn start() -> Self {
        let primary = RedisServer::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let tunnel = tokio::spawn(carry(listener, primary.addr()));
        let replica = RedisServer::builder().config(&format!("replicaof 127.0.0.1 {port}"));
        let replica = replica.start().await;
        replica.wait_until_replica_synced().await;
        Self {
            primary,
            replica,
            tunnel,
        }
    }

    /// From here on, the replica learns nothing more.
    async fn part(&self) {
        self.replica.wait_until_replica_synced().await;
        self.tunnel.abort();
        until("the replica to be cut off", async || {
            (self.replica.info("master_link_status").await == "down").then_some(())
        })
        .await;
    }
}

/// Carries bytes both ways. Aborted, it closes all connections.
async fn carry(listener: TcpListener, upstream: SocketAddr) {
    let mut links = JoinSet::new();
    loop {
        let Ok((mut client, _)) = listener.accept().await else {
            return;
        };
        links.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(upstream).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// Acquires and releases, and gives the token.
async fn taken(coord: &coord::Coordinator) -> u64 {
    let lease = coord.lock("a").acquire().await.expect("a lock");
    let token = token(&lease);
    lease.release().await.expect("a held lock");
    token
}

#[tokio::test]
async fn tokens_grow_across_a_failover_that_loses_writes() {
    let pair = Pair::start().await;
    let proxy = Proxy::before(&pair.primary);
    let coord = coordinator(&proxy.url()).await;
    let mut last = taken(&coord).await;
    pair.part().await;
    for _ in 0..20 {
        let token = taken(&coord).await;
        assert!(token > last);
        last = token;
    }
    pair.primary.kill();
    pair.replica.promote().await;
    proxy.redirect(pair.replica.addr());
    proxy.cut();
    let fresh = coordinator(&pair.replica.url()).await;
    for coord in [&fresh, &coord, &fresh] {
        let token = taken(coord).await;
        assert!(token > last);
        last = token;
    }
}

/// The lease was granted after the replica had its last news.
#[tokio::test]
async fn a_holder_whose_grant_is_lost_in_a_failover_learns_of_it() {
    let pair = Pair::start().await;
    let proxy = Proxy::before(&pair.primary);
    let coord = coordinator(&proxy.url()).await;
    pair.part().await;
    let lease = coord.lock("a").ttl(SHORT).acquire().await.unwrap();
    pair.primary.kill();
    pair.replica.promote().await;
    proxy.redirect(pair.replica.addr());
    proxy.cut();
    lease.lost().await;
    assert!(taken(&coord).await > token(&lease));
}

/// Its connection stays open, to what is no primary any more.
#[tokio::test]
async fn a_client_of_a_demoted_primary_is_refused_and_finds_the_new_one() {
    let pair = Pair::start().await;
    let proxy = Proxy::before(&pair.primary);
    let coord = coordinator(&proxy.url()).await;
    let last = taken(&coord).await;
    pair.part().await;
    pair.replica.promote().await;
    proxy.redirect(pair.replica.addr());
    pair.primary.follow(&pair.replica).await;
    assert!(taken(&coord).await > last);
}

/// The old primary does not know that it is not the one any more, and neither do its clients: what they are
/// granted there ranks below what is granted at the new one, then and ever after.
#[tokio::test]
async fn what_a_demoted_primary_still_grants_ranks_below_the_new_ones() {
    let pair = Pair::start().await;
    let stale = coordinator(&pair.primary.url()).await;
    let before = taken(&stale).await;
    pair.part().await;
    pair.replica.promote().await;
    let new = coordinator(&pair.replica.url()).await;
    let granted_by_new = taken(&new).await;
    assert!(granted_by_new > before);
    for _ in 0..50 {
        let granted_by_old = taken(&stale).await;
        assert!(
            granted_by_old < granted_by_new,
            "a late write would be accepted"
        );
    }
    // One that connects to the old primary only now is told no more than the others.
    let misled = coordinator(&pair.primary.url()).await;
    assert!(taken(&misled).await < granted_by_new);
    assert!(taken(&new).await > granted_by_new);
}

/// Those who waited when the replica took over are numbered anew.
#[tokio::test]
async fn a_grant_after_a_failover_has_no_number_from_before() {
    let pair = Pair::start().await;
    let proxy = Proxy::before(&pair.primary);
    let coord = coordinator(&proxy.url()).await;
    let holder = coord
        .lock("a")
        .ttl(LONG)
        .renew(false)
        .acquire()
        .await
        .unwrap();
    let before = token(&holder);
    let waiter = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").acquire().await }
    });
    crate::setup::until_line(&coord, "a", 1, 1).await;
    pair.part().await;
    pair.replica.promote().await;
    let first_at_new = {
        let new = coordinator(&pair.replica.url()).await;
        let lease = new.lock("b").acquire().await.unwrap();
        token(&lease)
    };
    pair.primary.kill();
    proxy.redirect(pair.replica.addr());
    proxy.cut();
    // Perhaps the new one never heard of it.
    let _ = holder.release().await;
    let lease = waiter.await.unwrap().unwrap();
    assert!(token(&lease) > before);
    assert!(
        token(&lease) >> 32 >= first_at_new >> 32,
        "of the new primary's epoch"
    );
}

/// One enters after the failover, while one who waited before it is still in front.
#[tokio::test]
async fn grants_in_a_line_grow_across_a_failover() {
    let pair = Pair::start().await;
    let proxy = Proxy::before(&pair.primary);
    let coord = coordinator(&proxy.url()).await;
    let holder = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let first = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").ttl(LONG).acquire().await }
    });
    crate::setup::until_line(&coord, "a", 1, 1).await;
    pair.part().await;
    pair.replica.promote().await;
    pair.primary.kill();
    proxy.redirect(pair.replica.addr());
    proxy.cut();
    let fresh = coordinator(&pair.replica.url()).await;
    let second = tokio::spawn({
        let fresh = fresh.clone();
        async move { fresh.lock("a").ttl(LONG).acquire().await }
    });
    crate::setup::until_line(&fresh, "a", 1, 2).await;
    holder.release().await.unwrap();
    let first = first.await.unwrap().unwrap();
    let before = token(&first);
    first.release().await.unwrap();
    let second = second.await.unwrap().unwrap();
    assert!(token(&second) > before);
}

/// A counter that begins with the time, as is often done to survive the loss of data.
const SEEDED_BY_TIME: &str = "\
    if redis.call('EXISTS', KEYS[1]) == 0 then \
      local time = redis.call('TIME') \
      redis.call('SET', KEYS[1], string.format('%.0f', time[1] * 1000000 + time[2])) \
    end \
    return redis.call('INCR', KEYS[1])";

/// The same as above with that counter: a client of the old primary is granted what ranks above.
#[tokio::test]
async fn a_counter_seeded_by_time_alone_would_not_do() {
    async fn next(server: &RedisServer) -> i64 {
        server
            .cli(&["EVAL", SEEDED_BY_TIME, "1", "counter"])
            .await
            .int()
    }
    let pair = Pair::start().await;
    let before = next(&pair.primary).await;
    pair.part().await;
    pair.replica.promote().await;
    let granted_by_new = next(&pair.replica).await;
    assert!(granted_by_new > before);
    let mut granted_by_old = 0;
    for _ in 0..3 {
        granted_by_old = next(&pair.primary).await;
    }
    assert!(
        granted_by_old > granted_by_new,
        "a late write is accepted: this is the violation"
    );

    // It does survive a loss of data, which is why it is used.
    pair.primary.cli(&["FLUSHALL"]).await;
    assert!(next(&pair.primary).await > granted_by_old);
}

/// Nor would the time itself: the old primary's clock goes on.
#[tokio::test]
async fn the_time_as_the_token_would_not_do() {
    async fn next(server: &RedisServer) -> i64 {
        let time = server.cli(&["TIME"]).await;
        time.array()[0].int() * 1_000_000 + time.array()[1].int()
    }
    let pair = Pair::start().await;
    pair.part().await;
    pair.replica.promote().await;
    let granted_by_new = next(&pair.replica).await;
    assert!(
        next(&pair.primary).await > granted_by_new,
        "a late write is accepted: this is the violation"
    );
}
