//! `#[idempotent]` does what it says, on functions of every shape.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use coord::{Coordinator, Error, idempotent, locked};
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};

use crate::records::{Door, Runs, stored};

#[idempotent("payment:<order>", ttl = "1h")]
async fn pay(runs: &Runs, order: u64) -> Result<(u64, usize), Error> {
    Ok((order, runs.begin()))
}

pub(crate) async fn functions_run_once_for_each_key(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let runs = Runs::default();
    for coord in [&one, &other, &one] {
        assert_eq!(coord.scope(pay(&runs, 1)).await.unwrap(), (1, 1));
    }
    assert_eq!(one.scope(pay(&runs, 2)).await.unwrap(), (2, 2));
    assert!(stored(fleet, "payment:1").await.is_some());
}

#[idempotent("payment:<order>")]
fn opaque(runs: &Runs, order: u64) -> impl Future<Output = Result<usize, Error>> + Send {
    let order = usize::try_from(order).unwrap_or(0);
    async move { Ok(order + runs.begin()) }
}

#[idempotent("boxed:<order>", context = ctx)]
fn boxed(
    runs: &Runs,
    order: u64,
) -> Pin<Box<dyn Future<Output = Result<usize, Error>> + Send + '_>> {
    let _ = order;
    Box::pin(async move { Ok(usize::try_from(ctx.attempt()).unwrap_or(0) + runs.begin()) })
}

pub(crate) async fn functions_that_return_futures_run_once(fleet: &Fleet) {
    let coord = fleet.process().await;
    let runs = Runs::default();
    for _ in 0..2 {
        assert_eq!(coord.scope(opaque(&runs, 10)).await.unwrap(), 11);
    }
    for _ in 0..2 {
        assert_eq!(coord.scope(boxed(&runs, 10)).await.unwrap(), 3);
    }
}

struct Service {
    coord: Coordinator,
    tenant: String,
    runs: Runs,
}

#[async_trait::async_trait]
trait Importer {
    async fn import(&self, id: u64) -> Result<usize, Error>;
}

impl Service {
    #[idempotent("tenant:<self.tenant>:<order>", coord = self.coord)]
    async fn pay(&self, order: u64) -> Result<usize, Error> {
        let _ = order;
        Ok(self.runs.begin())
    }
}

#[async_trait::async_trait]
impl Importer for Service {
    #[idempotent("import:<self.tenant>:<id>", coord = self.coord)]
    async fn import(&self, id: u64) -> Result<usize, Error> {
        let _ = id;
        Ok(self.runs.begin())
    }
}

pub(crate) async fn methods_run_once_for_each_key(fleet: &Fleet) {
    let service = |coord, tenant: &str| Service {
        coord,
        tenant: tenant.to_owned(),
        runs: Runs::default(),
    };
    let (one, other) = fleet.two().await;
    let (a, b) = (service(one, "a"), service(other, "b"));
    assert_eq!(a.pay(7).await.unwrap(), 1);
    assert_eq!(a.pay(7).await.unwrap(), 1);
    assert_eq!(a.import(7).await.unwrap(), 2);
    assert_eq!(a.import(7).await.unwrap(), 2);
    assert_eq!(b.pay(7).await.unwrap(), 1);
}

pub(crate) async fn without_a_coordinator_a_call_says_what_to_do(_: &Fleet) {
    let refused = pay(&Runs::default(), 1).await;
    assert!(matches!(refused, Err(Error::NotInstalled)), "{refused:?}");
}

#[idempotent("customer:<name>")]
async fn greet(name: &str) -> Result<String, Error> {
    Ok(name.to_owned())
}

