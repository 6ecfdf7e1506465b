//! The contract of [`Store`], as cases that any store can be put through.
//!
//! Every case is named after the hazard that it guards against, works under keys that no other case uses
//! (so all can share one server), and asserts what the store answers, never how long it took. Nothing that a
//! case gives a long ttl expires while it runs; what it gives a short one is awaited by looking again.
//!
//! The cases are listed once, in `list.rs`.

mod cancellation;
mod concurrency_leases;
mod concurrency_records;
mod expiry_leases;
mod expiry_records;
mod fixture;
mod history;
mod leases_exclusive;
mod leases_shared;
mod limits;
mod line;
mod list;
mod listing;
mod logs;
mod prelude;
mod puts_after;
mod records;
mod replays_leases;
mod replays_logs;
mod replays_records;
mod scans;
mod tokens;
mod wake_ups;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use self::fixture::Fixture;
use crate::store::{IntoStore, Result, Store};

/// A case that takes longer hangs. It is less than the time after which the first long ttl would expire.
const LONGEST_CASE: Duration = Duration::from_secs(120);

struct Case {
    name: &'static str,
    run: for<'f, 'm> fn(&'f Fixture<'m>) -> LocalBoxFuture<'f, Result<()>>,
}

/// The list of cases as a constant.
macro_rules! table {
    ($($subject:ident { $($case:ident)* })*) => {
        const CASES: &[Case] = &[$($(
            Case {
                name: concat!(stringify!($subject), "::", stringify!($case)),
                run: |fixture| Box::pin($subject::$case(fixture)),
            },
        )*)*];
    };
}
crate::__store_conformance_cases!(table);

/// Puts a store through every case of the contract, and prints the name of each with its outcome.
///
/// `make` makes a store, or connects to one; it is called at least once per case. The stores may share one
/// server, even with other users: each case works under a random prefix. On a store whose time is tokio's,
/// pausing the clock makes the run quick.
///
/// [`store_conformance_tests!`](crate::store_conformance_tests) makes one test of each case instead, which
/// is what a backend's own tests want.
///
/// # Panics
///
/// If any case failed, after all have run, with the names of those that did and what went wrong.
///
/// # Examples
///
/// ```no_run
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use coord::store::MemoryStore;
///
/// coord::testing::store_conformance(|| async { MemoryStore::new() }).await;
/// # });
/// ```
pub async fn store_conformance<F, Fut, S>(make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
    S: IntoStore,
{
    let mut failures = Vec::new();
    for case in CASES {
        match outcome(case, &make).await {
            Ok(()) => println!("{} ... ok", case.name),
            Err(problem) => {
                println!("{} ... FAILED", case.name);
                failures.push(format!("{}: {problem}", case.name));
            }
        }
    }
    let (failed, all) = (failures.len(), CASES.len());
    assert!(
        failures.is_empty(),
        "{failed} of {all} conformance cases failed:\n{}",
        failures.join("\n")
    );
}

/// Puts a store through one case: what the tests that
/// [`store_conformance_tests!`](crate::store_conformance_tests) makes call.
///
/// # Panics
///
/// If the case failed, or there is none of that name.
#[doc(hidden)]
pub async fn store_conformance_case<F, Fut, S>(name: &str, make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
    S: IntoStore,
{
    let case = CASES.iter().find(|case| case.name == name);
    let outcome = match case {
        Some(case) => outcome(case, &make).await,
        None => Err("there is no such case".to_owned()),
    };
    if let Err(problem) = outcome {
        panic!("{name}: {problem}");
    }
}

async fn outcome<F, Fut, S>(case: &Case, make: &F) -> std::result::Result<(), String>
where
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
    S: IntoStore,
{
    let make =
        || -> LocalBoxFuture<'_, Arc<dyn Store>> { Box::pin(async { make().await.into_store() }) };
    let run = async {
        let fixture = Fixture::new(&make).await;
        (case.run)(&fixture).await
    };
    match tokio::time::timeout(LONGEST_CASE, AssertUnwindSafe(run).catch_unwind()).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(format!("an operation failed that should not: {error:?}")),
        Ok(Err(panic)) => Err(message(&*panic)),
        Err(_) => Err(format!("it does not end within {LONGEST_CASE:?}")),
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it panicked".to_owned())
}
