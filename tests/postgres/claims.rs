//! Keys that a transaction has claimed, and what it may write of them in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use coord::idempotency::{CallInTransaction, InTransaction};
use coord::store::StoreExt as _;
use coord::{Coordinator, Error, Outcome, StoreErrorKind};
use coord_tests::postgres::client_of;
use coord_tests::{shared_postgres, unique, until};
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::coordinator;

/// A coordinator, two clients, and a key.
async fn set_up() -> (Coordinator, [Client; 2], String) {
    let url = shared_postgres().await;
    let clients = [client_of(&url).await, client_of(&url).await];
    (coordinator(&url).await, clients, unique("key"))
}

async fn begin(coord: &Coordinator, key: &str, tx: &mut Transaction<'_>) -> CallInTransaction<i64> {
    match coord.idempotency(key).begin_in(tx).await.unwrap() {
        InTransaction::Ours(call) => call,
        InTransaction::Replayed(result) => panic!("{result} is replayed"),
    }
}

/// What is stored, with no run of a body.
async fn stored(coord: &Coordinator, key: &str) -> i64 {
    let call = coord.idempotency(key);
    let outcome = call.outcome(async || Ok::<i64, Error>(-1)).await.unwrap();
    assert!(outcome.is_replayed());
    outcome.into_inner()
}

#[tokio::test]
async fn of_two_calls_of_a_key_in_one_transaction_one_is_finished() {
    let (coord, [mut client, _], key) = set_up().await;
    let mut tx = client.transaction().await.unwrap();
    let first = begin(&coord, &key, &mut tx).await;
    let second = begin(&coord, &key, &mut tx).await;
    assert_eq!(first.finish_in(&mut tx, 1).await.unwrap(), 1);
    let lost = second.finish_in(&mut tx, 2).await;
    assert!(matches!(lost, Err(Error::LockLost { .. })), "{lost:?}");
    tx.commit().await.unwrap();
    assert_eq!(stored(&coord, &key).await, 1);
}

/// The lock of a key goes with the savepoint in which it was taken.
#[tokio::test]
async fn a_call_whose_savepoint_was_rolled_back_does_not_replace_another_result() {
    let (coord, [mut client, mut other], key) = set_up().await;
    let mut tx = client.transaction().await.unwrap();
    let mut savepoint = tx.transaction().await.unwrap();
    let call = begin(&coord, &key, &mut savepoint).await;
    savepoint.rollback().await.unwrap();

    let mut beside = other.transaction().await.unwrap();
    let run = coord.idempotency(&*key);
    let run = run.outcome_in(&mut beside, async |_| Ok::<i64, Error>(1));
    assert_eq!(run.await.unwrap(), Outcome::Executed(1));
    beside.commit().await.unwrap();

    let lost = call.finish_in(&mut tx, 2).await;
    assert!(matches!(lost, Err(Error::LockLost { .. })), "{lost:?}");
    tx.rollback().await.unwrap();
    assert_eq!(stored(&coord, &key).await, 1);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Failure {
    Declined,
    /// The one of coord, which is never stored.
    #[serde(skip)]
    Coord(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Coord(error.to_string())
    }
}

/// Runs a body that fails, and ends the transaction as it is told to.
async fn declines(coord: &Coordinator, key: &str, tx: Transaction<'_>) -> Result<i64, Failure> {
    let mut tx = tx;
    let call = coord.idempotency(key).reject().remember_errors();
    let result = call.run_in(&mut tx, async |_| Err(Failure::Declined)).await;
    match &result {
        Err(Failure::Coord(_)) => tx.rollback().await.unwrap(),
        _ => tx.commit().await.unwrap(),
    }
    result
}

#[tokio::test]
async fn a_remembered_error_is_committed_and_one_of_ours_is_not() {
    let (coord, [mut client, mut other], key) = set_up().await;
    let mut tx = client.transaction().await.unwrap();
    let call = begin(&coord, &key, &mut tx).await;
    let busy = declines(&coord, &key, other.transaction().await.unwrap()).await;
    assert!(matches!(busy, Err(Failure::Coord(_))), "{busy:?}");
    drop(call);
    tx.rollback().await.unwrap();

    let declined = declines(&coord, &key, client.transaction().await.unwrap()).await;
    assert_eq!(declined, Err(Failure::Declined));
    let call = coord.idempotency(&*key).remember_errors();
    let replayed = call.run(async || -> Result<i64, Failure> { panic!("it ran again") });
    assert_eq!(replayed.await, Err(Failure::Declined));
}

/// As calls that are in no transaction tell it.
#[tokio::test]
async fn metrics_tell_how_each_call_ended() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = set_default_local_recorder(&recorder);
    let (coord, [mut client, mut other], key) = set_up().await;
    let mut tx = client.transaction().await.unwrap();
    let first = begin(&coord, &key, &mut tx).await;
    let second = begin(&coord, &key, &mut tx).await;
    let mut beside = other.transaction().await.unwrap();
    let busy = coord.idempotency(&*key).reject();
    let busy = busy.begin_in::<_, i64>(&mut beside).await;
    assert!(matches!(busy, Err(Error::InProgress { .. })), "{busy:?}");
    first.finish_in(&mut tx, 1).await.unwrap();
    second.finish_in(&mut tx, 2).await.unwrap_err();
    tx.commit().await.unwrap();
    beside.rollback().await.unwrap();
    let declined = declines(&coord, &unique("key"), client.transaction().await.unwrap()).await;
    assert_eq!(declined, Err(Failure::Declined));

    let mut counts = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let name = key.key().name().to_owned();
        if let (DebugValue::Counter(count), true) = (value, name.contains("idempotency")) {
            counts.insert(name, count);
        }
    }
    let expected = [
        ("coord_idempotency_executed_total", 1),
        ("coord_idempotency_failed_total", 3),
        ("coord_idempotency_hit_total", 0),
        ("coord_idempotency_miss_total", 3),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(expected));
}

