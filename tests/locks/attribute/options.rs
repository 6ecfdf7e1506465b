//! Every option of the attribute does what it says.

use std::time::Duration;

use coord::{Coordinator, Error, Lease, locked};
use tokio::sync::Barrier;

use crate::fleet::{Fleet, LONG, SHORT};

/// Tells who is in line, from inside of a body.
async fn counts(fleet: &Fleet, kind: &str, key: &str) -> (usize, usize) {
    fleet.line(kind, key).counts().await
}

#[locked("order:<id>")]
async fn plain(fleet: &Fleet, id: u64) -> Result<(usize, usize), Error> {
    Ok(counts(fleet, "lock", &format!("order:{id}")).await)
}

pub(crate) async fn a_call_holds_the_lock_of_its_key_and_gives_it_back(fleet: &Fleet) {
    let coord = fleet.process().await;
    let inside = coord.scope(plain(fleet, 42)).await.unwrap();
    assert_eq!(inside, (1, 0));
    assert_eq!(counts(fleet, "lock", "order:42").await, (0, 0));
}

pub(crate) async fn without_a_coordinator_a_call_says_what_to_do(fleet: &Fleet) {
    let refused = plain(fleet, 42).await;
    assert!(matches!(refused, Err(Error::NotInstalled)), "{refused:?}");
}

#[locked("order:<id>", wait = wait)]
async fn patient(id: u64, wait: Duration) -> Result<u64, Error> {
    Ok(id)
}

#[locked("order:<id>", wait = "20ms")]
async fn impatient(id: u64) -> Result<u64, Error> {
    Ok(id)
}

pub(crate) async fn wait_says_how_long_to_queue(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let holder = one.lock("order:42").acquire().await.unwrap();
    let timed_out = other.scope(impatient(42)).await;
    let Err(Error::LockTimeout { template, .. }) = timed_out else {
        panic!("{timed_out:?}");
    };
    assert_eq!(template, "order:<id>");
    assert_eq!(other.scope(impatient(43)).await.unwrap(), 43);
    let waits = tokio::spawn(async move { other.scope(patient(42, LONG)).await });
    fleet.line("lock", "order:42").until(1, 1).await;
    holder.release().await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), 42);
}

#[locked("order:<id>", ttl = "300ms", renew = false, lease = lease)]
async fn outlives_its_lease(id: u64) -> Result<(), Error> {
    let _ = id;
    lease.lost().await;
    std::future::pending().await
}

#[locked("order:<id>", ttl = SHORT)]
async fn renewed(fleet: &Fleet, id: u64) -> Result<u64, Error> {
    fleet.let_pass(SHORT * 3).await;
    Ok(id)
}

pub(crate) async fn ttl_and_renew_say_how_long_it_is_held(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lost = coord.scope(outlives_its_lease(42)).await;
    assert!(
        matches!(
            lost,
            Err(Error::LockLost {
                template: "order:<id>"
            })
        ),
        "{lost:?}"
    );
    assert_eq!(coord.scope(renewed(fleet, 42)).await.unwrap(), 42);
}

#[locked("catalog", shared)]
async fn reads(together: &Barrier) -> Result<(), Error> {
    together.wait().await;
    Ok(())
}

#[locked("catalog", exclusive, wait = "0s")]
async fn writes() -> Result<(), Error> {
    Ok(())
}

pub(crate) async fn shared_calls_run_together_and_without_exclusive_ones(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let together = Barrier::new(2);
    let (a, b) = tokio::join!(one.scope(reads(&together)), other.scope(reads(&together)));
    a.and(b).unwrap();
    let reader = one.rw_lock("catalog").read().acquire().await.unwrap();
    assert!(matches!(
        other.scope(writes()).await,
        Err(Error::LockTimeout { .. })
    ));
    reader.release().await.unwrap();
    other.scope(writes()).await.unwrap();
}

#[locked("gateway", permits = 2, wait = "0s")]
async fn charges() -> Result<(), Error> {
    Ok(())
}

pub(crate) async fn permits_say_how_many_run_at_once(fleet: &Fleet) {
    let coord = fleet.process().await;
    let first = coord.semaphore("gateway", 2).acquire().await.unwrap();
    coord.scope(charges()).await.unwrap();
    let second = coord.semaphore("gateway", 2).acquire().await.unwrap();
    assert!(matches!(
        coord.scope(charges()).await,
        Err(Error::LockTimeout { .. })
    ));
    drop((first, second));
}

