//! Redis Cluster: masters that die, slots that move, and what is refused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coord::store::{
    Acquired, Append, AppendRequest, FencingToken, LeaseRequest, ListRequest, Put, PutRequest,
    RedisStore, Store,
};
use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{PATIENCE, RedisCluster, RedisServer, shared_redis_cluster, unique, until};
use futures_util::future::join_all;

use crate::{LONG, builder, connect, refused, token};

/// Nothing is waited for between the grant and the end of the master, since a replica has acknowledged it.
#[tokio::test]
async fn holder_and_waiter_follow_when_a_master_dies() {
    let cluster = RedisCluster::start(3, 1).await;
    let holding = connect(builder().min_replicas(1), &cluster.url()).await;
    let waiting = connect(builder(), &cluster.url()).await;
    let holder = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn(async move { waiting.lock("a").acquire().await });
    until("one to wait", async || {
        let line = holding.store().inspect_lease("shop/lock/a").await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    let master = cluster.master_with("shop/lock/a").await;
    let replica = &cluster.replicas()[master];
    replica.wait_until_replica_synced().await;
    cluster.masters()[master].kill();
    cluster.until_promoted(replica).await;
    assert!(holder.is_held());
    assert!(!waiter.is_finished());
    let before = token(&holder);
    // No replica is left to acknowledge anything, so it is not told whether that succeeds.
    let beside = connect(builder(), &cluster.url()).await;
    let line = beside.store().inspect_lease("shop/lock/a").await.unwrap();
    assert_eq!(u64::from(line[0].token), before);
    let _ = holder.release().await;
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > before);
}

#[tokio::test]
async fn what_was_answered_is_at_the_replica() {
    let cluster = RedisCluster::start(3, 1).await;
    let coord = connect(builder().min_replicas(1), &cluster.url()).await;
    let put = PutRequest::new("shop/x", b"1".to_vec());
    let stored = coord.store().put_record(&put).await;
    assert!(matches!(stored, Ok(Put::Stored(_))));
    let master = cluster.master_with("shop/x").await;
    cluster.masters()[master].kill();
    cluster.until_promoted(&cluster.replicas()[master]).await;
    let after = connect(builder(), &cluster.url()).await;
    assert!(after.store().get_record("shop/x").await.unwrap().is_some());
}

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
        let tasks = (0..4).map(async |_| {
            let (coord, seen) = (connect(builder(), url).await, Arc::clone(&seen));
            tokio::spawn(async move {
                let mut number = 0;
                while !seen.enough.load(Ordering::SeqCst) {
                    seen.lock(&coord, number).await;
                    seen.call(&coord, number).await;
                    number += 1;
                }
            })
        });
        Self {
            tasks: join_all(tasks).await,
            seen,
        }
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

/// A replica that lacks the latest may take over: what was asked for after that gets greater tokens all the same.
#[tokio::test]
async fn tokens_grow_through_the_death_of_a_master_under_load() {
    let cluster = RedisCluster::start(3, 1).await;
    let last: Arc<[AtomicU64; 8]> = Arc::default();
    let enough = Arc::new(AtomicBool::new(false));
    let tasks = (0..4).map(async |_| {
        let coord = connect(builder(), &cluster.url()).await;
        let (last, enough) = (Arc::clone(&last), Arc::clone(&enough));
        tokio::spawn(async move {
            for number in 0.. {
                if enough.load(Ordering::SeqCst) {
                    return number;
                }
                let greatest = &last[number % 8];
                let before = greatest.load(Ordering::SeqCst);
                let lock = coord.lock(format!("load/{}", number % 8));
                match lock.ttl(Duration::from_secs(1)).acquire().await {
                    Ok(lease) => {
                        let token = token(&lease);
                        assert!(token > before, "{token} after {before}");
                        greatest.fetch_max(token, Ordering::SeqCst);
                        let _ = lease.release().await;
                    }
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
            }
            0
        })
    });
    let tasks = join_all(tasks).await;
    let all_go_on = async || {
        let from: Vec<_> = last
            .iter()
            .map(|last| last.load(Ordering::SeqCst))
            .collect();
        until("every lock to be granted again", async || {
            let goes_on = |(last, from): (&AtomicU64, _)| last.load(Ordering::SeqCst) > from;
            let mut locks = last.iter().zip(from.iter().copied());
            locks.all(goes_on).then_some(())
        })
        .await;
    };
    all_go_on().await;
    for number in 0..2 {
        let (master, replica) = (&cluster.masters()[number], &cluster.replicas()[number]);
        master.kill();
        cluster.until_promoted(replica).await;
        all_go_on().await;
        // What was the master comes back with nothing, as a replica.
        master.restart().await;
    }
    all_go_on().await;
    enough.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
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
    let holding = connect(builder(), &cluster.url()).await;
    let waiting = connect(builder(), &cluster.url()).await;
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
    let store = builder().connect(&cluster.url()).await.unwrap();
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

#[tokio::test]
async fn a_cluster_that_is_down_refuses_in_time_and_serves_again() {
    let cluster = RedisCluster::start(3, 0).await;
    let coord = connect(builder(), &cluster.url()).await;
    let lease = coord.lock("a").acquire().await.unwrap();
    let before = token(&lease);
    lease.release().await.unwrap();
    let master = cluster.master_with("coord").await;
    let master = &cluster.masters()[master];
    master.kill();
    let refusal = async || {
        let acquired = coord.lock("a").acquire();
        let answer = tokio::time::timeout(PATIENCE, acquired).await;
        match answer.expect("an answer") {
            Err(Error::Store(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    // The first may have been under way.
    assert!(refusal().await.is_retryable());
    let error = refusal().await;
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    for node in cluster.masters() {
        node.kill();
    }
    let error = refused(builder(), &cluster.url()).await;
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    assert!(error.to_string().contains("no node"), "{error}");

    join_all(cluster.masters().iter().map(RedisServer::restart)).await;
    let lease = until("the cluster to serve again", async || {
        coord.lock("a").acquire().await.ok()
    })
    .await;
    assert!(token(&lease) > before);
}

/// What a demoted master does that knows nothing of it looks the same: so the cluster is asked first.
#[tokio::test]
async fn tokens_grow_although_another_client_has_begun_lower() {
    let cluster = RedisCluster::start(3, 0).await;
    let store = builder().connect(&cluster.url()).await.unwrap();
    let granted = async |store: &RedisStore, floor| {
        let mut lease = LeaseRequest::exclusive("shop/a", LONG);
        lease.token_floor = floor;
        match store.acquire_lease(&lease).await {
            Ok(Acquired::Granted(token)) => {
                store.release_lease(&lease.lease).await.unwrap();
                token
            }
            other => panic!("{other:?}"),
        }
    };
    let first: u64 = granted(&store, None).await.into();
    let far_ahead = FencingToken::new(first + (1_000_000 << 32));
    granted(&store, Some(far_ahead)).await;
    let high = granted(&store, None).await;
    assert!(high > far_ahead);
    for node in cluster.nodes() {
        node.cli(&["FLUSHALL"]).await;
    }
    let other = builder().connect(&cluster.url()).await.unwrap();
    assert!(granted(&other, None).await < high);
    assert!(granted(&store, None).await > high);
}

/// The connections of those who wait stay as they are; only the slot is another's.
#[tokio::test]
async fn holder_and_waiter_follow_when_an_operator_changes_the_master() {
    let cluster = RedisCluster::start(3, 1).await;
    let holding = connect(builder(), &cluster.url()).await;
    let waiting = connect(builder(), &cluster.url()).await;
    let holder = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let before = token(&holder);
    let waiter = tokio::spawn(async move { waiting.lock("a").acquire().await });
    until("one to wait", async || {
        let line = holding.store().inspect_lease("shop/lock/a").await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    let replica = &cluster.replicas()[cluster.master_with("shop/lock/a").await];
    replica.cli(&["CLUSTER", "FAILOVER"]).await;
    cluster.until_promoted(replica).await;
    holder.release().await.unwrap();
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > before);
    next.release().await.unwrap();
}

#[tokio::test]
async fn an_operation_is_one_request() {
    let cluster = RedisCluster::start(1, 0).await;
    let coord = connect(builder(), &cluster.url()).await;
    let node = &cluster.masters()[0];
    let cycle = async || {
        let lease = coord.lock("a").acquire().await.unwrap();
        lease.release().await.unwrap();
        let key = unique("shop/x");
        let put = PutRequest::new(&*key, b"1".to_vec()).listed();
        coord.store().put_record(&put).await.unwrap();
        let append = AppendRequest::new(&*key, 0, b"1".to_vec());
        coord.store().append_log(&append).await.unwrap();
    };
    // The first has the epoch to learn.
    cycle().await;
    node.reset_stats().await;
    cycle().await;
    let stats = node.commandstats().await;
    assert_eq!(stats["evalsha"], 4, "{stats:?}");
    for other in ["cluster|slots", "hello", "ssubscribe", "script|load"] {
        assert!(!stats.contains_key(other), "{stats:?}");
    }
}

#[tokio::test]
async fn records_of_all_masters_are_listed_in_order() {
    let url = shared_redis_cluster().await;
    let store = builder().connect(&url).await.unwrap();
    let prefix = unique("listed/");
    let keys: Vec<_> = (0..700).map(|n| format!("{prefix}/{n:03}")).collect();
    join_all(keys.iter().map(async |key| {
        let put = PutRequest::new(&**key, key.clone()).listed();
        store.put_record(&put).await.unwrap();
    }))
    .await;
    let mut found = Vec::new();
    let mut request = ListRequest::new(&*prefix).limit(300);
    loop {
        let page = store.list_records(&request).await.unwrap();
        found.extend(page.entries.into_iter().map(|(key, _)| key));
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, keys);
}

#[tokio::test]
async fn what_cannot_be_used_is_told_without_secrets() {
    let cluster = RedisCluster::start_with_password(1, "secret").await;
    connect(builder(), &cluster.url_as(":secret@")).await;
    for user in [":hunter2@", "bob:hunter2@", ""] {
        let error = refused(builder(), &cluster.url_as(user)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("password"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    let alone = RedisServer::start().await;
    let error = refused(builder(), &format!("redis+cluster://{}", alone.addr())).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("redis://"), "{error}");
    // Two of three do not have what is looked at first.
    let url = shared_redis_cluster().await;
    let nodes = url.trim_start_matches("redis+cluster://").split(',');
    let connected = nodes.map(async |node| builder().connect(&format!("redis://{node}")).await);
    let refused: Vec<_> = join_all(connected).await;
    let refused: Vec<_> = refused.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    let shown = refused[0].to_string();
    assert!(shown.contains("redis+cluster://"), "{shown}");

    for malformed in [
        "redis+cluster://",
        "redis+cluster://:hunter2@a,,b",
        "redis+cluster://localhost/1",
        "redis+cluster://localhost?password=hunter2",
    ] {
        let error = Coordinator::connect(malformed).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidUrl { .. }),
            "{malformed}: {error:?}"
        );
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("redis+cluster://") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
