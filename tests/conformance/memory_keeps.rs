//! What memory keeps of what is over, and nobody asks for any more.

use std::time::Duration;

use coord::store::{LeaseRequest, MemoryStore, ScanRequest, Scanned, Store};

const TTL: Duration = Duration::from_secs(1);
const EACH: usize = 1_000;

#[tokio::test(start_paused = true)]
async fn leases_that_have_expired_do_not_pile_up() {
    let store = MemoryStore::new();
    for round in 0..20 {
        for number in 0..EACH {
            let lease = LeaseRequest::exclusive(format!("{round}/{number}"), TTL);
            store.acquire_lease(&lease).await.unwrap();
        }
        tokio::time::sleep(TTL * 2).await;
    }
    let kept = store.scan(&ScanRequest::new(Scanned::Leases, "")).await;
    let kept = kept.unwrap().names.len();
    assert!(kept < 5 * EACH, "{kept} are left");
}