#[locked("account:<from>", "account:<to>", lease = lease)]
async fn transfer(coord: &Coordinator, from: u64, to: u64) -> Result<bool, Error> {
    assert!(lease.token_of(&format!("account:{to}")).is_some());
    let busy = |key: String| async move {
        coord
            .lock(key)
            .try_acquire()
            .await
            .map(|lease| lease.is_none())
    };
    Ok(busy(format!("account:{from}")).await? && busy(format!("account:{to}")).await?)
}

pub(crate) async fn several_keys_are_held_together(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let both = |from, to| one.scope(transfer(&other, from, to));
    let (forth, back, same) = tokio::join!(both(1, 2), both(2, 1), both(3, 3));
    assert!(forth.unwrap() && back.unwrap() && same.unwrap());
    assert_eq!(counts(fleet, "lock", "account:1").await, (0, 0));
}

#[locked("report:daily", skip, at_least = "300ms")]
async fn report() -> Result<Option<&'static str>, Error> {
    Ok(Some("sent"))
}

pub(crate) async fn skip_with_at_least_runs_once_in_a_while(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    assert_eq!(one.scope(report()).await.unwrap(), Some("sent"));
    assert_eq!(other.scope(report()).await.unwrap(), None);
    assert_eq!(one.scope(report()).await.unwrap(), None);
    assert_eq!(counts(fleet, "lock", "report:daily").await, (1, 0));
    fleet.let_pass(SHORT * 2).await;
    assert_eq!(other.scope(report()).await.unwrap(), Some("sent"));
}

#[locked("order:<id>", lease = lease)]
async fn token(id: u64) -> Result<(u64, bool), Error> {
    let _ = id;
    let lease: &Lease = lease;
    Ok((lease.token().into(), lease.is_held()))
}

pub(crate) async fn lease_is_that_of_the_call(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (first, held) = coord.scope(token(42)).await.unwrap();
    let (second, _) = coord.scope(token(42)).await.unwrap();
    assert!(held && second > first);
}

struct Service {
    coord: Coordinator,
}

impl Service {
    #[locked("order:<id>", coord = self.coord)]
    async fn by_field(&self, fleet: &Fleet, id: u64) -> Result<(usize, usize), Error> {
        Ok(counts(fleet, "lock", &format!("order:{id}")).await)
    }
}

pub(crate) async fn coord_names_the_coordinator(fleet: &Fleet) {
    let service = Service {
        coord: fleet.process().await,
    };
    assert_eq!(service.by_field(fleet, 42).await.unwrap(), (1, 0));
    let elsewhere = fleet.process_in(&coord_tests::unique("elsewhere")).await;
    assert_eq!(
        elsewhere.scope(service.by_field(fleet, 42)).await.unwrap(),
        (1, 0)
    );
}

#[locked("order:<id>")]
async fn outer(id: u64) -> Result<(), Error> {
    helper(id).await
}

async fn helper(id: u64) -> Result<(), Error> {
    Box::pin(inner(id)).await
}

#[locked("order:<id>")]
async fn inner(id: u64) -> Result<(), Error> {
    let _ = id;
    Ok(())
}

#[locked("order:<id>")]
async fn spawns(
    coord: Coordinator,
    id: u64,
) -> Result<tokio::task::JoinHandle<Result<(), Error>>, Error> {
    Ok(tokio::spawn(async move { coord.scope(inner(id)).await }))
}

pub(crate) async fn a_call_inside_its_own_body_would_deadlock_and_says_so(fleet: &Fleet) {
    let coord = fleet.process().await;
    let refused = coord.scope(outer(42)).await;
    assert!(
        matches!(
            refused,
            Err(Error::WouldDeadlock {
                template: "order:<id>"
            })
        ),
        "{refused:?}"
    );
    let spawned = coord.scope(spawns(coord.clone(), 42)).await.unwrap();
    spawned
        .await
        .unwrap()
        .expect("a spawned task waits for its turn");
}

#[locked("tenant:<tenant>")]
async fn named(tenant: &str) -> Result<(), Error> {
    let _ = tenant;
    Ok(())
}

pub(crate) async fn a_key_that_cannot_be_used_is_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    for tenant in ["", &"t".repeat(600)] {
        let refused = coord.scope(named(tenant)).await;
        assert!(
            matches!(
                refused,
                Err(Error::InvalidKey {
                    template: "tenant:<tenant>",
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    coord.scope(named("a:b/c{d}")).await.unwrap();
}
