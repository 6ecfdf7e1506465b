//! The table of what a call does about what the store has, row by row.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coord::store::{
    DeleteRequest, Entry, ListRequest, OperationId, Page, Put, PutRequest, Result as StoreResult,
    Store,
};
use coord::{Coordinator, Error, Outcome, StoreError, StoreErrorKind};
use coord_tests::fleet::{Fleet, LONG, SHORT};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::records::{KEY, Runs, pays, record, stands_in_its_body, stored};

pub(crate) async fn an_absent_key_runs_the_body(fleet: &Fleet) {
    let coord = fleet.process().await;
    assert_eq!(pays(&coord, 7).await.unwrap(), Outcome::Executed(7));
    let stored = stored(fleet, KEY).await.unwrap();
    assert!(
        stored.starts_with('V') && stored.ends_with("\n7"),
        "{stored}"
    );
}

pub(crate) async fn a_finished_key_is_replayed_in_every_process(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    assert_eq!(pays(&one, 7).await.unwrap(), Outcome::Executed(7));
    for coord in [&one, &other] {
        assert_eq!(pays(coord, 8).await.unwrap(), Outcome::Replayed(7));
        let value = coord.idempotency(KEY).run(async || Ok::<u64, Error>(9));
        assert_eq!(value.await.unwrap(), 7);
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Refused;

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Self
    }
}

/// It is told before anything else: nobody waits, nothing is decoded, no body runs.
pub(crate) async fn another_fingerprint_is_a_mismatch_in_every_state(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let first = |key: &str| one.idempotency(key).ttl(LONG).fingerprint(1);
    let mismatch = async |key: &str| {
        let call = other.idempotency(key).fingerprint(2);
        let refused = call.run(async || -> Result<String, Error> { panic!("it ran") });
        let refused = refused.await.unwrap_err();
        assert!(
            matches!(refused, Error::FingerprintMismatch { .. }),
            "{refused:?}"
        );
    };

    let (door, running) = stands_in_its_body(first("running"), 7).await;
    mismatch("running").await;
    door.open();
    running.await.unwrap().unwrap();

    first("value")
        .run(async || Ok::<_, Error>(7))
        .await
        .unwrap();
    mismatch("value").await;

    let error = first("error").remember_errors();
    let error = error.run(async || Err::<u64, _>(Refused)).await;
    assert!(error.is_err());
    mismatch("error").await;

    let large = first("too large").run(async || Ok::<_, Error>("x".repeat(2 << 20)));
    assert!(matches!(large.await, Err(Error::ResultTooLarge { .. })));
    mismatch("too large").await;

    let odd = first("no json")
        .run(async || Ok::<_, Error>(std::collections::HashMap::from([((1, 2), 3)])));
    assert!(matches!(
        odd.await,
        Err(Error::ResultNotSerializable { .. })
    ));
    mismatch("no json").await;
}

/// So that fingerprints can be added to a service while its earlier version still runs.
pub(crate) async fn a_call_without_a_fingerprint_goes_with_every_other(fleet: &Fleet) {
    let coord = fleet.process().await;
    pays(&coord, 7).await.unwrap();
    let with = coord.idempotency(KEY).fingerprint("amount");
    assert_eq!(with.run(async || Ok::<u64, Error>(8)).await.unwrap(), 7);

    let with = coord.idempotency("b").fingerprint("amount");
    with.run(async || Ok::<u64, Error>(9)).await.unwrap();
    let without = coord.idempotency("b").run(async || Ok::<u64, Error>(8));
    assert_eq!(without.await.unwrap(), 9);
}

