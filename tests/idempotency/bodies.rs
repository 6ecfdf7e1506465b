//! What a body knows, and what becomes of the record when it does not end well.

use std::sync::Arc;

use coord::testing::Operation;
use coord::{Context, Coordinator, Error, IdempotencyContext, Outcome, SagaError, saga};
use coord_tests::fleet::{Dropped, Fleet, LONG};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::records::{KEY, pays, stands_in_its_body, stored, until_not_running};

pub(crate) async fn a_body_knows_its_attempt_and_token(fleet: &Fleet) {
    let coord = fleet.process().await;
    let known =
        async |ctx: &IdempotencyContext| Ok::<_, Error>((ctx.attempt(), u64::from(ctx.token())));
    let (attempt, token) = coord.idempotency("a").run_with(known).await.unwrap();
    let (_, later) = coord.idempotency("b").run_with(known).await.unwrap();
    assert_eq!(attempt, 1);
    // The time in microseconds: after 2026, and before 2100.
    assert!(
        (1_767_000_000_000_000..4_102_000_000_000_000).contains(&token),
        "{token}"
    );
    assert!(later >= token);
}

/// It is put into logs.
pub(crate) async fn a_context_does_not_show_the_key(fleet: &Fleet) {
    let coord = fleet.process().await;
    let shows = async |ctx: &IdempotencyContext| Ok::<_, Error>(format!("{ctx:?}"));
    let shown = coord.idempotency("account:secret").run_with(shows).await;
    let shown = shown.unwrap();
    assert!(shown.contains("attempt: 1"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}

pub(crate) async fn a_downstream_key_is_the_same_for_every_attempt(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let key = |label: &'static str| {
        async move |ctx: &IdempotencyContext| Err::<(), _>(Told(ctx.downstream_key(label)))
    };
    let mut keys = Vec::new();
    for (coord, name, label) in [
        (&one, "a", "charge"),
        (&other, "a", "charge"),
        (&one, "a", "notify"),
        (&one, "b", "charge"),
    ] {
        let Err(Told(key)) = coord.idempotency(name).run_with(key(label)).await else {
            panic!("the body fails");
        };
        assert_eq!(key.len(), 32);
        keys.push(key);
    }
    assert_eq!(keys[0], keys[1]);
    keys.remove(1);
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{keys:?}");
    }
}

/// An error that carries what the body knows.
#[derive(Debug)]
struct Told(String);

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

pub(crate) async fn a_body_that_fails_releases_the_key(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let failed = one
        .idempotency(KEY)
        .lease(LONG)
        .run(async || Err::<u64, _>(Told(String::new())));
    failed.await.unwrap_err();
    assert_eq!(
        stored(fleet, KEY).await,
        None,
        "released when the call returns"
    );
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
}

pub(crate) async fn a_body_that_panics_releases_the_key(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let call = one.idempotency(KEY).lease(LONG);
    let panics = tokio::spawn(async move {
        call.run(async || -> Result<u64, Error> { panic!("as it is meant to") })
            .await
    });
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
}

pub(crate) async fn calling_again_inside_would_deadlock_and_says_so(fleet: &Fleet) {
    let coord = fleet.process().await;
    for inner in [coord.idempotency(KEY), coord.idempotency(KEY).reject()] {
        let call = coord
            .idempotency(KEY)
            .run(async || inner.run(async || Ok::<u64, Error>(7)).await);
        let error = call.await.unwrap_err();
        assert!(matches!(error, Error::WouldDeadlock { .. }), "{error:?}");
    }
    assert_eq!(pays(&coord, 8).await.unwrap(), Outcome::Executed(8));
}

pub(crate) async fn a_deadlock_is_found_through_other_calls(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = coord.idempotency(KEY).run(async || {
        coord
            .lock("a")
            .run(async |_| {
                let between = coord.idempotency("b");
                between
                    .run(async || pays(&coord, 7).await.map(Outcome::into_inner))
                    .await
            })
            .await
    });
    let error = call.await.unwrap_err();
    assert!(matches!(error, Error::WouldDeadlock { .. }), "{error:?}");
}

/// Its step asks for the call.
#[saga("refund:<id>")]
#[derive(Serialize, Deserialize)]
struct Refund {
    id: u64,
}

#[saga]
impl Refund {
    #[step]
    async fn pay(&self) -> Result<u64, Error> {
        let coord = Coordinator::current()?;
        pays(&coord, self.id).await.map(Outcome::into_inner)
    }
}

