//! Two stores that both get what is written.

use std::sync::Arc;

use coord::store::{
    Append, AppendRequest, Condition, DeleteRequest, Fallback, LeaseRequest, MemoryStore, Mirror,
    Put, PutRequest, Store,
};
use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord::{Coordinator, StoreErrorKind};
use tokio::task::JoinSet;

use crate::{LONG, acquired, get, put, set, some};

fn mirror() -> (Mirror, FaultStore, FaultStore) {
    let (first, second) = (
        FaultStore::new(MemoryStore::new()),
        FaultStore::new(MemoryStore::new()),
    );
    let store = Mirror::new(first.clone(), second.clone());
    (store, first, second)
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_is_in_both() {
    let (store, first, second) = mirror();
    let request = PutRequest::new("a", "one")
        .when(Condition::Absent)
        .ttl(LONG);
    assert!(put(&store, &request).await);
    assert!(!put(&store, &PutRequest::new("a", "two").when(Condition::Absent)).await);
    for (index, entry) in (0..).zip(["one", "two"]) {
        let append = AppendRequest::new("log", index, entry);
        assert_eq!(store.append_log(&append).await.unwrap(), Append::Appended);
    }
    for one in [&first, &second] {
        let entry = one.get_record("a").await.unwrap().unwrap();
        assert_eq!(entry.value, "one");
        assert!(entry.expires_in.is_some_and(|left| left <= LONG));
        assert_eq!(one.read_log("log", 0, 10).await.unwrap(), ["one", "two"]);
    }
    assert!(store.delete_record(&DeleteRequest::new("a")).await.unwrap());
    store.expire_log("log", LONG / 10).await.unwrap();
    tokio::time::sleep(LONG / 5).await;
    for one in [&first, &second] {
        assert_eq!(get(one, "a").await.unwrap(), None);
        assert_eq!(one.read_log("log", 0, 10).await.unwrap(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_done_in_one_only_is_unknown_until_it_is_sent_again() {
    let (store, first, second) = mirror();
    let request = PutRequest::new("a", "one");
    second.fail_next(Operation::Put, Fault::BeforeSend);
    let error = store.put_record(&request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
    assert_eq!(get(&first, "a").await.unwrap(), some("one"));
    assert_eq!(get(&second, "a").await.unwrap(), None);
    assert!(put(&store, &request).await);
    assert_eq!(get(&second, "a").await.unwrap(), some("one"));

    let append = AppendRequest::new("log", 0, "one");
    second.fail_next(Operation::Append, Fault::BeforeSend);
    let error = store.append_log(&append).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown);
    // Whoever goes on brings over what is missing.
    let next = AppendRequest::new("log", 1, "two");
    assert_eq!(store.append_log(&next).await.unwrap(), Append::Appended);
    assert_eq!(second.read_log("log", 0, 10).await.unwrap(), ["one", "two"]);
}

/// The copy would be set back otherwise.
#[tokio::test(start_paused = true)]
async fn a_write_sent_again_copies_what_is_there_now() {
    let (store, _, second) = mirror();
    let old = PutRequest::new("a", "old");
    second.fail_next(Operation::Put, Fault::BeforeSend);
    assert!(store.put_record(&old).await.is_err());
    set(&store, "a", "new").await;
    assert!(put(&store, &old).await, "it was done");
    assert_eq!(get(&second, "a").await.unwrap(), some("new"));
}

/// Who deletes it finds no copy yet.
#[tokio::test(start_paused = true)]
async fn what_is_deleted_while_it_is_copied_leaves_no_copy() {
    let (first, second) = (
        FaultStore::new(MemoryStore::new()),
        FaultStore::new(MemoryStore::new()),
    );
    let mirror = Mirror::new(first.clone(), second.clone());
    let fallback = Fallback::new(first.clone(), second.clone());
    let stores: [Arc<dyn Store>; 2] = [Arc::new(mirror), Arc::new(fallback)];
    for store in stores {
        let copying = second.hold(Rule::on(Operation::Put));
        let put = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.put_record(&PutRequest::new("a", "one")).await }
        });
        copying.reached().await;
        assert!(store.delete_record(&DeleteRequest::new("a")).await.unwrap());
        copying.release();
        assert!(matches!(put.await.unwrap(), Ok(Put::Stored(_))));
        assert_eq!(get(&second, "a").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_copy_ends_as_the_original_whatever_writes_at_the_same_time() {
    let (store, first, second) = mirror();
    let store = Arc::new(store);
    let tasks: JoinSet<()> = (0..8)
        .map(|task| {
            let store = Arc::clone(&store);
            async move {
                for round in 0..50 {
                    let key = format!("{}", round % 3);
                    if (task + round) % 7 == 0 {
                        store.delete_record(&DeleteRequest::new(key)).await.unwrap();
                    } else {
                        let put = PutRequest::new(key, format!("{task}/{round}"));
                        store.put_record(&put).await.unwrap();
                    }
                }
            }
        })
        .collect();
    tasks.join_all().await;
    for key in ["0", "1", "2"] {
        assert_eq!(
            get(&first, key).await.unwrap(),
            get(&second, key).await.unwrap()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_that_fails_is_not_covered_for() {
    let (store, first, second) = mirror();
    set(&store, "a", "one").await;
    first.fail_next(Operation::Get, Fault::BeforeSend);
    assert!(get(&store, "a").await.is_err());
    first.fail_next(Operation::Put, Fault::BeforeSend);
    let error = store
        .put_record(&PutRequest::new("a", "two"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    assert_eq!(get(&second, "a").await.unwrap(), some("one"));
}

#[tokio::test(start_paused = true)]
async fn after_moving_to_the_second_its_tokens_go_on_and_results_are_replayed() {
    let (store, _, second) = mirror();
    let coord = Coordinator::builder().store(store).build();
    let call = |coord: &Coordinator| coord.idempotency("payment:1").ttl(LONG);
    let paid = call(&coord).run(async || Ok::<_, coord::Error>(7)).await;
    assert_eq!(paid.unwrap(), 7);
    let before = coord.lock("a").acquire().await.unwrap().token();

    let moved = Coordinator::builder().store(second).build();
    let replayed = call(&moved).run(async || Ok::<_, coord::Error>(8)).await;
    assert_eq!(replayed.unwrap(), 7);
    assert!(moved.lock("a").acquire().await.unwrap().token() > before);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_in_the_first_alone() {
    let (store, first, second) = mirror();
    let lease = LeaseRequest::exclusive("a", LONG);
    acquired(&store, &lease).await;
    assert_eq!(first.inspect_lease("a").await.unwrap().len(), 1);
    assert_eq!(second.inspect_lease("a").await.unwrap(), []);
    let attempt = PutRequest::new("a", "").when(Condition::Value("x".into()));
    assert_eq!(
        store.put_record(&attempt).await.unwrap(),
        Put::Conflict(None)
    );
}
