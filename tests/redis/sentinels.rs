//! Redis Sentinel: failovers that are followed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use coord::store::{FencingToken, LeaseRequest};
use coord::{Coordinator, Error, StoreError, StoreErrorKind};
use coord_tests::{RedisServer, until};
use futures_util::future::join_all;

use crate::{LONG, builder, connect, refused, token};

const NAME: &str = "main";

/// A primary, a replica, and three Sentinels that know each other.
struct Watched {
    primary: RedisServer,
    replica: RedisServer,
    sentinels: Vec<RedisServer>,
}

impl Watched {
    async fn start() -> Self {
        let primary = RedisServer::start().await;
        let replica = RedisServer::builder().replica_of(&primary).start().await;
        replica.wait_until_replica_synced().await;
        let sentinels = join_all((0..3).map(|_| {
            RedisServer::builder()
                .sentinel_of(&primary, NAME, 2)
                .start()
        }))
        .await;
        let watched = Self {
            primary,
            replica,
            sentinels,
        };
        for sentinel in &watched.sentinels {
            until("a Sentinel to know the others", async || {
                let told = sentinel.cli(&["SENTINEL", "MASTER", NAME]).await;
                let told: Vec<_> = told
                    .array()
                    .iter()
                    .map(|word| word.text().into_owned())
                    .collect();
                let is = |field: &str, value: &str| {
                    told.chunks(2)
                        .any(|pair| pair[0] == field && pair[1] == value)
                };
                (is("num-other-sentinels", "2") && is("num-slaves", "1")).then_some(())
            })
            .await;
        }
        watched
    }

    fn url(&self) -> String {
        let hosts: Vec<_> = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.addr().to_string())
            .collect();
        format!("redis+sentinel://{}/{NAME}", hosts.join(","))
    }

    /// Returns when the replica is the primary, and the Sentinels say so.
    async fn until_promoted(&self) {
        until("the replica to be promoted", async || {
            (role(&self.replica).await? == "master").then_some(())
        })
        .await;
        until("a majority of Sentinels to know", async || {
            builder().connect(&self.url()).await.ok()
        })
        .await;
    }
}

/// `None` while its connections are ended, as Sentinels do with a server that changes its role.
async fn role(server: &RedisServer) -> Option<String> {
    let role = server.try_cli(&["ROLE"]).await.ok()?;
    Some(role.array().first()?.text().into_owned())
}

#[tokio::test]
async fn holder_and_waiter_follow_when_the_primary_dies() {
    let watched = Watched::start().await;
    let holding = connect(builder().min_replicas(1), &watched.url()).await;
    let waiting = connect(builder(), &watched.url()).await;
    let holder = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn(async move { waiting.lock("a").acquire().await });
    until("one to wait", async || {
        let line = holding.store().inspect_lease("shop/lock/a").await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    watched.replica.wait_until_replica_synced().await;
    watched.primary.kill();
    watched.until_promoted().await;
    assert!(holder.is_held());
    assert!(!waiter.is_finished());
    let before = token(&holder);
    // No replica is left to acknowledge anything, so it is not told whether that succeeds.
    let beside = connect(builder(), &watched.url()).await;
    let line = beside.store().inspect_lease("shop/lock/a").await.unwrap();
    assert_eq!(u64::from(line[0].token), before);
    let _ = holder.release().await;
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > before);
}

/// The old primary stays, and becomes a replica of the new one.
#[tokio::test]
async fn tokens_grow_through_a_failover_under_load() {
    let watched = Watched::start().await;
    let url = watched.url();
    let last = Arc::new(AtomicU64::new(0));
    let enough = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (url, last, enough) = (url.clone(), Arc::clone(&last), Arc::clone(&enough));
            tokio::spawn(async move {
                let coord = connect(builder(), &url).await;
                while !enough.load(Ordering::SeqCst) {
                    visit(&coord, &last).await;
                }
            })
        })
        .collect();
    let some_more = async || {
        let from = last.load(Ordering::SeqCst);
        until("the tasks to go on", async || {
            (last.load(Ordering::SeqCst) > from + 50).then_some(())
        })
        .await;
    };
    some_more().await;
    watched.sentinels[0]
        .cli(&["SENTINEL", "FAILOVER", NAME])
        .await;
    watched.until_promoted().await;
    until("the old primary to follow", async || {
        (role(&watched.primary).await? == "slave").then_some(())
    })
    .await;
    some_more().await;
    enough.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}

/// A resource that takes only growing tokens, which is entered if the lock can be had.
async fn visit(coord: &Coordinator, last: &AtomicU64) {
    let lease = match coord.lock("a").acquire().await {
        Ok(lease) => lease,
        Err(Error::Store(error)) if error.is_retryable() => return,
        Err(error) => panic!("{error}"),
    };
    let token = token(&lease);
    let before = last.fetch_max(token, Ordering::SeqCst);
    // The lock may have been lost before it was given out here; then another has been at the resource since.
    assert!(token > before || !lease.is_held(), "{token} after {before}");
    let _ = lease.release().await;
}

