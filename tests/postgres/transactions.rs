//! Idempotent calls in a transaction of the caller's: record and effect are there together, or neither is.

use std::time::Duration;

use coord::idempotency::InTransaction;
use coord::saga::{SagaError, StepContext};
use coord::{Coordinator, Error, Outcome};
use coord_tests::postgres::client_of;
use coord_tests::{Worker, shared_postgres, unique, until};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Transaction};

use crate::coordinator;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A coordinator, a client, and a table of the user's.
async fn set_up() -> (Coordinator, Client, String) {
    let url = shared_postgres().await;
    let client = client_of(&url).await;
    let table = unique("effects").replace('-', "_");
    client
        .batch_execute(&format!("CREATE TABLE {table} (effect bigint)"))
        .await
        .unwrap();
    (coordinator(&url).await, client, table)
}

async fn effects(client: &Client, table: &str) -> i64 {
    let count = client
        .query_one(&format!("SELECT count(*) FROM {table}"), &[])
        .await;
    count.unwrap().get(0)
}

/// Writes an effect once for each key.
async fn once(
    coord: &Coordinator,
    key: &str,
    tx: &mut Transaction<'_>,
    table: &str,
) -> Result<Outcome<i64>, Failure> {
    coord
        .idempotency(key)
        .outcome_in(tx, async |tx| {
            let insert = format!("INSERT INTO {table} VALUES (7) RETURNING effect");
            Ok::<i64, Failure>(tx.query_one(&insert, &[]).await?.get(0))
        })
        .await
}

/// The same in two halves, in a task of its own, and committed.
async fn begins(url: String, coord: Coordinator, key: String, table: String) -> Outcome<i64> {
    let mut client = client_of(&url).await;
    let mut tx = client.transaction().await.unwrap();
    let outcome = match coord.idempotency(key).begin_in(&mut tx).await.unwrap() {
        InTransaction::Replayed(effect) => Outcome::Replayed(effect),
        InTransaction::Ours(call) => {
            let insert = format!("INSERT INTO {table} VALUES (7) RETURNING effect");
            let row = tx.query_one(&insert, &[]).await.unwrap();
            Outcome::Executed(call.finish_in(&mut tx, row.get(0)).await.unwrap())
        }
    };
    tx.commit().await.unwrap();
    outcome
}

#[tokio::test]
async fn a_committed_call_is_replayed() {
    let (coord, mut client, table) = set_up().await;
    let key = unique("key");
    let mut tx = client.transaction().await.unwrap();
    assert_eq!(
        once(&coord, &key, &mut tx, &table).await.unwrap(),
        Outcome::Executed(7)
    );
    assert_eq!(
        once(&coord, &key, &mut tx, &table).await.unwrap(),
        Outcome::Replayed(7),
        "in itself"
    );
    tx.commit().await.unwrap();
    let mut tx = client.transaction().await.unwrap();
    assert_eq!(
        once(&coord, &key, &mut tx, &table).await.unwrap(),
        Outcome::Replayed(7)
    );
    tx.commit().await.unwrap();
    assert_eq!(effects(&client, &table).await, 1);
}

#[tokio::test]
async fn a_call_that_is_rolled_back_leaves_no_record() {
    let (coord, mut client, table) = set_up().await;
    let key = unique("key");
    for _ in 0..2 {
        let mut tx = client.transaction().await.unwrap();
        assert_eq!(
            once(&coord, &key, &mut tx, &table).await.unwrap(),
            Outcome::Executed(7)
        );
        tx.rollback().await.unwrap();
        assert_eq!(effects(&client, &table).await, 0);
    }
    let mut tx = client.transaction().await.unwrap();
    assert_eq!(
        once(&coord, &key, &mut tx, &table).await.unwrap(),
        Outcome::Executed(7)
    );
    tx.commit().await.unwrap();
    assert_eq!(effects(&client, &table).await, 1);
}

