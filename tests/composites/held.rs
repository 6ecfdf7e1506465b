//! A lock that is held on a quorum while its stores come and go.

use std::time::Duration;

use coord::store::Quorum;
use coord::{Coordinator, Lease};

use crate::quorum_of;

async fn held(quorum: Quorum) -> Lease {
    let coord = Coordinator::builder().store(quorum).build();
    let lease = coord.lock("a").ttl(Duration::from_secs(6)).acquire().await;
    lease.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_keeps_its_lock_while_stores_come_and_go() {
    let (quorum, servers) = quorum_of(5);
    let lease = held(quorum).await;
    for round in 0..10 {
        let (one, other) = (&servers[round % 5], &servers[(round + 1) % 5]);
        one.goes_down();
        other.hangs();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(lease.is_held(), "in round {round}");
        one.comes_back();
        other.comes_back();
    }
    lease.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_loses_its_lock_when_a_majority_stays_away() {
    let (quorum, servers) = quorum_of(5);
    let lease = held(quorum).await;
    for server in &servers[..3] {
        server.goes_down();
    }
    lease.lost().await;
    assert!(!lease.is_held());
}
