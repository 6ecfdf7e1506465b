//! The store that fails on demand: each fault does what it says, to what it is meant for, and no more.

use std::time::Duration;

use bytes::Bytes;
use coord::StoreErrorKind;
use coord::store::{
    Acquired, LeaseRequest, MemoryStore, PutRequest, Renewed, Store, Wake, Watched,
};
use coord::testing::{Fault, FaultStore, Operation, Rule};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

async fn value(store: &FaultStore, key: &str) -> Option<Bytes> {
    store
        .get_record(key)
        .await
        .unwrap()
        .map(|entry| entry.value)
}

async fn kind_of_failure(store: &FaultStore, put: &PutRequest) -> Option<StoreErrorKind> {
    store.put_record(put).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn each_cut_leaves_what_it_says() {
    let store = FaultStore::new(MemoryStore::new());
    for (fault, kind, arrives) in [
        (Fault::BeforeSend, StoreErrorKind::NotApplied, false),
        (Fault::AfterSend, StoreErrorKind::Unknown, false),
        (Fault::AfterApply, StoreErrorKind::Unknown, true),
    ] {
        let key = format!("{fault:?}");
        store.fail_next(Operation::Put, fault);
        assert_eq!(
            kind_of_failure(&store, &PutRequest::new(&*key, "value")).await,
            Some(kind)
        );
        assert_eq!(value(&store, &key).await.is_some(), arrives, "{fault:?}");
        assert_eq!(
            kind_of_failure(&store, &PutRequest::new("other", "value")).await,
            None
        );
    }
}

#[tokio::test]
async fn what_was_cut_on_the_way_arrives_in_order_when_delivered() {
    let store = FaultStore::new(MemoryStore::new());
    store.inject(Rule::on(Operation::Put).times(2), Fault::AfterSend);
    for text in ["one", "two"] {
        store
            .put_record(&PutRequest::new("a", text))
            .await
            .unwrap_err();
    }
    assert_eq!(value(&store, "a").await, None);
    assert_eq!(store.deliver().await, 2);
    assert_eq!(value(&store, "a").await, Some(Bytes::from("two")));
    assert_eq!(store.deliver().await, 0);
}

#[tokio::test]
async fn a_rule_strikes_only_what_it_is_meant_for() {
    let store = FaultStore::new(MemoryStore::new());
    let rule = Rule::on(Operation::Put)
        .key_containing("head/")
        .skipping(1)
        .times(1);
    store.inject(rule, Fault::BeforeSend);
    let mut failed = Vec::new();
    for key in ["head/1", "tail/1", "head/2", "head/3"] {
        failed.push(store.put_record(&PutRequest::new(key, "")).await.is_err());
    }
    assert_eq!(failed, [false, false, true, false]);
}

#[tokio::test]
async fn healing_takes_every_rule_away() {
    let store = FaultStore::new(MemoryStore::new());
    store.inject(Rule::on_everything(), Fault::BeforeSend);
    store.get_record("a").await.unwrap_err();
    store.heal();
    store.get_record("a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_delayed_operation_is_done_later() {
    let store = FaultStore::new(MemoryStore::new());
    store.fail_next(Operation::Put, Fault::Delay(MINUTE));
    let asked = Instant::now();
    store
        .put_record(&PutRequest::new("a", "one"))
        .await
        .unwrap();
    assert_eq!(asked.elapsed(), MINUTE);
}

#[tokio::test]
async fn a_held_operation_waits_before_it_is_sent_or_with_its_reply() {
    let store = FaultStore::new(MemoryStore::new());
    for (held, done_when_reached) in [
        (
            store.hold(Rule::on(Operation::Put).key_containing("request")),
            false,
        ),
        (
            store.hold_reply(Rule::on(Operation::Put).key_containing("reply")),
            true,
        ),
    ] {
        let key = if done_when_reached {
            "reply"
        } else {
            "request"
        };
        let putting = tokio::spawn({
            let store = store.clone();
            async move { store.put_record(&PutRequest::new(key, "one")).await }
        });
        held.reached().await;
        assert_eq!(value(&store, key).await.is_some(), done_when_reached);
        assert!(!putting.is_finished());
        held.release();
        putting.await.unwrap().unwrap();
        assert!(value(&store, key).await.is_some());
    }
}

#[tokio::test]
async fn a_hold_that_is_dropped_lets_go() {
    let store = FaultStore::new(MemoryStore::new());
    drop(store.hold(Operation::Put));
    store
        .put_record(&PutRequest::new("a", "one"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_batch_of_renewals_is_one_operation_that_fails_as_a_whole() {
    let store = FaultStore::new(MemoryStore::new());
    let leases = ["a", "b"].map(|name| LeaseRequest::exclusive(name, MINUTE));
    for lease in &leases {
        store.acquire_lease(lease).await.unwrap();
    }
    store.forget_operations();
    store.inject(
        Rule::on(Operation::Renew).key_containing("b").times(1),
        Fault::AfterApply,
    );
    let batch = leases.each_ref().map(LeaseRequest::renewal);
    assert!(store.renew_leases(&batch).await.iter().all(Result::is_err));
    assert!(
        store
            .renew_leases(&batch)
            .await
            .iter()
            .all(|answer| matches!(answer, Ok(Renewed::Granted(_))))
    );

    let seen = store.operations();
    assert_eq!((seen.len(), store.count(Operation::Renew)), (2, 2));
    assert_eq!(seen[0].keys, ["a", "b"]);
}

#[tokio::test]
async fn operations_that_fail_are_counted_as_well() {
    let store = FaultStore::new(MemoryStore::new());
    store.fail_next(Operation::Put, Fault::BeforeSend);
    store
        .put_record(&PutRequest::new("a", "one"))
        .await
        .unwrap_err();
    assert_eq!(store.count(Operation::Put), 1);
}

#[tokio::test(start_paused = true)]
async fn lost_wake_ups_leave_looking_again() {
    let store = FaultStore::new(MemoryStore::new());
    let (holder, waiter) = (
        LeaseRequest::exclusive("a", MINUTE),
        LeaseRequest::exclusive("a", MINUTE).queue(MINUTE),
    );
    store.acquire_lease(&holder).await.unwrap();
    store.lose_wake_ups(true);
    let Acquired::Waiting { mut wake, .. } = store.acquire_lease(&waiter).await.unwrap() else {
        panic!("somebody holds it")
    };
    let mut watch = store.watch(&Watched::Record("b".to_owned())).await.unwrap();
    store.release_lease(&holder.lease).await.unwrap();
    store
        .put_record(&PutRequest::new("b", "one"))
        .await
        .unwrap();
    assert!(
        tokio::time::timeout(MINUTE / 2, wake.changed())
            .await
            .is_err()
    );
    assert!(
        tokio::time::timeout(MINUTE / 4, watch.changed())
            .await
            .is_err()
    );

    store.lose_wake_ups(false);
    let mut watch = store.watch(&Watched::Record("b".to_owned())).await.unwrap();
    store
        .put_record(&PutRequest::new("b", "two"))
        .await
        .unwrap();
    assert_eq!(watch.changed().await, Wake::Look);
}

#[tokio::test]
#[should_panic(expected = "the rule was taken away")]
async fn waiting_for_a_point_that_nothing_can_reach_fails() {
    let store = FaultStore::new(MemoryStore::new());
    let held = store.hold(Operation::Put);
    store.heal();
    held.reached().await;
}