#[tokio::test]
async fn a_body_that_fails_leaves_no_record() {
    let (coord, mut client, table) = set_up().await;
    let key = unique("key");
    let mut tx = client.transaction().await.unwrap();
    let failed = coord
        .idempotency(&*key)
        .run_in(&mut tx, async |_| Err::<i64, Failure>("no".into()))
        .await;
    assert_eq!(failed.unwrap_err().to_string(), "no");
    tx.commit().await.unwrap();
    let mut tx = client.transaction().await.unwrap();
    assert_eq!(
        once(&coord, &key, &mut tx, &table).await.unwrap(),
        Outcome::Executed(7)
    );
    tx.commit().await.unwrap();
}

/// Another transaction waits for the first one's end, and then goes by what it has left.
#[tokio::test]
async fn two_transactions_run_the_body_once() {
    let (coord, mut client, table) = set_up().await;
    let url = shared_postgres().await;
    for commits in [true, false] {
        let key = unique("key");
        let before = effects(&client, &table).await;
        let mut tx = client.transaction().await.unwrap();
        once(&coord, &key, &mut tx, &table).await.unwrap();
        let second = tokio::spawn(begins(
            url.clone(),
            coord.clone(),
            key.clone(),
            table.clone(),
        ));
        let beside = client_of(&url).await;
        until("the second to wait", async || {
            let waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            beside.query(waiting, &[]).await.unwrap().pop().map(drop)
        })
        .await;
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        assert_eq!(second.await.unwrap().is_replayed(), commits);
        assert_eq!(effects(&client, &table).await, before + 1);
    }
}

/// The transaction of one who is turned away is still of use.
#[tokio::test]
async fn one_who_does_not_wait_is_told_and_can_go_on() {
    let (coord, mut client, table) = set_up().await;
    let mut other = client_of(&shared_postgres().await).await;
    let key = unique("key");
    let mut first = client.transaction().await.unwrap();
    once(&coord, &key, &mut first, &table).await.unwrap();
    for wait in [Duration::ZERO, Duration::from_millis(20)] {
        let mut second = other.transaction().await.unwrap();
        let refused = coord
            .idempotency(&*key)
            .wait(wait)
            .run_in(&mut second, async |_| Ok::<i64, Error>(1))
            .await;
        assert!(
            matches!(refused, Err(Error::InProgress { .. })),
            "{refused:?}"
        );
        let insert = format!("INSERT INTO {table} VALUES (8)");
        second
            .execute(&insert, &[])
            .await
            .expect("a transaction that is of use");
        second.rollback().await.unwrap();
    }
    first.commit().await.unwrap();
}

#[tokio::test]
async fn calls_in_transactions_and_without_replay_each_other() {
    let (coord, mut client, table) = set_up().await;
    let (one, other) = (unique("key"), unique("key"));
    let mut tx = client.transaction().await.unwrap();
    once(&coord, &one, &mut tx, &table).await.unwrap();
    tx.commit().await.unwrap();
    let replayed = coord
        .idempotency(&*one)
        .outcome(async || Ok::<i64, Error>(1))
        .await;
    assert_eq!(replayed.unwrap(), Outcome::Replayed(7));

    coord
        .idempotency(&*other)
        .run(async || Ok::<i64, Error>(9))
        .await
        .unwrap();
    let mut tx = client.transaction().await.unwrap();
    assert_eq!(
        once(&coord, &other, &mut tx, &table).await.unwrap(),
        Outcome::Replayed(9)
    );
}

