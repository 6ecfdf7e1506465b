//! A server that is killed, and starts again with what it had acknowledged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use coord::Coordinator;
use coord::store::{Acquired, Append, AppendRequest, LeaseRequest, PutRequest, Store, StoreExt};
use coord_tests::{PATIENCE, PostgresServer, until};
use tokio::sync::Notify;

use crate::{LONG, connect, coordinator, token};

/// Sends something again, with the same identity, until it is answered.
async fn insist<T>(mut send: impl AsyncFnMut() -> coord::store::Result<T>) -> T {
    until("an answer", async || match send().await {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert!(error.is_retryable(), "{error}");
            None
        }
    })
    .await
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let server = PostgresServer::builder().durable().start().await;
    let store = Arc::new(connect(&server.url()).await);
    let mut last_token = 0;
    for round in 0..2 {
        let writers: Vec<_> = (0..4)
            .map(|task| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let (mut puts, mut length, mut token) = (Vec::new(), 0, 0);
                    let log = format!("log/{round}/{task}");
                    loop {
                        let key = format!("put/{round}/{task}/{length}");
                        if store
                            .put_record(&PutRequest::new(&*key, key.clone()))
                            .await
                            .is_err()
                        {
                            return (log, puts, length, token);
                        }
                        puts.push(key);
                        let append = AppendRequest::new(&*log, length, length.to_string());
                        match store.append_log(&append).await {
                            Ok(appended) => assert_eq!(appended, Append::Appended),
                            Err(_) => return (log, puts, length, token),
                        }
                        length += 1;
                        let request =
                            LeaseRequest::exclusive(format!("lease/{round}/{task}"), LONG);
                        match store.acquire_lease(&request).await {
                            Ok(Acquired::Granted(granted)) => token = u64::from(granted),
                            Ok(other) => panic!("it is free: {other:?}"),
                            Err(_) => return (log, puts, length, token),
                        }
                        if store.release_lease(&request.lease).await.is_err() {
                            return (log, puts, length, token);
                        }
                    }
                })
            })
            .collect();
        until("some writes", async || {
            store
                .exists(&format!("put/{round}/0/20"))
                .await
                .ok()?
                .then_some(())
        })
        .await;
        server.kill();
        let mut logs = HashMap::new();
        let mut all_puts = Vec::new();
        for writer in writers {
            let (log, puts, length, token) = writer.await.unwrap();
            logs.insert(log, length);
            all_puts.extend(puts);
            last_token = last_token.max(token);
        }
        server.restart().await;
        let store = connect(&server.url()).await;
        for key in &all_puts {
            assert!(store.exists(key).await.unwrap(), "{key} was lost");
        }
        for (log, length) in &logs {
            let entries = store.read_log(log, 0, usize::MAX).await.unwrap();
            let expected: Vec<_> = (0..entries.len()).map(|index| index.to_string()).collect();
            assert_eq!(entries, expected, "the log {log} has holes");
            assert!(entries.len() as u64 >= *length, "{log} lost its end");
        }
        let later = token_of_a_new_lease(&store).await;
        assert!(later > last_token, "{later} follows {last_token}");
        last_token = later;
    }
}

async fn token_of_a_new_lease(store: &dyn Store) -> u64 {
    let request = LeaseRequest::exclusive("new", LONG);
    let token = token(store, &request).await;
    store.release_lease(&request.lease).await.unwrap();
    token
}

#[tokio::test]
async fn a_lease_is_held_through_a_restart() {
    let server = PostgresServer::builder().durable().start().await;
    let (coord, other) = (
        coordinator(&server.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    server.kill();
    server.restart().await;
    let tried = insist(async || {
        let tried = other.lock("a").try_acquire().await;
        tried.map_err(|error| match error {
            coord::Error::Store(error) => error,
            other => panic!("{other:?}"),
        })
    })
    .await;
    assert!(tried.is_none(), "it is held");
    assert!(lease.is_held());
    until("the release", async || {
        match other.lock("b").try_acquire().await {
            Ok(_) => Some(()),
            Err(_) => None,
        }
    })
    .await;
    lease.release().await.unwrap();
    drop(other.lock("a").acquire().await.unwrap());
}

/// The server may forget a release that hands nothing on. Whoever comes next waits for the ttl then, and no longer.
#[tokio::test]
async fn a_release_before_a_kill_leaves_no_more_than_the_ttl() {
    let server = PostgresServer::builder().durable().start().await;
    let store = connect(&server.url()).await;
    let request = LeaseRequest::exclusive("coord/lock/a", Duration::from_secs(2));
    let before = token(&store, &request).await;
    store.release_lease(&request.lease).await.unwrap();
    server.kill();
    server.restart().await;
    let other = coordinator(&server.url()).await;
    let lease = other.lock("a").ttl(LONG).wait(PATIENCE).acquire().await;
    assert!(u64::from(lease.unwrap().token()) > before);
}

/// A waiter's number is from before the restart; its grant has one from after.
#[tokio::test]
async fn one_who_waits_through_a_restart_is_granted_with_a_later_token() {
    let server = PostgresServer::builder().durable().start().await;
    let (coord, other) = (
        coordinator(&server.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let other = other.clone();
            tokio::spawn(async move {
                let lease = other.lock("a").ttl(LONG).acquire().await?;
                let token = u64::from(lease.token());
                lease.release().await?;
                Ok::<_, coord::Error>(token)
            })
        })
        .collect();
    until("them to wait", async || {
        let line = coord.store().inspect_lease("coord/lock/a").await.ok()?;
        (line.len() == 3).then_some(())
    })
    .await;
    let before: Vec<_> = coord.store().inspect_lease("coord/lock/a").await.unwrap();
    let last_before = before.iter().map(|one| u64::from(one.token)).max().unwrap();
    server.kill();
    server.restart().await;
    until("the server to answer the holder", async || {
        coord.store().get("x").await.ok()
    })
    .await;
    let held = u64::from(lease.token());
    until("the release", async || {
        let line = coord.store().inspect_lease("coord/lock/a").await.ok()?;
        Some(line)
    })
    .await;
    lease.release().await.unwrap();
    let mut tokens = vec![held];
    for waiter in waiters {
        let token = tokio::time::timeout(PATIENCE, waiter)
            .await
            .expect("it is granted")
            .unwrap()
            .unwrap();
        assert!(token > last_before, "{token} is from before the restart");
        tokens.push(token);
    }
    tokens[1..].sort_unstable();
    assert!(tokens.is_sorted(), "{tokens:?}");
}

#[tokio::test]
async fn a_saga_goes_on_through_a_restart() {
    let server = PostgresServer::builder().durable().start().await;
    let coord = coordinator(&server.url()).await;
    let (stands, goes_on) = (Notify::new(), Notify::new());
    let restart = async {
        stands.notified().await;
        server.kill();
        server.restart().await;
        goes_on.notify_one();
    };
    let saga = Box::pin(two_steps(&coord, &stands, &goes_on));
    let both = async { tokio::join!(saga, restart) };
    let (done, ()) = tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .expect("it ends");
    assert_eq!(done.unwrap(), 3);
}

async fn two_steps(
    coord: &Coordinator,
    stands: &Notify,
    goes_on: &Notify,
) -> Result<u32, coord::SagaError> {
    coord
        .saga("two")
        .run(async |saga| {
            let one = saga.step("one", async || Ok::<_, String>(1)).await?;
            let two = saga
                .step("two", async || {
                    stands.notify_one();
                    goes_on.notified().await;
                    Ok::<_, String>(2)
                })
                .await?;
            Ok(one + two)
        })
        .await
}
