//! Code that runs while a lease is held.

use std::future::pending;
use std::time::Duration;

use coord::testing::{Fault, Rule};
use coord::{Context, Coordinator, Error, Lease};
use coord_tests::PATIENCE;
use futures_util::future::{BoxFuture, Either};
use tokio::sync::oneshot;

use crate::fleet::{Dropped, Fleet, LONG, SHORT};

pub(crate) async fn a_body_runs_under_the_lease_and_gives_it_back(fleet: &Fleet) {
    let coord = fleet.process().await;
    let line = fleet.line("lock", "a");
    let out = coord.lock("a").run(async |lease| {
        assert_eq!(line.contenders().await[0].token, lease.token());
        Ok::<_, Error>(7)
    });
    assert_eq!(out.await.unwrap(), 7);
    assert_eq!(line.counts().await, (0, 0));
}

pub(crate) async fn a_body_that_fails_gives_the_lease_back(fleet: &Fleet) {
    #[derive(Debug)]
    struct OutOfStock;
    impl From<Error> for OutOfStock {
        fn from(error: Error) -> Self {
            panic!("{error}")
        }
    }
    let coord = fleet.process().await;
    let out = coord
        .lock("a")
        .run(async |_| Err::<(), _>(OutOfStock))
        .await;
    assert!(matches!(out, Err(OutOfStock)));
    assert_eq!(fleet.line("lock", "a").counts().await, (0, 0));
}

pub(crate) async fn a_body_that_panics_gives_the_lease_back(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let panicking = one
        .lock("a")
        .ttl(LONG)
        .run(async |_| -> Result<(), Error> { panic!("as the test wants it") });
    assert!(tokio::spawn(panicking).await.unwrap_err().is_panic());
    drop(other.lock("a").acquire().await.unwrap());
}

pub(crate) async fn a_call_that_is_dropped_drops_its_body_and_gives_the_lease_back(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let dropped = Dropped::default();
    let call = tokio::spawn({
        let guard = dropped.guard();
        async move {
            one.lock("a")
                .ttl(LONG)
                .run(async |_| {
                    let _guard = guard;
                    pending::<Result<(), Error>>().await
                })
                .await
        }
    });
    fleet.line("lock", "a").until(1, 0).await;
    call.abort();
    drop(other.lock("a").acquire().await.unwrap());
    assert!(dropped.get());
}

pub(crate) async fn a_body_is_dropped_when_its_lease_is_lost(fleet: &Fleet) {
    let coord = fleet.process().await;
    let dropped = Dropped::default();
    let (line, guard) = (fleet.line("lock", "a"), dropped.guard());
    let out = coord.lock("a").ttl(SHORT).run(async |_| {
        let _guard = guard;
        line.lose_holders().await;
        pending::<Result<(), Error>>().await
    });
    let out = out.await;
    assert!(
        matches!(out, Err(Error::LockLost { template: "(text)" })),
        "{out:?}"
    );
    assert!(dropped.get());
}

pub(crate) async fn a_body_that_outlives_a_lease_without_renewal_is_dropped(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let dropped = Dropped::default();
    let guard = dropped.guard();
    let body = one.lock("a").ttl(SHORT).renew(false).run(async |_| {
        let _guard = guard;
        pending::<Result<(), Error>>().await
    });
    let next = async {
        fleet.line("lock", "a").until(1, 0).await;
        let next = other.lock("a").acquire().await.unwrap();
        assert!(dropped.get(), "the body goes on beside another holder");
        next
    };
    let (out, next) = tokio::join!(body, next);
    assert!(matches!(out, Err(Error::LockLost { .. })), "{out:?}");
    assert!(next.is_held());
}

/// The body ends in the very moment in which the lease does, and does not say that all went well.
pub(crate) async fn a_body_that_ends_after_its_lease_does_not_succeed(fleet: &Fleet) {
    let coord = fleet.process().await;
    let out = coord.lock("a").ttl(SHORT).renew(false).run(async |lease| {
        lease.lost().await;
        Ok::<_, Error>(())
    });
    let out = out.await;
    assert!(matches!(out, Err(Error::LockLost { .. })), "{out:?}");
}

fn deadlocks<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::WouldDeadlock { .. }))
}

