//! Leases over records: what a line must not lose while nobody rewrites it, and what two who look at it at once write.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coord::store::{
    Acquired, AppendRequest, DeleteRequest, Entry, LeaseRequest, ListRequest, MemoryStore, Page,
    Put, PutRequest, Quorum, Result, Store,
};
use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord::{Coordinator, StoreErrorKind};

use crate::four_methods::FourMethods;
use crate::quorum_of;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The stores whose leases are records, and the reference.
fn stores() -> [Arc<dyn Store>; 3] {
    [
        Arc::new(FourMethods::default()),
        Arc::new(quorum_of(3)),
        Arc::new(MemoryStore::new()),
    ]
}

/// Two processes.
fn two(store: &Arc<dyn Store>) -> (Coordinator, Coordinator) {
    let one = || Coordinator::builder().store(Arc::clone(store)).build();
    (one(), one())
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_renewed_for_weeks_stays_held() {
    for store in stores() {
        let (one, other) = two(&store);
        let lease = one.lock("a").ttl(DAY / 8).acquire().await.unwrap();
        for day in 1..=16 {
            tokio::time::sleep(DAY).await;
            let second = other.lock("a").try_acquire().await.unwrap();
            assert!(second.is_none(), "{} on day {day}", store.name());
            assert!(lease.is_held(), "{} on day {day}", store.name());
        }
        lease.release().await.unwrap();
        drop(other.lock("a").acquire().await.unwrap());
    }
}

/// Its first renewal comes later than the line would end by itself.
#[tokio::test(start_paused = true)]
async fn a_lock_with_a_long_ttl_stays_held_between_renewals() {
    for store in stores() {
        let (one, other) = two(&store);
        let lease = one.lock("a").ttl(DAY * 60).acquire().await.unwrap();
        for week in 1..=5 {
            tokio::time::sleep(WEEK).await;
            let second = other.lock("a").try_acquire().await.unwrap();
            assert!(second.is_none(), "{} in week {week}", store.name());
        }
        assert!(lease.is_held(), "{}", store.name());
    }
}

/// Others enter and leave the line meanwhile, who last for a short time only.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_kept_for_long_is_kept_in_spite_of_others() {
    for store in stores() {
        let (one, other) = two(&store);
        let lease = one.lock("a").at_least(DAY * 30).acquire().await.unwrap();
        lease.release().await.unwrap();
        for day in 1..30 {
            let waited = other.lock("a").wait(MINUTE).acquire().await;
            assert!(waited.is_err(), "{} on day {day}", store.name());
            tokio::time::sleep(DAY).await;
        }
        tokio::time::sleep(DAY).await;
        let after = other.lock("a").try_acquire().await.unwrap();
        assert!(after.is_some(), "{}", store.name());
    }
}

/// Of a store that has more, the four methods.
struct FourOf(FaultStore);

#[async_trait]
impl Store for FourOf {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        self.0.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        self.0.put_record(request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        self.0.delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        self.0.list_records(request).await
    }
}

/// The second has seen the first dead, and writes only after the first has asked again.
#[tokio::test(start_paused = true)]
async fn one_that_comes_back_from_the_dead_does_not_hold_beside_its_successor() {
    let ttl = Duration::from_secs(1);
    let faults = FaultStore::new(MemoryStore::new());
    let store = Arc::new(FourOf(faults.clone()));
    let first = LeaseRequest::exclusive("a", ttl);
    store.acquire_lease(&first).await.unwrap();
    tokio::time::sleep(ttl + ttl).await;

    let held = faults.hold(Rule::on(Operation::Put).key_containing("a\0line"));
    let second = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let request = LeaseRequest::exclusive("a", DAY);
            store.acquire_lease(&request).await
        }
    });
    held.reached().await;
    let first = store.acquire_lease(&first).await.unwrap();
    held.release();
    let granted = [first, second.await.unwrap().unwrap()].map(|answer| match answer {
        Acquired::Granted(_) => 1,
        _ => 0,
    });
    assert_eq!(granted.iter().sum::<i32>(), 1);
    assert_eq!(store.inspect_lease("a").await.unwrap().len(), 1);
}

/// One is in line, another has left it, and a part of a log is to end, when what comes after that fails.
#[tokio::test(start_paused = true)]
async fn what_is_done_in_part_is_not_said_to_be_surely_not_done() {
    let faults = FaultStore::new(MemoryStore::new());
    let store = FourOf(faults.clone());
    let holder = LeaseRequest::exclusive("a", DAY);
    store.acquire_lease(&holder).await.unwrap();

    // Its presence comes first, then the line, and then its presence again.
    faults.inject(Rule::on(Operation::Put).skipping(2), Fault::BeforeSend);
    let waiter = LeaseRequest::exclusive("a", DAY).queue(MINUTE);
    let error = store.acquire_lease(&waiter).await.unwrap_err();
    faults.heal();
    assert_eq!(store.inspect_lease("a").await.unwrap().len(), 2);
    assert_eq!(error.kind(), StoreErrorKind::Unknown);

    let line = Rule::on(Operation::Get).key_containing("a\0line");
    faults.inject(line, Fault::BeforeSend);
    let error = store.release_lease(&holder.lease).await.unwrap_err();
    faults.heal();
    assert_eq!(store.inspect_lease("a").await.unwrap().len(), 1);
    assert_eq!(error.kind(), StoreErrorKind::Unknown);

    for len in 0..2 {
        let append = AppendRequest::new("log", len, "entry");
        store.append_log(&append).await.unwrap();
    }
    faults.inject(Rule::on(Operation::Put).skipping(1), Fault::BeforeSend);
    let error = store.expire_log("log", MINUTE).await.unwrap_err();
    faults.heal();
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
}

/// They read the line while others are about to write it, and write it themselves.
#[tokio::test(start_paused = true)]
async fn a_line_is_kept_no_longer_for_all_who_come_and_go() {
    let stores: Vec<_> = (0..3).map(|_| Arc::new(MemoryStore::new())).collect();
    let slow = |seed: u64| {
        let links = stores.iter().zip(seed..).map(|(store, seed)| {
            let link = FaultStore::new(Arc::clone(store));
            for one_in in 1..6 {
                let delay = Fault::Delay(Duration::from_millis(u64::from(one_in)));
                link.inject(Rule::on_everything().one_in(one_in + 1, seed), delay);
            }
            link
        });
        Quorum::of(links)
    };
    let contenders: tokio::task::JoinSet<()> = (0..6)
        .map(|seed| {
            let coord = Coordinator::builder().store(slow(seed)).build();
            async move {
                for _ in 0..30 {
                    let lease = coord.lock("a").acquire().await.unwrap();
                    lease.release().await.unwrap();
                }
            }
        })
        .collect();
    contenders.join_all().await;
    let line = slow(0).get_record("coord/lock/a\0line").await.unwrap();
    let kept = line.and_then(|line| line.expires_in).unwrap();
    assert!(kept < WEEK + DAY, "{} hours", kept.as_secs() / 3_600);
}