/// A store that knows a request again by nothing: the reply to the first put is lost, and the one that is sent
/// again meets the record of the first.
struct Forgetful {
    store: Arc<dyn Store>,
    losses: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl Store for Forgetful {
    async fn get_record(&self, key: &str) -> StoreResult<Option<Entry>> {
        self.store.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> StoreResult<Put> {
        let mut request = request.clone();
        request.operation = OperationId::random();
        let answer = self.store.put_record(&request).await?;
        let count = |left: usize| left.checked_sub(1);
        let order = std::sync::atomic::Ordering::SeqCst;
        if self.losses.fetch_update(order, order, count).is_ok() {
            let problem = "the reply is lost";
            return Err(StoreError::new(StoreErrorKind::Unknown, "put", problem));
        }
        Ok(answer)
    }

    async fn delete_record(&self, request: &DeleteRequest) -> StoreResult<bool> {
        self.store.delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> StoreResult<Page> {
        self.store.list_records(request).await
    }
}

/// Also at its end: the finished record that it meets is its own.
pub(crate) async fn a_running_body_of_its_own_goes_on(fleet: &Fleet) {
    let store = Forgetful {
        store: fleet.own_store().await,
        losses: 1.into(),
    };
    let store = Arc::new(store);
    let coord = Coordinator::builder()
        .store(Arc::clone(&store))
        .namespace(fleet.namespace())
        .build();
    let runs = Runs::default();
    let call = coord.idempotency(KEY).reject().outcome(async || {
        store.losses.store(1, std::sync::atomic::Ordering::SeqCst);
        Ok::<_, Error>(runs.begin())
    });
    assert_eq!(call.await.unwrap(), Outcome::Executed(1));
    let again = coord
        .idempotency(KEY)
        .outcome(async || Ok::<_, Error>(runs.begin()));
    assert_eq!(again.await.unwrap(), Outcome::Replayed(1));
}

pub(crate) async fn a_running_body_is_waited_for(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let (door, first) = stands_in_its_body(one.idempotency(KEY), 7).await;
    let mut waiters = JoinSet::new();
    for coord in [&one, &other, &other] {
        let coord = coord.clone();
        waiters.spawn(async move { pays(&coord, 8).await });
    }
    tokio::task::yield_now().await;
    door.open();
    assert_eq!(first.await.unwrap().unwrap(), Outcome::Executed(7));
    while let Some(waiter) = waiters.join_next().await {
        assert_eq!(waiter.unwrap().unwrap(), Outcome::Replayed(7));
    }
}

pub(crate) async fn a_running_body_is_rejected_with_the_rest_of_its_lease(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let call = one.idempotency(KEY).ttl(LONG * 2).lease(LONG);
    let (door, first) = stands_in_its_body(call, 7).await;
    for call in [
        other.idempotency(KEY).reject(),
        other.idempotency(KEY).wait(Duration::ZERO),
    ] {
        let refused = call.run(async || Ok::<u64, Error>(8)).await.unwrap_err();
        let Error::InProgress { retry_after, .. } = refused else {
            panic!("{refused:?}");
        };
        assert!(
            retry_after <= LONG && retry_after > LONG / 2,
            "{retry_after:?}"
        );
    }
    door.open();
    first.await.unwrap().unwrap();
}

pub(crate) async fn a_wait_that_runs_out_says_that_another_is_running(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let (door, first) = stands_in_its_body(one.idempotency(KEY).lease(LONG), 7).await;
    let impatient = other.idempotency(KEY).wait(Duration::from_millis(50));
    let refused = impatient
        .run(async || Ok::<u64, Error>(8))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::InProgress { .. }), "{refused:?}");
    assert!(refused.is_retryable());
    door.open();
    assert_eq!(first.await.unwrap().unwrap(), Outcome::Executed(7));
}

pub(crate) async fn a_released_record_is_taken_by_a_waiter(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let (_door, first) = stands_in_its_body(one.idempotency(KEY).lease(LONG), 7).await;
    let waiter = tokio::spawn(async move { pays(&other, 8).await });
    tokio::task::yield_now().await;
    first.abort();
    assert_eq!(waiter.await.unwrap().unwrap(), Outcome::Executed(8));
}

pub(crate) async fn a_lapsed_record_is_absent(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (_, dead) = fleet.faulty().await;
    let running = stands_in_its_body(dead.idempotency(KEY).lease(SHORT), 7).await;
    let value = fleet.store().get_record(&record(fleet, KEY)).await.unwrap();
    // As the process that ran it would leave it if it died.
    running.1.abort();
    crate::records::until_not_running(fleet, KEY).await;
    let put = PutRequest::new(record(fleet, KEY), value.unwrap().value).ttl(SHORT);
    fleet.store().put_record(&put).await.unwrap();

    let refused = coord.idempotency(KEY).reject();
    let refused = refused.run(async || Ok::<u64, Error>(8)).await;
    assert!(
        matches!(refused, Err(Error::InProgress { .. })),
        "{refused:?}"
    );
    fleet.let_pass(SHORT).await;
    let call = coord.idempotency(KEY).reject();
    assert_eq!(call.run(async || Ok::<u64, Error>(8)).await.unwrap(), 8);
}

pub(crate) async fn a_result_is_kept_for_its_ttl_and_no_longer(fleet: &Fleet) {
    let coord = fleet.process().await;
    let pay = async |value: u64| {
        let call = coord.idempotency(KEY).ttl(SHORT).lease(SHORT);
        call.outcome(async || Ok::<_, Error>(value)).await.unwrap()
    };
    assert_eq!(pay(7).await, Outcome::Executed(7));
    assert_eq!(pay(8).await, Outcome::Replayed(7));
    fleet.let_pass(SHORT).await;
    assert_eq!(pay(9).await, Outcome::Executed(9));
}

pub(crate) async fn many_callers_run_the_body_once(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let runs = Runs::default();
    let mut calls = JoinSet::new();
    for caller in 0..100 {
        let coord = if caller % 2 == 0 {
            one.clone()
        } else {
            other.clone()
        };
        let runs = runs.clone();
        calls.spawn(async move {
            let call = coord.idempotency(KEY).run(async || {
                runs.begin();
                tokio::task::yield_now().await;
                Ok::<_, Error>(caller)
            });
            call.await.unwrap()
        });
    }
    let mut values = Vec::new();
    while let Some(value) = calls.join_next().await {
        values.push(value.unwrap());
    }
    assert_eq!(runs.count(), 1);
    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
}

pub(crate) async fn keys_and_namespaces_do_not_touch_each_other(fleet: &Fleet) {
    let coord = fleet.process().await;
    let elsewhere = fleet.process_in(&format!("{}-b", fleet.namespace())).await;
    pays(&coord, 7).await.unwrap();
    assert_eq!(pays(&elsewhere, 8).await.unwrap(), Outcome::Executed(8));
    let other = coord
        .idempotency("payment:2")
        .run(async || Ok::<u64, Error>(9));
    assert_eq!(other.await.unwrap(), 9);
    let lease = coord.lock(KEY).try_acquire().await.unwrap();
    assert!(lease.is_some(), "a lock is something else");
}
