//! What several subjects need: bodies that count and stop, and a look at the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coord::idempotency::IdempotencyBuilder;
use coord::{Coordinator, Error, Outcome};
use coord_tests::fleet::Fleet;
use coord_tests::until;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The key that tests use which need only one.
pub(crate) const KEY: &str = "payment:1";

/// Counts how often a body began.
#[derive(Clone, Default)]
pub(crate) struct Runs(Arc<AtomicUsize>);

impl Runs {
    pub(crate) fn begin(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A body that tells that it has begun, and goes on when it is told to.
#[derive(Clone, Default)]
pub(crate) struct Door {
    reached: Arc<Notify>,
    opened: Arc<Notify>,
}

impl Door {
    pub(crate) async fn pass(&self) {
        self.reached.notify_one();
        self.opened.notified().await;
    }

    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) fn open(&self) {
        self.opened.notify_one();
    }
}

/// Starts a call whose body stops at a door and then returns `value`; returns when it stands there.
pub(crate) async fn stands_in_its_body(
    call: IdempotencyBuilder,
    value: u64,
) -> (Door, JoinHandle<Result<Outcome<u64>, Error>>) {
    let door = Door::default();
    let inside = door.clone();
    let call = tokio::spawn(async move {
        call.outcome(async || {
            inside.pass().await;
            Ok(value)
        })
        .await
    });
    door.reached().await;
    (door, call)
}

/// Makes the call with a body that returns `value` at once.
pub(crate) async fn pays(coord: &Coordinator, value: u64) -> Result<Outcome<u64>, Error> {
    coord
        .idempotency(KEY)
        .outcome(async || Ok::<_, Error>(value))
        .await
}

/// The name of the record of `key`.
pub(crate) fn record(fleet: &Fleet, key: &str) -> String {
    format!("{}/idempotency/{key}", fleet.namespace())
}

/// The record of `key`, as text.
pub(crate) async fn stored(fleet: &Fleet, key: &str) -> Option<String> {
    let entry = fleet.store().get_record(&record(fleet, key)).await;
    entry
        .expect("the store answers")
        .map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}

/// Waits until the record of `key` is not a running one, and tells whether there is one.
pub(crate) async fn until_not_running(fleet: &Fleet, key: &str) -> bool {
    until("nothing to run", async || {
        let record = stored(fleet, key).await;
        let runs = record
            .as_ref()
            .is_some_and(|record| record.starts_with('R'));
        (!runs).then_some(record.is_some())
    })
    .await
}