pub(crate) async fn a_saga_that_asks_for_the_call_that_waits_for_it_would_deadlock(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = coord.idempotency(KEY).run(async || {
        match Box::pin(Refund { id: 8 }.run_with(&coord)).await {
            Err(SagaError::Coordination(error)) => Err(error),
            other => panic!("{:?}", other.map(|refund| refund.pay)),
        }
    });
    let refused = tokio::time::timeout(LONG, Box::pin(call)).await;
    let error: Error = refused.expect("it ends").map(|()| "").unwrap_err();
    assert!(matches!(error, Error::WouldDeadlock { .. }), "{error:?}");
    let done = Refund { id: 8 }.run_with(&coord).await.unwrap();
    assert_eq!(done.pay, 8, "it went on when the body had ended");
}

pub(crate) async fn what_a_body_spawned_in_its_context_may_call_when_it_has_ended(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (ended, end) = oneshot::channel();
    let (spawned, task) = oneshot::channel();
    let call = coord.idempotency(KEY).run(async || {
        let (context, inside) = (Context::current().unwrap(), coord.clone());
        let follows = context.scope(async move {
            end.await.unwrap();
            pays(&inside, 8).await
        });
        spawned.send(tokio::spawn(follows)).unwrap();
        Ok::<u64, Error>(7)
    });
    call.await.unwrap();
    ended.send(()).unwrap();
    let follows = task.await.unwrap().await.unwrap();
    assert_eq!(follows.unwrap(), Outcome::Replayed(7));
}

pub(crate) async fn a_body_keeps_its_correlation(fleet: &Fleet) {
    let coord = fleet.process().await;
    let inside = async || {
        let context = Context::current().expect("a body has a context");
        assert_eq!(context.lock_key(), Some("outer"), "this is no lock");
        Ok::<_, Error>(context.correlation_id().to_owned())
    };
    let call = coord
        .lock("outer")
        .run(async |_| coord.idempotency(KEY).run(inside).await);
    let request = Context::with_correlation_id("request-7");
    assert_eq!(request.scope(call).await.unwrap(), "request-7");
    let stored = stored(fleet, KEY).await.unwrap();
    assert!(stored.contains("\"request-7\""), "{stored}");
}

pub(crate) async fn shutting_down_drops_the_body_and_releases_the_key(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let dropped = Dropped::default();
    let inside = Arc::new(tokio::sync::Notify::new());
    let call = tokio::spawn({
        let (one, guard, inside) = (one.clone(), dropped.guard(), Arc::clone(&inside));
        async move {
            let _guard = guard;
            let call = one.idempotency(KEY).lease(LONG).run(async || {
                inside.notify_one();
                std::future::pending::<Result<u64, Error>>().await
            });
            call.await
        }
    });
    inside.notified().await;
    one.shutdown().await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error:?}");
    assert!(dropped.get());
    assert!(!until_not_running(fleet, KEY).await);
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
}

pub(crate) async fn those_who_wait_for_a_result_are_turned_away_by_shutting_down(fleet: &Fleet) {
    let other = fleet.process().await;
    let (store, one) = fleet.faulty().await;
    let (door, running) = stands_in_its_body(other.idempotency(KEY).lease(LONG), 7).await;
    let waiter = tokio::spawn({
        let one = one.clone();
        async move { pays(&one, 8).await }
    });
    coord_tests::until("the waiter to watch", async || {
        (store.count(Operation::Watch) > 0).then_some(())
    })
    .await;
    one.shutdown().await;
    let turned_away = tokio::time::timeout(LONG, waiter).await;
    let turned_away = turned_away.expect("it ends").unwrap();
    assert!(
        matches!(turned_away, Err(Error::ShutDown)),
        "{turned_away:?}"
    );
    door.open();
    assert_eq!(running.await.unwrap().unwrap(), Outcome::Executed(7));
}

pub(crate) async fn a_call_after_shutting_down_is_refused(fleet: &Fleet) {
    let coord: Coordinator = fleet.process().await;
    let (door, first) = stands_in_its_body(coord.idempotency("a"), 7).await;
    door.open();
    first.await.unwrap().unwrap();
    coord.shutdown().await;
    let refused = pays(&coord, 7).await;
    assert!(matches!(refused, Err(Error::ShutDown)), "{refused:?}");
    assert_eq!(stored(fleet, KEY).await, None);
}