pub(crate) async fn locking_again_inside_would_deadlock_and_says_so(fleet: &Fleet) {
    let coord = fleet.process().await;
    let out = coord.lock("a").run(async |_| {
        assert!(deadlocks(&coord.lock("a").acquire().await));
        assert!(deadlocks(&coord.lock("a").wait(LONG).acquire().await));
        assert!(deadlocks(
            &coord
                .clone()
                .lock("a")
                .run(async |_| Ok::<_, Error>(()))
                .await
        ));
        assert!(deadlocks(&coord.rw_lock("a").read().acquire().await));
        assert!(deadlocks(&coord.rw_lock("a").write().acquire().await));
        assert!(deadlocks(&coord.lock_all(["b", "a"]).acquire().await));
        Ok::<_, Error>(())
    });
    out.await.unwrap();
    for key in ["a", "b"] {
        assert_eq!(fleet.line("lock", key).counts().await, (0, 0));
    }
    let outside = coord.lock("a").acquire().await;
    assert!(outside.is_ok());
}

pub(crate) async fn a_deadlock_is_found_through_other_functions_and_other_locks(fleet: &Fleet) {
    async fn helper(coord: &Coordinator) -> Result<(), Error> {
        coord.lock("b").run(async |_| deeper(coord).await).await
    }
    async fn deeper(coord: &Coordinator) -> Result<(), Error> {
        Context::create()
            .scope(async { Ok::<_, Error>(()) })
            .await?;
        coord.lock("a").run(async |_| Ok(())).await
    }
    let coord = fleet.process().await;
    let out = coord
        .lock_all(["c", "a"])
        .run(async |_| helper(&coord).await);
    assert!(deadlocks(&Box::pin(out).await));
    helper(&coord)
        .await
        .expect("no deadlock without the outer lock");
}

pub(crate) async fn a_deadlock_is_found_in_semaphores_and_elections(fleet: &Fleet) {
    let coord = fleet.process().await;
    let out = coord.semaphore("a", 1).run(async |_| {
        assert!(deadlocks(&coord.semaphore("a", 1).acquire().await));
        coord.lock("a").run(async |_| Ok::<_, Error>(())).await?;
        Ok::<_, Error>(())
    });
    out.await.unwrap();
}

pub(crate) async fn an_attempt_inside_the_own_body_gets_nothing(fleet: &Fleet) {
    let coord = fleet.process().await;
    let out = coord
        .lock("a")
        .run(async |_| coord.lock("a").try_acquire().await);
    assert!(out.await.unwrap().is_none());
}

/// What the body spawns does not block it.
pub(crate) async fn a_spawned_task_queues_as_others_do(fleet: &Fleet) {
    let coord = fleet.process().await;
    let line = fleet.line("lock", "a");
    let out = coord.lock("a").run(async |_| {
        let coord = coord.clone();
        let task = tokio::spawn(async move { coord.lock("a").acquire().await });
        line.until(1, 1).await;
        Ok::<_, Error>(task)
    });
    let task = out.await.unwrap();
    assert!(task.await.unwrap().unwrap().is_held());
}

/// A context taken in a body carries on what the body is inside of, and not beyond its end.
pub(crate) async fn what_a_body_spawned_in_its_context_may_lock_when_it_has_ended(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (ended, end) = oneshot::channel();
    let (asked, ask) = oneshot::channel();
    let (inside, outside) = (coord.clone(), coord.clone());
    let body = async |_: &Lease| {
        let context = Context::current().unwrap();
        let task = tokio::spawn(context.scope(async move {
            for key in ["a", "b"] {
                assert!(deadlocks(&inside.lock(key).acquire().await));
            }
            asked.send(()).unwrap();
            end.await.unwrap();
            assert_eq!(Context::current().unwrap().lock_key(), None);
            let both = inside.lock_all(["a", "b"]);
            both.run(async |_| Ok::<_, Error>(())).await
        }));
        ask.await.unwrap();
        Ok::<_, Error>(task)
    };
    let task = outside.lock_all(["b", "a"]).run(body).await.unwrap();
    ended.send(()).unwrap();
    task.await.unwrap().unwrap();
}