/// It would not see what the one that it has waited for has committed.
#[tokio::test]
async fn a_stricter_transaction_that_has_waited_runs_nothing() {
    let (coord, [mut client, mut other], key) = set_up().await;
    let mut beside = other.transaction().await.unwrap();
    let call = begin(&coord, &key, &mut beside).await;
    let strict = client.build_transaction();
    let strict = strict.isolation_level(IsolationLevel::RepeatableRead);
    let mut tx = strict.start().await.unwrap();
    let row = tx.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    let strict: i32 = row.get(0);
    let waits = coord.idempotency(&key);
    let waits = async {
        waits
            .begin_in(&mut tx)
            .await
            .map(|_: InTransaction<i64>| ())
    };
    let commits = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted";
        until("the stricter one to wait", async || {
            let row = beside.query_one(waiting, &[&strict]).await.unwrap();
            (row.get::<_, i64>(0) > 0).then_some(())
        })
        .await;
        call.finish_in(&mut beside, 1).await.unwrap();
        beside.commit().await.unwrap();
    };
    let (waited, ()) = tokio::join!(waits, commits);
    let Err(Error::Store(failed)) = waited else {
        panic!("it runs its body");
    };
    assert_eq!(failed.kind(), StoreErrorKind::NotApplied, "{failed}");
    tx.rollback().await.unwrap();
}

/// A transaction of a stricter isolation that does not see what was committed fails at the write, with its effects.
#[tokio::test]
async fn a_stricter_transaction_with_an_older_view_fails_at_the_write() {
    let (coord, [mut client, mut other], key) = set_up().await;
    let strict = client.build_transaction();
    let strict = strict.isolation_level(IsolationLevel::RepeatableRead);
    let mut tx = strict.start().await.unwrap();
    tx.query("SELECT", &[]).await.unwrap();

    let mut beside = other.transaction().await.unwrap();
    let call = begin(&coord, &key, &mut beside).await;
    call.finish_in(&mut beside, 1).await.unwrap();
    beside.commit().await.unwrap();

    let call = begin(&coord, &key, &mut tx).await;
    let failed = call.finish_in(&mut tx, 2).await;
    assert!(matches!(failed, Err(Error::Store(_))), "{failed:?}");
    tx.rollback().await.unwrap();
    assert_eq!(stored(&coord, &key).await, 1);
}

/// Each of them would wait for the key for a while, in one of the few transactions that all who write share.
#[tokio::test]
async fn calls_of_a_claimed_key_do_not_hold_up_renewals() {
    const AT_ONCE: usize = 24;
    let (coord, [mut client, watching], key) = set_up().await;
    let lease = coord.lock(unique("lock")).ttl(Duration::from_secs(5));
    let lease = lease.acquire().await.unwrap();
    let mut tx = client.transaction().await.unwrap();
    let row = tx.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    let claiming: i32 = row.get(0);
    let _claim = begin(&coord, &key, &mut tx).await;

    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
    let mut calls = JoinSet::new();
    for transactions in 1..=4 {
        for _ in 0..AT_ONCE {
            let call = coord.idempotency(&*key);
            calls.spawn(async move { call.run(async || Ok::<i64, Error>(1)).await });
        }
        until("one more to wait for the key", async || {
            let row = watching.query_one(waiting, &[&claiming]).await.unwrap();
            (row.get::<_, i64>(0) >= transactions).then_some(())
        })
        .await;
    }
    // It comes in behind them.
    let another = unique("another");
    let put = coord.store().set(&another, b"1".to_vec(), None);
    put.await.unwrap();
    assert!(lease.is_held());
    lease.release().await.unwrap();
    drop(calls);
    tx.rollback().await.unwrap();
}
