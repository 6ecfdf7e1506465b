//! A store with a copy, while the store is away.

use std::time::Duration;

use coord::store::{
    Append, AppendRequest, Condition, DeleteRequest, Fallback, LeaseRequest, ListRequest,
    MemoryStore, Put, PutRequest, Store, StoreExt,
};
use coord::testing::{Fault, FaultStore, Operation};
use coord::{Coordinator, Outcome, StoreErrorKind};

use crate::server::Server;
use crate::{LONG, acquired, get, put, set, some};

fn fallback() -> (Fallback, Server, Server) {
    let (primary, secondary) = (Server::new(), Server::new());
    let store = Fallback::new(primary.clone(), secondary.clone());
    (store, primary, secondary)
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_read_from_the_copy_while_the_primary_is_away() {
    let (store, primary, _) = fallback();
    set(&store, "a", "one").await;
    store.set("a", "two", LONG).await.unwrap();
    assert!(put(&store, &PutRequest::new("l/a", "").listed()).await);
    set(&store, "deleted", "").await;
    assert!(
        store
            .delete_record(&DeleteRequest::new("deleted"))
            .await
            .unwrap()
    );
    for (index, entry) in (0..).zip(["one", "two"]) {
        let append = AppendRequest::new("log", index, entry);
        assert_eq!(store.append_log(&append).await.unwrap(), Append::Appended);
    }
    for gone in [Server::goes_down, Server::hangs] {
        gone(&primary);
        assert_eq!(get(&store, "a").await.unwrap(), some("two"));
        let failed = get(&store, "deleted").await.unwrap_err();
        assert!(
            failed.is_retryable(),
            "the copy may have missed it: {failed:?}"
        );
        let page = store.list_records(&ListRequest::new("l/")).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        assert_eq!(store.read_log("log", 0, 10).await.unwrap(), ["one", "two"]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_granted_or_written_while_the_primary_is_away() {
    let (store, primary, secondary) = fallback();
    set(&store, "a", "one").await;
    let held = LeaseRequest::exclusive("held", LONG);
    acquired(&store, &held).await;
    primary.goes_down();
    let lease = LeaseRequest::exclusive("free", LONG);
    let renewal = store.renew_leases(&[held.renewal()]).await.remove(0);
    let failures = [
        store.acquire_lease(&lease).await.err(),
        renewal.err(),
        store.release_lease(&held.lease).await.err(),
        store.inspect_lease("held").await.err(),
        store.put_record(&PutRequest::new("a", "two")).await.err(),
        store
            .put_record(&PutRequest::new("new", "").when(Condition::Absent))
            .await
            .err(),
        store
            .put_record(&PutRequest::new("a", "two").when(Condition::Value("one".into())))
            .await
            .err(),
        store.delete_record(&DeleteRequest::new("a")).await.err(),
        store
            .append_log(&AppendRequest::new("log", 0, ""))
            .await
            .err(),
        store.expire_log("log", LONG).await.err(),
    ];
    for failure in failures {
        assert_eq!(
            failure.map(|error| error.kind()),
            Some(StoreErrorKind::NotApplied)
        );
    }
    assert_eq!(get(&secondary, "a").await.unwrap(), some("one"));
    assert_eq!(get(&secondary, "new").await.unwrap(), None);
    primary.comes_back();
    acquired(&store, &lease).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_there_already_conflicts_while_the_primary_is_away() {
    let (store, primary, _) = fallback();
    set(&store, "a", "one").await;
    primary.goes_down();
    let attempt = PutRequest::new("a", "two").when(Condition::Absent);
    let Put::Conflict(Some(there)) = store.put_record(&attempt).await.unwrap() else {
        panic!("the copy has it")
    };
    assert_eq!(there.value, "one");
    // Its version is none of the primary's.
    primary.comes_back();
    let stale = PutRequest::new("a", "two").when(Condition::Version(there.version));
    assert!(matches!(
        store.put_record(&stale).await,
        Ok(Put::Conflict(Some(_)))
    ));
}

/// Two servers of a kind may count alike.
#[tokio::test(start_paused = true)]
async fn a_version_of_the_copy_is_none_of_the_primarys() {
    let (store, primary, secondary) = fallback();
    let one = PutRequest::new("l/a", "one").listed();
    assert!(put(&primary, &one).await && put(&secondary, &one).await);
    primary.goes_down();
    let read = store.get_record("l/a").await.unwrap().unwrap().version;
    let page = store.list_records(&ListRequest::new("l/")).await.unwrap();
    primary.comes_back();
    for version in [read, page.entries[0].1.version] {
        let stale = PutRequest::new("l/a", "two").when(Condition::Version(version));
        assert!(!put(&store, &stale).await);
    }
}

/// The primary may have done it, so the copy cannot say that it was not.
#[tokio::test(start_paused = true)]
async fn a_write_whose_outcome_is_unknown_is_not_answered_by_the_copy() {
    let primary = FaultStore::new(MemoryStore::new());
    let store = Fallback::new(primary.clone(), MemoryStore::new());
    set(&store, "a", "one").await;
    primary.fail_next(Operation::Put, Fault::AfterSend);
    let attempt = PutRequest::new("a", "two").when(Condition::Absent);
    let error = store.put_record(&attempt).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_secondary_that_is_away_or_hangs_is_not_missed() {
    for gone in [Server::goes_down, Server::hangs] {
        let (store, _, secondary) = fallback();
        gone(&secondary);
        for round in 0..100 {
            set(&store, "a", &round.to_string()).await;
        }
        assert_eq!(get(&store, "a").await.unwrap(), some("99"));
        secondary.comes_back();
        tokio::time::sleep(Duration::from_secs(2)).await;
        set(&store, "a", "last").await;
        assert_eq!(get(&secondary, "a").await.unwrap(), some("last"));
    }
}

#[tokio::test(start_paused = true)]
async fn both_away_is_the_primarys_error() {
    let (store, primary, secondary) = fallback();
    primary.goes_down();
    secondary.goes_down();
    let error = get(&store, "a").await.unwrap_err();
    assert_eq!(error.operation(), "connect");
}

#[tokio::test(start_paused = true)]
async fn a_finished_call_is_replayed_while_the_primary_is_away() {
    let (store, primary, _) = fallback();
    let coord = Coordinator::builder().store(store).build();
    let pay = || async {
        let call = coord.idempotency("payment:1").ttl(LONG);
        call.outcome(async || Ok::<_, coord::Error>(7)).await
    };
    assert_eq!(pay().await.unwrap(), Outcome::Executed(7));
    primary.goes_down();
    assert_eq!(pay().await.unwrap(), Outcome::Replayed(7));
    let other = coord.idempotency("payment:2");
    assert!(other.run(async || Ok::<_, coord::Error>(7)).await.is_err());
}
