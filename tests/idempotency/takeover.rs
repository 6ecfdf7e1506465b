//! A call whose process dies, or that cannot reach the store, gives way to the next one.

use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord::{Coordinator, Error, IdempotencyContext, Outcome};
use coord_tests::fleet::{Dropped, Fleet, SHORT};

use crate::records::{Door, KEY, pays, record, stands_in_its_body, stored};

/// A process that has a body running, and dies: nothing of it reaches the store any more.
async fn dies_in_its_body(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let (_door, call) = stands_in_its_body(coord.idempotency(KEY).lease(SHORT), 7).await;
    cut_off(&store);
    call.abort();
}

/// What is asked from now on does not arrive.
fn cut_off(store: &FaultStore) {
    for operation in [Operation::Put, Operation::Delete] {
        store.inject(operation, Fault::BeforeSend);
    }
}

async fn tells_its_attempt(coord: &Coordinator) -> (u32, u64) {
    let call = coord
        .idempotency(KEY)
        .run_with(async |ctx: &IdempotencyContext| {
            Ok::<_, Error>((ctx.attempt(), ctx.token().into()))
        });
    call.await.unwrap()
}

pub(crate) async fn renewal_keeps_a_running_body_for_many_leases(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let (door, call) = stands_in_its_body(one.idempotency(KEY).lease(SHORT * 3), 7).await;
    let waiter = tokio::spawn(async move { pays(&other, 8).await });
    fleet.let_pass(SHORT * 9).await;
    door.open();
    assert_eq!(call.await.unwrap().unwrap(), Outcome::Executed(7));
    assert_eq!(waiter.await.unwrap().unwrap(), Outcome::Replayed(7));
}

pub(crate) async fn renewals_that_fail_now_and_then_lose_nothing(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let call = coord.idempotency(KEY).lease(SHORT * 4);
    let (door, call) = stands_in_its_body(call, 7).await;
    for fault in [Fault::BeforeSend, Fault::AfterApply, Fault::BeforeSend] {
        store.fail_next(Operation::Put, fault);
        fleet.let_pass(SHORT).await;
    }
    door.open();
    assert_eq!(call.await.unwrap().unwrap(), Outcome::Executed(7));
}

pub(crate) async fn a_dead_process_is_followed_after_its_lease(fleet: &Fleet) {
    let coord = fleet.process().await;
    dies_in_its_body(fleet).await;
    assert!(stored(fleet, KEY).await.is_some());
    assert_eq!(pays(&coord, 8).await.unwrap(), Outcome::Executed(8));
}

pub(crate) async fn a_waiter_that_takes_over_counts_on(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    // A token that no clock here will give.
    let head = format!("R{}\n", r#"{"o":[0,1],"n":3,"k":9000000000000000,"b":0}"#);
    let put = coord::store::PutRequest::new(record(fleet, KEY), head).ttl(SHORT);
    fleet.store().put_record(&put).await.unwrap();
    let (attempt, token) = tells_its_attempt(&one).await;
    assert_eq!((attempt, token), (4, 9_000_000_000_000_001));
    assert_eq!(
        tells_its_attempt(&other).await,
        (attempt, token),
        "replayed"
    );
}

pub(crate) async fn a_body_is_dropped_when_its_record_cannot_be_renewed(fleet: &Fleet) {
    let other = fleet.process().await;
    let (store, coord) = fleet.faulty().await;
    let dropped = Dropped::default();
    let guard = dropped.guard();
    let call = coord.idempotency(KEY).lease(SHORT).run(async || {
        let _guard = guard;
        cut_off(&store);
        std::future::pending::<Result<u64, Error>>().await
    });
    let error = call.await.unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error:?}");
    assert!(dropped.get());
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
}

pub(crate) async fn a_body_is_dropped_in_time_when_a_renewal_is_not_answered(fleet: &Fleet) {
    let other = fleet.process().await;
    let (store, coord) = fleet.faulty().await;
    let call = coord.idempotency(KEY).lease(SHORT);
    let (_door, call) = stands_in_its_body(call, 7).await;
    let held = store.hold(Operation::Put);
    held.reached().await;
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
    coord_tests::until("the call to end", async || call.is_finished().then_some(())).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error:?}");
}

/// As after a `FLUSHALL`. The body learns of it at the next renewal.
pub(crate) async fn a_body_is_dropped_when_its_record_is_gone(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (_door, call) = stands_in_its_body(coord.idempotency(KEY).lease(SHORT), 7).await;
    let delete = coord::store::DeleteRequest::new(record(fleet, KEY));
    assert!(fleet.store().delete_record(&delete).await.unwrap());
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error:?}");
    assert_eq!(pays(&coord, 8).await.unwrap(), Outcome::Executed(8));
}

pub(crate) async fn a_lost_wake_up_delays_a_waiter_and_no_more(fleet: &Fleet) {
    let one = fleet.process().await;
    let (store, deaf) = fleet.faulty().await;
    store.lose_wake_ups(true);
    let door = Door::default();
    let inside = door.clone();
    let call = one.idempotency(KEY).lease(SHORT);
    let call = tokio::spawn(async move {
        call.run(async || {
            inside.pass().await;
            Ok::<u64, Error>(7)
        })
        .await
    });
    door.reached().await;
    let waiter = tokio::spawn(async move { pays(&deaf, 8).await });
    coord_tests::until("the waiter to watch", async || {
        (store.count(Operation::Watch) > 0).then_some(())
    })
    .await;
    door.open();
    assert_eq!(call.await.unwrap().unwrap(), 7);
    assert_eq!(waiter.await.unwrap().unwrap(), Outcome::Replayed(7));
}

/// Starts a call whose beginning is answered when its record has lapsed and `meanwhile` is done.
async fn begins_late(fleet: &Fleet, meanwhile: impl AsyncFnOnce()) -> Result<Outcome<u64>, Error> {
    let (store, coord) = fleet.faulty().await;
    let held = store.hold_reply(Rule::on(Operation::Put).times(1));
    let call = coord.idempotency(KEY).lease(SHORT);
    let call = tokio::spawn(call.outcome(async || Ok::<u64, Error>(7)));
    held.reached().await;
    fleet.let_pass(SHORT * 2).await;
    meanwhile().await;
    held.release();
    call.await.unwrap()
}

pub(crate) async fn a_call_whose_beginning_is_answered_too_late_begins_anew(fleet: &Fleet) {
    let other = fleet.process().await;
    let late = begins_late(fleet, async || {});
    assert_eq!(late.await.unwrap(), Outcome::Executed(7));
    assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Replayed(7));
}

pub(crate) async fn a_call_whose_beginning_is_answered_too_late_gets_the_result_of_another(
    fleet: &Fleet,
) {
    let other = fleet.process().await;
    let late = begins_late(fleet, async || {
        assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Executed(8));
    });
    assert_eq!(late.await.unwrap(), Outcome::Replayed(8));
}

/// It never can be in time, and is not tried for ever.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_shorter_than_the_way_to_the_store_is_lost() {
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    store.inject(Operation::Put, Fault::Delay(SHORT * 2));
    let call = coord.idempotency(KEY).lease(SHORT);
    let call = call.run(async || -> Result<u64, Error> { panic!("it ran") });
    let error = call.await.unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error:?}");
}
