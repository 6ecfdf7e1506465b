//! Several stores, each for keys of its own.

use std::sync::Arc;
use std::time::Duration;

use coord::Coordinator;

use coord::store::{
    AppendRequest, LeaseRequest, ListRequest, MemoryStore, PutRequest, Renewed, Routed, Store,
    StoreExt,
};
use coord::testing::{Fault, FaultStore, Operation, Rule};

use crate::{LONG, acquired, get, put, set, some};

/// Stores for "a/", for "a/b/" and for the rest.
fn routed() -> (Routed, [FaultStore; 3]) {
    let stores = [(); 3].map(|()| FaultStore::new(MemoryStore::new()));
    let [a, b, rest] = stores.clone();
    let store = Routed::new(rest).route("a/", a).route("a/b/", b);
    (store, stores)
}

#[tokio::test(start_paused = true)]
async fn the_longest_prefix_decides() {
    let (store, [a, b, rest]) = routed();
    for (key, owner) in [
        ("a/1", &a),
        ("a/b", &a),
        ("a/b/1", &b),
        ("a/b/", &b),
        ("a", &rest),
        ("b/a/b/", &rest),
    ] {
        set(&store, key, key).await;
        store
            .append_log(&AppendRequest::new(key, 0, "entry"))
            .await
            .unwrap();
        acquired(&store, &LeaseRequest::exclusive(key, LONG)).await;
        for one in [&a, &b, &rest] {
            let is_there = get(one, key).await.unwrap() == some(key);
            let has_log = !one.read_log(key, 0, 10).await.unwrap().is_empty();
            let is_held = !one.inspect_lease(key).await.unwrap().is_empty();
            let is_owner = std::ptr::eq(one, owner);
            assert_eq!(
                (is_there, has_log, is_held),
                (is_owner, is_owner, is_owner),
                "{key}"
            );
        }
        assert_eq!(get(&store, key).await.unwrap(), some(key));
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_across_routes_is_in_order_and_whole_in_pages_of_any_size() {
    let (store, [a, b, rest]) = routed();
    let mut names: Vec<String> = (0..200)
        .map(|index| match index % 4 {
            0 => format!("a/{index:03}"),
            1 => format!("a/b/{index:03}"),
            2 => format!("a/b{index:03}"),
            _ => format!("c/{index:03}"),
        })
        .collect();
    for name in &names {
        assert!(put(&store, &PutRequest::new(&**name, "").listed()).await);
    }
    // What stands where it does not belong is not seen.
    for (one, name) in [(&a, "a/b/1"), (&a, "c/1"), (&b, "a/1"), (&rest, "a/1")] {
        assert!(put(one, &PutRequest::new(name, "").listed()).await);
    }
    names.sort_unstable();
    for prefix in ["", "a", "a/", "a/b", "a/b/", "a/b/0", "c/", "nothing"] {
        let expected: Vec<_> = names
            .iter()
            .filter(|name| name.starts_with(prefix))
            .collect();
        for page_of in [1, 7, 60, 1_000] {
            let mut listed = Vec::new();
            let mut request = ListRequest::new(prefix).limit(page_of);
            loop {
                let page = store.list_records(&request).await.unwrap();
                assert!(page.entries.len() <= page_of);
                listed.extend(page.entries.into_iter().map(|(key, _)| key));
                match page.next {
                    Some(next) => request = request.after(next),
                    None => break,
                }
            }
            assert_eq!(
                listed.iter().collect::<Vec<_>>(),
                expected,
                "{prefix:?} by {page_of}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_renewals_is_split_and_each_part_fails_by_itself() {
    let (store, [a, ..]) = routed();
    let names = ["c/1", "a/1", "a/b/1", "a/2", "c/2"];
    let leases = names.map(|name| LeaseRequest::exclusive(name, LONG));
    let mut tokens = Vec::new();
    for lease in &leases {
        tokens.push(acquired(&store, lease).await);
    }
    let batch = leases.map(|lease| lease.renewal());
    for fails in [false, true] {
        if fails {
            a.fail_next(Operation::Renew, Fault::BeforeSend);
        }
        let answers = store.renew_leases(&batch).await;
        assert_eq!(answers.len(), names.len());
        for ((answer, name), token) in answers.into_iter().zip(names).zip(&tokens) {
            if fails && matches!(name, "a/1" | "a/2") {
                assert!(answer.is_err(), "{name}");
            } else {
                assert_eq!(answer.unwrap(), Renewed::Granted(*token), "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_fails_for_its_own_keys() {
    let (store, [a, ..]) = routed();
    set(&store, "c/1", "one").await;
    a.inject(Rule::on_everything(), Fault::BeforeSend);
    assert!(get(&store, "a/1").await.is_err());
    assert_eq!(get(&store, "c/1").await.unwrap(), some("one"));
    assert!(store.list_records(&ListRequest::new("c/")).await.is_ok());
    assert!(
        store.list_records(&ListRequest::new("")).await.is_err(),
        "part of it is missing"
    );
}

#[tokio::test(start_paused = true)]
async fn one_store_can_have_several_routes() {
    let shared: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let store = Routed::new(Arc::clone(&shared))
        .route("a/", MemoryStore::new())
        .route("a/b/", shared);
    for name in ["a/1", "a/b/1", "c/1"] {
        assert!(put(&store, &PutRequest::new(name, "").listed()).await);
    }
    let page = store.list_records(&ListRequest::new("")).await.unwrap();
    let listed: Vec<_> = page.entries.iter().map(|(key, _)| &**key).collect();
    assert_eq!(listed, ["a/1", "a/b/1", "c/1"]);
    assert!(store.exists("a/b/1").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_loses_no_lease_of_another() {
    const TTL: Duration = Duration::from_secs(2);
    let slow = FaultStore::new(MemoryStore::new());
    slow.inject(Rule::on(Operation::Renew), Fault::Delay(2 * TTL));
    let store = Routed::new(slow).route("shop/lock/fast", MemoryStore::new());
    let coord = Coordinator::builder().store(store).namespace("shop");
    let coord = coord.build();
    let _slow = coord.lock("slow").ttl(TTL).acquire().await.unwrap();
    let fast = coord.lock("fast").ttl(TTL).acquire().await.unwrap();
    tokio::time::sleep(10 * TTL).await;
    assert!(fast.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_its_time_keeps_its_leases() {
    const TTL: Duration = Duration::from_secs(2);
    let slow = FaultStore::new(MemoryStore::new());
    slow.inject(Rule::on(Operation::Renew), Fault::Delay(TTL * 2 / 5));
    let store = Routed::new(slow).route("shop/lock/fast", MemoryStore::new());
    let coord = Coordinator::builder().store(store).namespace("shop");
    let coord = coord.build();
    let slow = coord.lock("slow").ttl(TTL).acquire().await.unwrap();
    let fast = coord.lock("fast").ttl(TTL).acquire().await.unwrap();
    tokio::time::sleep(10 * TTL).await;
    assert!(slow.is_held() && fast.is_held());
}
