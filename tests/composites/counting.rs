//! How many requests follow each other in an operation of a composite, over stores that are one away.
//!
//! Each request takes a second of tokio's clock, which goes on by itself, so seconds count them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coord::store::{
    Acquired, Append, AppendRequest, Capabilities, Condition, Contender, DeleteRequest, Entry,
    Fallback, LeaseId, LeaseRequest, ListRequest, MemoryStore, Mirror, Page, Put, PutRequest,
    Quorum, Renewal, Renewed, Result, RoundTrips, Routed, Store, Watch, Watched,
};
use tokio::time::Instant;

use crate::{LONG, acquired, put, set};

const TRIP: Duration = Duration::from_secs(1);
/// Longer than all that is counted.
const LIMIT: Duration = Duration::from_secs(60);

/// A store of which each request takes a second.
#[derive(Clone, Default)]
struct Far(Arc<MemoryStore>);

macro_rules! one_trip {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        tokio::time::sleep(TRIP).await;
        $self.0.$method($($argument),*).await
    }};
}

#[async_trait]
impl Store for Far {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        one_trip!(self.get_record(key))
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        one_trip!(self.put_record(request))
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        one_trip!(self.delete_record(request))
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        one_trip!(self.list_records(request))
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        one_trip!(self.acquire_lease(request))
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        one_trip!(self.renew_leases(renewals))
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        one_trip!(self.release_lease(lease))
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        one_trip!(self.inspect_lease(resource))
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        one_trip!(self.append_log(request))
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        one_trip!(self.read_log(log, from, limit))
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        one_trip!(self.expire_log(log, ttl))
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        one_trip!(self.watch(watched))
    }

    fn capabilities(&self) -> Capabilities {
        let of_memory = self.0.capabilities().with_scans(false);
        of_memory.with_round_trips(RoundTrips::each(1))
    }
}

async fn trips<T>(operation: impl Future<Output = T>) -> u8 {
    let begun = Instant::now();
    operation.await;
    u8::try_from(begun.elapsed().as_secs()).expect("not that many")
}

async fn count(store: impl Store) -> RoundTrips {
    set(&store, "used before", "").await;
    let lease = LeaseRequest::exclusive("lease", LONG).queue(LONG / 2);
    let first = AppendRequest::new("log", 0, "first");
    store.append_log(&first).await.expect("a new log");
    RoundTrips {
        acquire: trips(acquired(&store, &lease)).await,
        release: trips(store.release_lease(&lease.lease)).await,
        put: trips(put(
            &store,
            &PutRequest::new("a", "").when(Condition::Absent),
        ))
        .await,
        append: trips(store.append_log(&AppendRequest::new("log", 1, "second"))).await,
    }
}

macro_rules! costs_what_it_says {
    ($($name:ident: $store:expr;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            let said = $store.capabilities().round_trips.expect("it is known");
            assert_eq!(count($store).await, said);
        })*
    };
}

costs_what_it_says! {
    a_quorum_costs_what_it_says: Quorum::of([(); 3].map(|()| Far::default())).call_limit(LIMIT);
    a_larger_quorum_costs_the_same: Quorum::of([(); 5].map(|()| Far::default())).call_limit(LIMIT);
    a_fallback_costs_what_it_says:
        Fallback::new(Far::default(), Far::default()).call_limit(LIMIT);
    a_mirror_costs_what_it_says: Mirror::new(Far::default(), Far::default());
    a_route_costs_nothing: Routed::new(Far::default()).route("b", Far::default());
}

#[test]
fn the_cost_of_stores_is_told_however_deep_they_are_made_of_stores() {
    let mut store: Arc<dyn Store> = Arc::new(Far::default());
    for _ in 0..4 {
        let mirror = Mirror::new(Arc::clone(&store), store);
        store = Arc::new(Quorum::of([mirror]));
    }
    let said = store.capabilities().round_trips.expect("it is known");
    assert_eq!(said, RoundTrips::each(u8::MAX));
}
