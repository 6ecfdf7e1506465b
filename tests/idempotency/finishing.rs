//! A result that comes late, and one whose way to the store is bad.

use std::sync::mpsc;
use std::thread;

use coord::idempotency::IdempotencyBuilder;
use coord::testing::{Fault, Operation, Rule};
use coord::{Error, Outcome};
use coord_tests::fleet::{Fleet, LONG, SHORT};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use crate::records::{KEY, Runs, pays, record, stands_in_its_body, stored};

/// Runs a body whose result is held on its way until its record has lapsed and `meanwhile` is done.
async fn is_late(
    fleet: &Fleet,
    settings: impl FnOnce(IdempotencyBuilder) -> IdempotencyBuilder,
    meanwhile: impl AsyncFnOnce(),
) -> Result<Outcome<u64>, Error> {
    let (store, coord) = fleet.faulty().await;
    let call = settings(coord.idempotency(KEY).lease(SHORT));
    let (door, call) = stands_in_its_body(call, 7).await;
    let held = store.hold(Operation::Put);
    door.open();
    held.reached().await;
    lapses(fleet).await;
    meanwhile().await;
    held.release();
    call.await.unwrap()
}

async fn lapses(fleet: &Fleet) {
    coord_tests::until("the record to lapse", async || {
        // On a paused clock, this lets time pass.
        tokio::time::sleep(SHORT / 4).await;
        stored(fleet, KEY).await.is_none().then_some(())
    })
    .await;
}

pub(crate) async fn a_result_that_is_too_late_gives_way_to_the_winners(fleet: &Fleet) {
    let other = fleet.process().await;
    let late = is_late(
        fleet,
        |call| call,
        async || {
            assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
        },
    );
    assert_eq!(late.await.unwrap(), Outcome::Replayed(8));
    assert_eq!(pays(&other, 9).await.unwrap(), Outcome::Replayed(8));
}

pub(crate) async fn a_result_that_is_too_late_is_lost_for_one_who_does_not_wait(fleet: &Fleet) {
    let other = fleet.process().await;
    let late = is_late(fleet, IdempotencyBuilder::reject, async || {
        assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
    });
    let error = late.await.unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error:?}");
    assert_eq!(pays(&other, 9).await.unwrap(), Outcome::Replayed(8));
}

pub(crate) async fn a_result_that_is_too_late_does_not_wait_for_one_still_running(fleet: &Fleet) {
    let other = fleet.process().await;
    let mut winner: Option<(_, JoinHandle<_>)> = None;
    let late = is_late(
        fleet,
        |call| call,
        async || {
            winner = Some(stands_in_its_body(other.idempotency(KEY).lease(LONG), 8).await);
        },
    );
    let error = late.await.unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error:?}");
    let (door, winner) = winner.unwrap();
    door.open();
    assert_eq!(winner.await.unwrap().unwrap(), Outcome::Executed(8));
}

pub(crate) async fn a_lapsed_record_that_nobody_took_gets_its_result(fleet: &Fleet) {
    let other = fleet.process().await;
    let late = is_late(fleet, |call| call, async || {});
    assert_eq!(late.await.unwrap(), Outcome::Executed(7));
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Replayed(7));
}

pub(crate) async fn a_completion_that_fails_is_made_again(fleet: &Fleet) {
    let other = fleet.process().await;
    let (store, coord) = fleet.faulty().await;
    let runs = Runs::default();
    let call = coord.idempotency(KEY).outcome(async || {
        for fault in [Fault::BeforeSend, Fault::AfterSend, Fault::BeforeSend] {
            store.fail_next(Operation::Put, fault);
        }
        runs.begin();
        Ok::<u64, Error>(7)
    });
    assert_eq!(call.await.unwrap(), Outcome::Executed(7));
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Replayed(7));
    // What was cut arrives after all, and changes nothing.
    assert_eq!(store.deliver().await, 1);
    assert_eq!(pays(&other, 9).await.unwrap(), Outcome::Replayed(7));
    assert_eq!(runs.count(), 1);
}

pub(crate) async fn a_completion_whose_reply_is_lost_is_done(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let call = coord.idempotency(KEY).outcome(async || {
        store.fail_next(Operation::Put, Fault::AfterApply);
        Ok::<u64, Error>(7)
    });
    assert_eq!(call.await.unwrap(), Outcome::Executed(7));
    // The same of the reply that says that the call may begin.
    store.fail_next(Operation::Put, Fault::AfterApply);
    let call = coord.idempotency("b").reject();
    let call = call.outcome(async || Ok::<u64, Error>(7));
    assert_eq!(call.await.unwrap(), Outcome::Executed(7));
}

