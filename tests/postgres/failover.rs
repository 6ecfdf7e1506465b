//! A replica that takes over without the last of what was written, while the one before goes on.

use std::time::{SystemTime, UNIX_EPOCH};

use coord::StoreErrorKind;
use coord::store::{Acquired, LeaseRequest, Renewed, Store};
use coord_tests::{PostgresServer, until};

use crate::{LONG, connect, refused, token};

async fn granted_and_released(store: &dyn Store) -> u64 {
    let request = LeaseRequest::exclusive("a", LONG);
    let token = token(store, &request).await;
    assert!(store.release_lease(&request.lease).await.unwrap());
    token
}

#[tokio::test]
async fn a_promoted_replica_gives_greater_tokens_than_the_demoted_primary() {
    let primary = PostgresServer::start().await;
    let before = connect(&primary.url()).await;
    granted_and_released(&before).await;
    let holder = LeaseRequest::exclusive("line", LONG);
    let waiter = LeaseRequest::exclusive("line", LONG).queue(LONG);
    token(&before, &holder).await;
    let waiting = before.acquire_lease(&waiter).await.unwrap();
    assert!(matches!(waiting, Acquired::Waiting { .. }));

    let replica = PostgresServer::builder().replica_of(&primary).start().await;
    let error = refused(&replica.url()).await;
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    assert!(
        error.to_string().contains("connect to the primary"),
        "{error}"
    );

    // From here on it hears nothing of the primary.
    replica.cut_off().await;
    let mut lost = 0;
    for _ in 0..50 {
        lost = granted_and_released(&before).await;
    }
    replica.promote().await;
    let after = connect(&replica.url()).await;
    let first = granted_and_released(&after).await;
    assert!(first > lost, "{first} follows {lost}");
    for _ in 0..50 {
        let demoted = granted_and_released(&before).await;
        assert!(
            demoted < first,
            "{demoted} was given out by the demoted one after {first}"
        );
    }

    assert!(after.release_lease(&holder.lease).await.unwrap());
    let renewed = after
        .renew_leases(&[waiter.renewal()])
        .await
        .remove(0)
        .unwrap();
    let Renewed::Granted(handed_over) = renewed else {
        panic!("it is next")
    };
    assert!(
        u64::from(handed_over) > lost,
        "its number is from before the promotion"
    );
}

/// A process that was connected all the time finds out, and goes on with the tokens of the new one.
#[tokio::test]
async fn a_server_that_was_put_back_from_a_copy_gives_greater_tokens() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    granted_and_released(&store).await;
    let copy = server.copy_data().await;
    let mut lost = 0;
    for _ in 0..50 {
        lost = granted_and_released(&store).await;
    }
    // Each start begins an epoch, which is a number of seconds. A copy is older than the seconds used up since.
    until("the clock to pass the epoch", async || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (now.as_secs() > lost >> 32).then_some(())
    })
    .await;
    server.put_back(&copy).await;
    let request = LeaseRequest::exclusive("a", LONG);
    let later = until("the store to connect anew", async || {
        match store.acquire_lease(&request).await {
            Ok(Acquired::Granted(token)) => Some(u64::from(token)),
            _ => None,
        }
    })
    .await;
    assert!(later > lost, "{later} follows {lost}");
}