#[tokio::test]
async fn one_that_runs_in_no_transaction_is_in_progress() {
    let (coord, mut client, _) = set_up().await;
    let key = unique("key");
    let (door, stands) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let running = coord.idempotency(&*key).run(async || {
        stands.notify_one();
        door.notified().await;
        Ok::<i64, Error>(1)
    });
    let other = async {
        stands.notified().await;
        let mut tx = client.transaction().await.unwrap();
        let call = coord.idempotency(&*key);
        let refused = call.run_in(&mut tx, async |_| Ok::<i64, Error>(2)).await;
        assert!(
            matches!(refused, Err(Error::InProgress { .. })),
            "{refused:?}"
        );
        tx.rollback().await.unwrap();
        door.notify_one();
    };
    let (first, ()) = tokio::join!(running, other);
    assert_eq!(first.unwrap(), 1);
}

#[tokio::test]
async fn another_fingerprint_is_a_mismatch() {
    let (coord, mut client, _) = set_up().await;
    let key = unique("key");
    for (amount, expected) in [(1, None), (2, Some(())), (1, None)] {
        let mut tx = client.transaction().await.unwrap();
        let outcome = coord
            .idempotency(&*key)
            .fingerprint(amount)
            .run_in(&mut tx, async |_| Ok::<i64, Error>(1))
            .await;
        match expected {
            None => assert_eq!(outcome.unwrap(), 1),
            Some(()) => assert!(matches!(outcome, Err(Error::FingerprintMismatch { .. }))),
        }
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn another_store_is_told() {
    let (_, mut client, _) = set_up().await;
    let coord = Coordinator::builder().build();
    let mut tx = client.transaction().await.unwrap();
    let refused = coord
        .idempotency("a")
        .run_in(&mut tx, async |_| Ok::<i64, Error>(1))
        .await;
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::InvalidOption { .. }), "{error:?}");
    assert!(error.to_string().contains("not PostgreSQL"), "{error}");
}

#[tokio::test]
async fn a_process_that_is_killed_before_it_commits_leaves_nothing() {
    let (coord, mut client, table) = set_up().await;
    let key = unique("key");
    let url = shared_postgres().await;
    for (command, executed) in [("stand", true), ("commit", true), ("commit", false)] {
        let mut worker = Worker::spawn(
            env!("CARGO_BIN_EXE_transaction_worker"),
            [&*url, &*key, &*table],
        );
        let expected = if executed { "executed" } else { "replayed" };
        assert_eq!(worker.next_line().await.as_deref(), Some(expected));
        worker.send_line(command);
        worker.next_line().await;
        worker.kill();
        worker.until_exit().await;
    }
    assert_eq!(effects(&client, &table).await, 1);
    let mut tx = client.transaction().await.unwrap();
    assert_eq!(
        once(&coord, &key, &mut tx, &table).await.unwrap(),
        Outcome::Replayed(7)
    );
}

/// A step of a saga is run again when its process dies behind the commit; its effect is not.
#[coord::saga("ledger:<entry>")]
#[derive(Serialize, Deserialize)]
struct Book {
    entry: u64,
    url: String,
    table: String,
}

#[coord::saga]
impl Book {
    #[step(retry = "fast")]
    async fn write(&self, ctx: &StepContext, #[dep] coord: &Ours) -> Result<i64, String> {
        let key = ctx.idempotency_key().to_owned();
        match begins(self.url.clone(), coord.0.clone(), key, self.table.clone()).await {
            Outcome::Executed(_) => Err("the answer got lost".to_owned()),
            Outcome::Replayed(effect) => Ok(effect),
        }
    }
}

/// What the step's calls go through.
struct Ours(Coordinator);

#[tokio::test]
async fn a_step_that_is_run_again_has_its_effect_once() -> Result<(), SagaError> {
    let (coord, client, table) = set_up().await;
    let url = shared_postgres().await;
    let executing = Coordinator::builder()
        .store(crate::connect(&url).await)
        .namespace(unique("saga"))
        .provide(Ours(coord))
        .build();
    let book = Book {
        entry: 1,
        url: url.clone(),
        table: table.clone(),
    };
    assert_eq!(book.run_with(&executing).await?.write, 7);
    assert_eq!(effects(&client, &table).await, 1);
    Ok(())
}