/// The put that began the call is sent twice, and its first copy arrives when the record has lapsed. Some stores do it
/// anew.
pub(crate) async fn a_late_copy_of_the_beginning_is_not_taken_for_the_result(fleet: &Fleet) {
    let other = fleet.process().await;
    let (store, coord) = fleet.faulty().await;
    store.fail_next(Operation::Put, Fault::AfterSend);
    let call = coord.idempotency(KEY).lease(SHORT);
    let (door, call) = stands_in_its_body(call, 7).await;
    let held = store.hold(Operation::Put);
    door.open();
    held.reached().await;
    lapses(fleet).await;
    // The result finds no record, and is sent on condition that there is none.
    let anew = store.hold(Operation::Put);
    held.release();
    anew.reached().await;
    assert_eq!(store.deliver().await, 1);
    anew.release();
    assert_eq!(call.await.unwrap().unwrap(), Outcome::Executed(7));
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Replayed(7));
}

pub(crate) async fn a_store_that_stays_away_is_told_of(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    store.inject(Operation::Put, Fault::BeforeSend);
    let error = pays(&coord, 7).await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");

    // At its end, it is told when the record has lapsed: by then nobody knows better.
    store.heal();
    let call = coord.idempotency("b").lease(SHORT).run(async || {
        store.inject(Operation::Put, Fault::BeforeSend);
        Ok::<u64, Error>(7)
    });
    let error = call.await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    let entry = fleet.store().get_record(&record(fleet, KEY)).await.unwrap();
    assert!(entry.is_none());
}

/// The call cannot be told how it has ended, and yet it is not made again.
#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_stored_in_time_is_stored_when_the_store_is_back() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let (door, call) = stands_in_its_body(coord.idempotency(KEY).lease(LONG), 7).await;
    store.inject(Rule::on_everything(), Fault::BeforeSend);
    door.open();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    store.heal();
    fleet.let_pass(SHORT).await;
    let other = fleet.process().await;
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Replayed(7));
}

/// Nobody has run the body again, and nobody is to.
#[tokio::test(start_paused = true)]
async fn a_result_whose_record_has_lapsed_is_stored_although_the_caller_has_gone() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let (door, call) = stands_in_its_body(coord.idempotency(KEY).lease(SHORT), 7).await;
    let held = store.hold(Operation::Put);
    door.open();
    held.reached().await;
    lapses(&fleet).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    coord_tests::until("the result", async || stored(&fleet, KEY).await).await;
    let other = fleet.process().await;
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Replayed(7));
}

/// Whoever shuts down may end the process then, and nothing is stored any more.
#[tokio::test]
async fn a_result_that_is_on_its_way_is_waited_for_by_a_shutdown() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let (door, call) = stands_in_its_body(coord.idempotency(KEY).lease(LONG), 7).await;
    let (_closed, _other) = stands_in_its_body(coord.idempotency("b").lease(LONG), 8).await;
    let held = store.hold(Operation::Put);
    door.open();
    held.reached().await;
    let released = coord_tests::until("the other to be released", async || {
        stored(&fleet, "b").await.is_none().then_some(())
    });
    tokio::select! {
        () = coord.shutdown() => panic!("it is not stored yet"),
        () = released => held.release(),
    }
    coord.shutdown().await;
    let other = fleet.process().await;
    assert_eq!(pays(&other, 9).await.unwrap(), Outcome::Replayed(7));
    assert_eq!(call.await.unwrap().unwrap(), Outcome::Executed(7));
}

/// While a body does something without an await, it cannot be dropped, and nobody else may begin.
#[test]
fn a_body_that_is_at_work_is_followed_by_nobody_when_its_process_shuts_down() {
    let fleet = Fleet::on_memory();
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (one, other) = runtime().block_on(fleet.two());
    let (begins, begun) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel();
    let call = one.idempotency(KEY).lease(LONG);
    let call = thread::spawn(move || {
        let body = async || {
            begins.send(()).unwrap();
            go_on.recv().unwrap();
            Ok::<_, Error>(7)
        };
        runtime().block_on(call.run(body))
    });
    begun.recv().unwrap();
    let mut paused = Builder::new_current_thread();
    let paused = paused.enable_all().start_paused(true).build().unwrap();
    paused.block_on(one.shutdown());
    runtime().block_on(async {
        let refused = other.idempotency(KEY).reject();
        let refused = refused.run(async || Ok::<_, Error>(8)).await;
        assert!(
            matches!(refused, Err(Error::InProgress { .. })),
            "{refused:?}"
        );
        goes_on.send(()).unwrap();
        assert_eq!(call.join().unwrap().unwrap(), 7);
        assert_eq!(pays(&other, 9).await.unwrap(), Outcome::Replayed(7));
    });
}