pub(crate) async fn what_a_dropped_body_spawned_in_its_context_may_lock(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (ended, end) = oneshot::channel::<()>();
    let (spawned, task) = oneshot::channel();
    let (inside, outside) = (coord.clone(), coord.clone());
    let body = tokio::spawn(async move {
        let body = async |_: &Lease| {
            let context = Context::current().unwrap();
            let follows = context.scope(async move {
                end.await.unwrap();
                inside.lock("a").acquire().await
            });
            spawned.send(tokio::spawn(follows)).unwrap();
            pending::<Result<(), Error>>().await
        };
        outside.lock("a").run(body).await
    });
    let task = task.await.unwrap();
    body.abort();
    assert!(body.await.unwrap_err().is_cancelled());
    ended.send(()).unwrap();
    assert!(task.await.unwrap().unwrap().is_held());
}

pub(crate) async fn a_context_from_an_outer_body_does_not_hide_the_inner_one(fleet: &Fleet) {
    let coord = fleet.process().await;
    let out = coord.lock("a").run(async |_| {
        let outer = Context::with_correlation_id("request-7").scope(async { Context::current() });
        let outer = outer.await.unwrap();
        let inner = coord.lock("b").run(async |_| {
            let out = outer.scope(async {
                assert_eq!(Context::current().unwrap().correlation_id(), "request-7");
                coord.lock("b").acquire().await
            });
            Ok::<_, Error>(deadlocks(&out.await))
        });
        inner.await
    });
    assert!(Box::pin(out).await.unwrap(), "the inner lock is not seen");
}

pub(crate) async fn a_body_knows_its_key_and_keeps_its_correlation(fleet: &Fleet) {
    fn lock_key() -> Option<String> {
        Context::current()?.lock_key().map(ToOwned::to_owned)
    }
    let coord = fleet.process().await;
    let request = Context::with_correlation_id("request-7").scope(async {
        let out = coord.lock("a").run(async |_| {
            assert_eq!(lock_key().as_deref(), Some("a"));
            coord
                .lock("b")
                .run(async |_| {
                    assert_eq!(lock_key().as_deref(), Some("b"));
                    assert_eq!(Context::current().unwrap().correlation_id(), "request-7");
                    Ok::<_, Error>(())
                })
                .await?;
            assert_eq!(lock_key().as_deref(), Some("a"));
            Ok::<_, Error>(())
        });
        out.await.unwrap();
        assert_eq!(lock_key(), None);
    });
    Box::pin(request).await;
}

/// The lease is given back when the store is there again.
#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_does_not_hold_back_what_a_body_has_returned() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let call = coord.lock("a").ttl(Duration::from_secs(60 * 60));
    let call = call.run(async |_| {
        store.inject(Rule::on_everything(), Fault::BeforeSend);
        Ok::<_, Error>(7)
    });
    let output = tokio::time::timeout(PATIENCE, call).await;
    assert_eq!(output.expect("the output").unwrap(), 7);
    store.heal();
    let other = fleet.process().await;
    let next = other.lock("a").wait(PATIENCE).acquire().await;
    assert!(next.unwrap().is_held());
}

/// Each begins inside of the one before, and that ends.
#[tokio::test]
async fn bodies_that_follow_each_other_in_tasks_do_not_pile_up() {
    type Tells = oneshot::Sender<()>;
    type IsTold = oneshot::Receiver<()>;

    /// Follows a body that is told when this one has begun, and tells when it has ended.
    fn follow(
        coord: Coordinator,
        left: u32,
        begun: Tells,
        ended: IsTold,
    ) -> BoxFuture<'static, String> {
        Box::pin(async move {
            let (ends, has_ended) = oneshot::channel();
            let body = async |_: &Lease| {
                begun.send(()).unwrap();
                ended.await.unwrap();
                if left == 0 {
                    return Ok::<_, Error>(Either::Left(format!("{:?}", Context::current())));
                }
                let (begins, has_begun) = oneshot::channel();
                let next = follow(coord.clone(), left - 1, begins, has_ended);
                let next = tokio::spawn(Context::current().unwrap().scope(next));
                has_begun.await.unwrap();
                Ok(Either::Right(next))
            };
            let out = coord.lock(format!("link:{left}")).run(body).await;
            match out.unwrap() {
                Either::Left(context) => context,
                Either::Right(next) => {
                    ends.send(()).unwrap();
                    next.await.unwrap()
                }
            }
        })
    }

    let coord = Fleet::on_memory().process().await;
    let [(begins, _begun), (ends, ended)] = [oneshot::channel(), oneshot::channel()];
    ends.send(()).unwrap();
    let context = follow(coord, 3, begins, ended).await;
    assert!(context.contains("link:0"), "{context}");
    assert!(!context.contains("link:3"), "{context}");
}