#[tokio::test]
async fn a_sentinel_that_is_down_or_paused_changes_nothing() {
    let watched = Watched::start().await;
    watched.sentinels[0].kill();
    let coord = connect(builder(), &watched.url()).await;
    coord
        .lock("a")
        .acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    watched.sentinels[0].restart().await;
    watched.sentinels[1].pause();
    let coord = connect(builder(), &watched.url()).await;
    coord
        .lock("a")
        .acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    watched.sentinels[1].resume();
}

/// Acquires and releases, and gives the token.
async fn taken(coord: &Coordinator) -> Result<u64, Error> {
    let lease = coord.lock("a").acquire().await?;
    let token = token(&lease);
    lease.release().await?;
    Ok(token)
}

/// Why nothing is granted. What was under way when a connection broke is left out.
async fn refusal(coord: &Coordinator) -> StoreError {
    until("a refusal", async || match taken(coord).await {
        Err(Error::Store(error)) if error.kind() == StoreErrorKind::NotApplied => Some(error),
        Err(Error::Store(error)) if error.is_retryable() => None,
        other => panic!("{other:?}"),
    })
    .await
}

/// The old primary and one Sentinel were away during a failover, and are back when nobody can tell them of it.
#[tokio::test]
async fn a_sentinel_that_missed_a_failover_leads_nobody_back_to_the_old_primary() {
    let watched = Watched::start().await;
    let stale = connect(builder(), &watched.primary.url()).await;
    taken(&stale).await.unwrap();
    watched.replica.wait_until_replica_synced().await;
    watched.sentinels[0].kill();
    watched.primary.pause();
    watched.until_promoted().await;
    let coord = connect(builder(), &watched.url()).await;
    let last = taken(&coord).await.unwrap();
    watched.replica.kill();
    watched.sentinels[1].kill();
    watched.sentinels[2].kill();
    watched.sentinels[0].restart().await;
    watched.primary.resume();
    let granted_by_old = async || {
        until("the old primary to go on", async || {
            taken(&stale).await.ok()
        })
        .await
    };
    assert!(granted_by_old().await < last);
    let error = refusal(&coord).await;
    assert!(error.to_string().contains("Sentinels"), "{error}");
    assert!(granted_by_old().await < last);
}

/// What a demoted primary does that knows nothing of it looks the same: so a majority is asked first.
#[tokio::test]
async fn tokens_grow_although_another_client_has_begun_lower() {
    let watched = Watched::start().await;
    let coord = connect(builder(), &watched.url()).await;
    let mut far_ahead = LeaseRequest::exclusive("shop/b", LONG);
    far_ahead.token_floor = Some(FencingToken::new(
        taken(&coord).await.unwrap() + (1_000_000 << 32),
    ));
    coord.store().acquire_lease(&far_ahead).await.unwrap();
    let high = taken(&coord).await.unwrap();
    watched.primary.cli(&["FLUSHALL"]).await;
    let other = connect(builder(), &watched.url()).await;
    assert!(taken(&other).await.unwrap() < high);
    watched.sentinels[1].kill();
    watched.sentinels[2].kill();
    let error = refusal(&coord).await;
    assert!(error.to_string().contains("Sentinels"), "{error}");
    watched.sentinels[1].restart().await;
    watched.sentinels[2].restart().await;
    let token = until("a lock", async || taken(&coord).await.ok()).await;
    assert!(token > high);
}

#[tokio::test]
async fn what_cannot_be_found_is_told() {
    let server = RedisServer::start().await;
    let sentinel = RedisServer::builder()
        .sentinel_of(&server, NAME, 1)
        .password("secret");
    let sentinel = sentinel.start().await;
    let at = |query: &str, name: &str| {
        format!(
            "redis+sentinel://127.0.0.1:{}/{name}{query}",
            sentinel.port()
        )
    };
    let password = "?sentinel_password=secret";
    connect(builder(), &at(password, NAME)).await;

    let error = refused(builder(), &at("?sentinel_password=hunter2", NAME)).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("sentinel_password"), "{error}");
    let error = refused(builder(), &at(password, "other")).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("the name"), "{error}");
    sentinel.kill();
    let error = refused(builder(), &at(password, NAME)).await;
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    assert!(error.to_string().contains("no Sentinel"), "{error}");

    for malformed in [
        "redis+sentinel://localhost",
        "redis+sentinel://localhost/",
        "redis+sentinel://:hunter2@a,,b/main",
        "redis+sentinel://localhost/main/x",
        "redis+sentinel://localhost/main?password=hunter2",
    ] {
        let error = Coordinator::connect(malformed).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidUrl { .. }),
            "{malformed}: {error:?}"
        );
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("redis+sentinel://") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