pub(crate) async fn a_key_that_cannot_be_used_is_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    for name in [String::new(), "n".repeat(513)] {
        let error = coord.scope(greet(&name)).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidKey {
                    template: "customer:<name>",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[idempotent("import:<id>", lease = "2m")]
async fn import(door: &Door, id: u64) -> Result<u64, Error> {
    door.pass().await;
    Ok(id)
}

#[idempotent("import:<id>", in_progress = "reject")]
async fn import_or_not(id: u64) -> Result<u64, Error> {
    Ok(id + 100)
}

#[idempotent("import:<id>", in_progress = "wait", wait = "20ms")]
async fn import_soon(id: u64) -> Result<u64, Error> {
    Ok(id + 200)
}

#[idempotent("import:<id>")]
async fn import_in_the_end(id: u64) -> Result<u64, Error> {
    Ok(id + 300)
}

pub(crate) async fn in_progress_says_whether_to_wait(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let door = Door::default();
    let inside = door.clone();
    let first = tokio::spawn(async move { one.scope(import(&inside, 7)).await });
    door.reached().await;
    for refused in [
        other.scope(import_or_not(7)).await,
        other.scope(import_soon(7)).await,
    ] {
        assert!(
            matches!(
                refused,
                Err(Error::InProgress {
                    template: "import:<id>",
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    let waits = tokio::spawn(async move { other.scope(import_in_the_end(7)).await });
    tokio::task::yield_now().await;
    door.open();
    assert_eq!(first.await.unwrap().unwrap(), 7);
    assert_eq!(waits.await.unwrap().unwrap(), 7);
}

#[idempotent("payment:<order>", fingerprint(amount, currency))]
async fn transfer(order: u64, amount: u64, currency: &str, note: &str) -> Result<String, Error> {
    Ok(format!("{order} {amount} {currency} {note}"))
}

pub(crate) async fn fingerprints_compare_the_arguments_that_they_name(fleet: &Fleet) {
    let coord = fleet.process().await;
    let first = coord.scope(transfer(1, 10, "EUR", "a")).await.unwrap();
    let again = coord.scope(transfer(1, 10, "EUR", "b")).await.unwrap();
    assert_eq!(first, again);
    for (amount, currency) in [(11, "EUR"), (10, "USD")] {
        let other = coord.scope(transfer(1, amount, currency, "a")).await;
        assert!(
            matches!(other, Err(Error::FingerprintMismatch { .. })),
            "{other:?}"
        );
    }
}

#[derive(Clone, Serialize)]
struct Order {
    id: u64,
    lines: Vec<u64>,
}

#[idempotent("order:<order.id>:<customer>", fingerprint)]
async fn place(order: Order, customer: &str, total: u64) -> Result<u64, Error> {
    let _ = customer;
    Ok(order.lines.iter().sum::<u64>() + total)
}

/// An argument of which only a field is in the key is compared as a whole.
pub(crate) async fn a_fingerprint_of_all_arguments_leaves_out_the_key(fleet: &Fleet) {
    let coord = fleet.process().await;
    let order = |lines: &[u64]| Order {
        id: 7,
        lines: lines.to_vec(),
    };
    assert_eq!(coord.scope(place(order(&[1, 2]), "a", 3)).await.unwrap(), 6);
    assert_eq!(coord.scope(place(order(&[1, 2]), "a", 3)).await.unwrap(), 6);
    assert_eq!(coord.scope(place(order(&[5]), "b", 3)).await.unwrap(), 8);
    for other in [
        coord.scope(place(order(&[1]), "a", 3)).await,
        coord.scope(place(order(&[1, 2]), "a", 4)).await,
    ] {
        assert!(
            matches!(other, Err(Error::FingerprintMismatch { .. })),
            "{other:?}"
        );
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum HookError {
    Refused(u64),
    #[serde(skip)]
    Coordination,
}

impl From<Error> for HookError {
    fn from(_: Error) -> Self {
        Self::Coordination
    }
}

#[idempotent("hook:<id>", ttl = "7d", remember_errors)]
async fn hook(id: u64, calls: &AtomicU64) -> Result<u64, HookError> {
    let _ = id;
    Err(HookError::Refused(calls.fetch_add(1, Ordering::SeqCst)))
}

pub(crate) async fn errors_are_remembered_when_asked_to(fleet: &Fleet) {
    let coord = fleet.process().await;
    let calls = AtomicU64::new(0);
    for _ in 0..2 {
        let failed = coord.scope(hook(7, &calls)).await;
        assert_eq!(failed, Err(HookError::Refused(0)));
    }
}

#[idempotent("hook:<id>", ttl = "7d", remember_errors)]
#[locked("account:<account>", wait = "0s")]
async fn book(id: u64, account: u64, calls: &AtomicU64) -> Result<u64, BookError> {
    let call = calls.fetch_add(1, Ordering::SeqCst);
    if id == 0 {
        return Err(BookError::Refused(call));
    }
    Ok(call)
}

/// Which stores its errors of ours as well, should they be the body's.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum BookError {
    Refused(u64),
    Coordination(String),
}

impl From<Error> for BookError {
    fn from(error: Error) -> Self {
        Self::Coordination(error.to_string())
    }
}

/// The body has not run, so there is nothing to remember.
pub(crate) async fn an_error_of_a_lock_inside_is_not_remembered(fleet: &Fleet) {
    let (coord, other) = fleet.two().await;
    let calls = AtomicU64::new(0);
    let busy = other.lock("account:9").acquire().await.unwrap();
    let refused = coord.scope(book(7, 9, &calls)).await;
    assert!(
        matches!(refused, Err(BookError::Coordination(_))),
        "{refused:?}"
    );
    busy.release().await.unwrap();
    for _ in 0..2 {
        assert_eq!(coord.scope(book(7, 9, &calls)).await, Ok(0));
    }
    for _ in 0..2 {
        let failed = coord.scope(book(0, 9, &calls)).await;
        assert_eq!(failed, Err(BookError::Refused(1)), "its own errors are");
    }
}

#[idempotent("charge:<order>", context = ctx)]
async fn charge(order: u64) -> Result<(u32, u64, String), Error> {
    let _ = order;
    Ok((
        ctx.attempt(),
        ctx.token().into(),
        ctx.downstream_key("charge"),
    ))
}

pub(crate) async fn the_context_is_that_of_the_call(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (attempt, token, key) = coord.scope(charge(7)).await.unwrap();
    assert_eq!((attempt, key.len()), (1, 32));
    assert!(token > 0);
    assert_ne!(coord.scope(charge(8)).await.unwrap().2, key);
}

#[idempotent("a:<id>")]
#[coord::locked("a:<id>")]
async fn idempotent_outside(fleet: &Fleet, id: u64) -> Result<(bool, bool), Error> {
    looks(fleet, id).await
}

#[coord::locked("a:<id>", wait = "0s")]
#[idempotent("a:<id>")]
async fn locked_outside(fleet: &Fleet, id: u64) -> Result<(bool, bool), Error> {
    looks(fleet, id).await
}

/// Whether the record and the lock are there.
async fn looks(fleet: &Fleet, id: u64) -> Result<(bool, bool), Error> {
    let key = format!("a:{id}");
    let held = fleet.line("lock", &key).counts().await.0 == 1;
    Ok((stored(fleet, &key).await.is_some(), held))
}

pub(crate) async fn stacked_attributes_run_in_the_order_written(fleet: &Fleet) {
    let coord = fleet.process().await;
    for id in [1, 2] {
        let inside = if id == 1 {
            Box::pin(coord.scope(idempotent_outside(fleet, id))).await
        } else {
            Box::pin(coord.scope(locked_outside(fleet, id))).await
        };
        assert_eq!(inside.unwrap(), (true, true));
    }
    // A replay asks for the lock only if that is the outer one.
    let _holds = coord.lock_all(["a:1", "a:2"]).acquire().await.unwrap();
    let replayed = Box::pin(coord.scope(idempotent_outside(fleet, 1))).await;
    assert_eq!(replayed.unwrap(), (true, true));
    let refused = Box::pin(coord.scope(locked_outside(fleet, 2))).await;
    assert!(
        matches!(refused, Err(Error::LockTimeout { .. })),
        "{refused:?}"
    );
}

pub(crate) async fn a_call_that_is_not_polled_runs_nothing(fleet: &Fleet) {
    let coord = fleet.process().await;
    let runs = Runs::default();
    drop(coord.scope(pay(&runs, 1)));
    drop(coord.scope(boxed(&runs, 1)));
    assert_eq!(runs.count(), 0);
    assert!(stored(fleet, "payment:1").await.is_none());
}
