//! Slots that move from one master to another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coord::store::{Acquired, Append, AppendRequest, LeaseRequest, PutRequest, Store};
use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{RedisCluster, RedisServer, until};

use crate::{LONG, connect, patient, token};

/// Tasks that use locks and idempotent calls until they are told to end.
struct Load {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    enough: AtomicBool,
    /// The greatest token that anybody has had, for each lock.
    tokens: [AtomicU64; 8],
    grants: AtomicU64,
    /// How often the body of each call has run.
    runs: Mutex<HashMap<u64, u64>>,
}

impl Load {
    async fn start(url: &str) -> Self {
        let seen = Arc::new(Seen::default());
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let (coord, seen) = (connect(patient(), url).await, Arc::clone(&seen));
            tasks.push(tokio::spawn(async move {
                let mut number = 0;
                while !seen.enough.load(Ordering::SeqCst) {
                    seen.lock(&coord, number).await;
                    seen.call(&coord, number).await;
                    number += 1;
                }
            }));
        }
        Self { tasks, seen }
    }

    async fn some_more(&self) {
        let grants = || self.seen.grants.load(Ordering::SeqCst);
        let from = grants();
        until("the tasks to go on", async || {
            (grants() > from + 60).then_some(())
        })
        .await;
    }

    async fn end(self) {
        self.seen.enough.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let runs = self.seen.runs.lock().unwrap();
        assert!(!runs.is_empty());
        let again: Vec<_> = runs.iter().filter(|(_, runs)| **runs != 1).collect();
        assert!(again.is_empty(), "{again:?}");
    }
}

impl Seen {
    /// A grant comes after all that anybody has had before it was asked for.
    async fn lock(&self, coord: &Coordinator, number: u64) {
        let key = number % 8;
        let greatest = &self.tokens[usize::try_from(key).unwrap()];
        let before = greatest.load(Ordering::SeqCst);
        let lock = coord
            .lock(format!("load/{key}"))
            .ttl(Duration::from_secs(5));
        match lock.acquire().await {
            Ok(lease) => {
                let token = token(&lease);
                assert!(token > before, "{key}: {token} after {before}");
                greatest.fetch_max(token, Ordering::SeqCst);
                self.grants.fetch_add(1, Ordering::SeqCst);
                let _ = lease.release().await;
            }
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }

    /// All tasks make the same calls.
    async fn call(&self, coord: &Coordinator, number: u64) {
        let body = async || {
            *self.runs.lock().unwrap().entry(number).or_default() += 1;
            Ok::<_, Error>(number)
        };
        loop {
            let call = coord.idempotency(format!("load/{number}"));
            match call.run(body).await {
                Ok(result) => {
                    assert_eq!(result, number);
                    return;
                }
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    }
}

#[tokio::test]
async fn slots_move_under_load() {
    let cluster = RedisCluster::start(3, 0).await;
    let load = Load::start(&cluster.url()).await;
    load.some_more().await;
    for number in [0, 1, 2, 0] {
        let from = &cluster.masters()[number];
        let to = &cluster.masters()[(number + 1) % 3];
        for slot in cluster.slots_in_use(from).await {
            cluster.move_slot(slot, from, to).await;
        }
        load.some_more().await;
    }
    load.end().await;
}

/// The one who waits hears of its grant from the node that has the slot by then.
#[tokio::test]
async fn a_line_moves_with_its_slot() {
    let cluster = RedisCluster::start(3, 0).await;
    let holding = connect(patient(), &cluster.url()).await;
    let waiting = connect(patient(), &cluster.url()).await;
    let holder = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let before = token(&holder);
    let waiter = tokio::spawn(async move { waiting.lock("a").acquire().await });
    until("one to wait", async || {
        let line = holding.store().inspect_lease("shop/lock/a").await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    let (from, to) = move_of(&cluster, "shop/lock/a").await;
    for slot in cluster.slots_in_use(from).await {
        cluster.move_slot(slot, from, to).await;
    }
    assert!(holder.is_held());
    holder.release().await.unwrap();
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > before);
    next.release().await.unwrap();
}

/// The node that has the key, and another one.
async fn move_of<'a>(cluster: &'a RedisCluster, key: &str) -> (&'a RedisServer, &'a RedisServer) {
    let from = cluster.master_with(key).await;
    let masters = cluster.masters();
    (&masters[from], &masters[(from + 1) % masters.len()])
}

/// A record, and a log that is in the same slot.
#[tokio::test]
async fn while_a_slot_is_moved_single_keys_are_served_and_the_others_refused_in_time() {
    let cluster = RedisCluster::start(3, 0).await;
    let store = patient().connect(&cluster.url()).await.unwrap();
    let put = PutRequest::new("shop/x", b"1".to_vec());
    store.put_record(&put).await.unwrap();
    let (from, to) = move_of(&cluster, "shop/x").await;
    let slots = cluster.slots_in_use(from).await;
    let [slot] = slots[..] else {
        panic!("{slots:?}");
    };
    cluster.begin_move(slot, from, to).await;
    cluster.move_keys(slot, from, to).await;

    assert!(store.get_record("shop/x").await.unwrap().is_some());
    let append = AppendRequest::new("shop/x", 0, b"1".to_vec());
    assert!(matches!(
        store.append_log(&append).await,
        Ok(Append::Appended)
    ));
    assert_eq!(store.read_log("shop/x", 0, 9).await.unwrap().len(), 1);
    let lease = LeaseRequest::exclusive("shop/x", LONG);
    let error = store.acquire_lease(&lease).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");

    cluster.end_move(slot, from, to).await;
    store.acquire_lease(&lease).await.unwrap();
    assert_eq!(store.inspect_lease("shop/x").await.unwrap().len(), 1);
    assert_eq!(store.read_log("shop/x", 0, 9).await.unwrap().len(), 1);
}

/// All of its keys are on the node that the slot is moved away from, which may not make them again.
#[tokio::test]
async fn a_line_that_empties_while_its_slot_is_moved_is_completed_afterwards() {
    let cluster = RedisCluster::start(3, 0).await;
    let store = patient().connect(&cluster.url()).await.unwrap();
    let ttl = Duration::from_millis(300);
    let holds = LeaseRequest::exclusive("shop/x", ttl);
    let waits = LeaseRequest::exclusive("shop/x", ttl).queue(ttl);
    for lease in [&holds, &waits] {
        store.acquire_lease(lease).await.unwrap();
    }
    let (from, to) = move_of(&cluster, "shop/x").await;
    let slots = cluster.slots_in_use(from).await;
    let [slot] = slots[..] else {
        panic!("{slots:?}");
    };
    cluster.begin_move(slot, from, to).await;
    let error = until("the line to be empty", async || {
        store.inspect_lease("shop/x").await.err()
    })
    .await;
    assert!(error.is_retryable(), "{error}");
    cluster.move_keys(slot, from, to).await;
    cluster.end_move(slot, from, to).await;
    assert!(store.inspect_lease("shop/x").await.unwrap().is_empty());
    let next = LeaseRequest::exclusive("shop/x", LONG);
    let granted = store.acquire_lease(&next).await.unwrap();
    assert!(matches!(granted, Acquired::Granted(_)), "{granted:?}");
}
