//! What the stores of a quorum must keep: all that they acknowledged, or nothing. A quorum warns of those that do neither.

use std::sync::Arc;

use async_trait::async_trait;
use coord::store::{
    Capabilities, DeleteRequest, Durability, Entry, Examination, Fallback, ListRequest,
    MemoryStore, Page, Put, PutRequest, Quorum, RedisStore, Result, Routed, SqliteStore, Store,
    Synchronous,
};
use coord_tests::recording::Recording;
use coord_tests::redis::Persistence;
use coord_tests::{RedisServer, new_sqlite, until};

use crate::{set, some};

const WARNING: &str = "a store of a quorum: ";

/// A store whose server keeps what somebody has set, and does not say what that is.
struct Untold(MemoryStore);

#[async_trait]
impl Store for Untold {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        self.0.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        self.0.put_record(request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        self.0.delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        self.0.list_records(request).await
    }

    fn name(&self) -> &'static str {
        "untold"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown().with_durability(Durability::AsConfigured)
    }
}

async fn file(synchronous: Synchronous) -> Arc<dyn Store> {
    let store = SqliteStore::builder()
        .synchronous(synchronous)
        .open(new_sqlite())
        .await;
    Arc::new(store.expect("a file that can be opened"))
}

/// Of each of these, the quorum's words.
fn warnings(found: &Examination) -> Vec<&str> {
    let said = found.warnings.iter().filter_map(|warning| {
        let (whose, what) = warning.split_once(": ")?;
        what.contains("in a quorum, two can").then_some(whose)
    });
    said.collect()
}

#[tokio::test]
async fn a_quorum_warns_once_of_each_store_that_can_come_back_with_older_data() {
    let recording = Recording::start();
    let told = || recording.everything().matches(WARNING).count();
    let quorum = Quorum::of([
        file(Synchronous::Full).await,
        file(Synchronous::Normal).await,
        Arc::new(MemoryStore::new()),
        Arc::new(Untold(MemoryStore::new())),
    ]);
    assert_eq!(told(), 0, "nobody has used it");
    set(&quorum, "a", "one").await;
    until("the warnings", async || (told() == 2).then_some(())).await;

    quorum.repair().await.unwrap();
    let found = quorum.examine().await.unwrap();
    assert_eq!(told(), 2, "{}", recording.everything());
    assert_eq!(warnings(&found), ["store 1, `sqlite`", "store 3, `untold`"]);
    assert_eq!(found.loses_latest, Some(true));
    let routed = Routed::new(MemoryStore::new()).route("a/", quorum);
    assert_eq!(routed.examine().await.unwrap().loses_latest, Some(true));
}

#[tokio::test]
async fn a_quorum_has_nothing_against_stores_that_keep_all_or_nothing() {
    let quorum = Quorum::of([
        file(Synchronous::Full).await,
        file(Synchronous::Full).await,
        Arc::new(MemoryStore::new()),
    ]);
    let found = quorum.examine().await.unwrap();
    assert_eq!(warnings(&found), [] as [&str; 0]);
    assert_eq!(found.loses_latest, None);
}

#[tokio::test]
async fn a_quorum_warns_of_a_fallback_which_answers_with_what_its_copy_has() {
    let fallback = Fallback::new(MemoryStore::new(), MemoryStore::new());
    let quorum = Quorum::of([
        Arc::new(fallback) as Arc<dyn Store>,
        Arc::new(MemoryStore::new()),
        Arc::new(MemoryStore::new()),
    ]);
    let found = quorum.examine().await.unwrap();
    assert_eq!(warnings(&found), ["store 0, `fallback`"]);
}

/// A store that is away is told as such, and the others are looked at all the same.
#[tokio::test]
async fn a_quorum_is_examined_while_one_of_its_stores_is_away() {
    let server = RedisServer::start().await;
    let redis = RedisStore::connect(&server.url()).await.unwrap();
    let quorum = Quorum::of([
        Arc::new(redis) as Arc<dyn Store>,
        file(Synchronous::Normal).await,
        Arc::new(MemoryStore::new()),
    ]);
    set(&quorum, "a", "one").await;
    server.kill();
    let found = quorum.examine().await.unwrap();
    assert!(
        found.warnings[0].starts_with("store 0, `redis`: "),
        "{found:?}"
    );
    assert_eq!(warnings(&found), ["store 1, `sqlite`"]);
    assert_eq!(crate::get(&quorum, "a").await.unwrap(), some("one"));
}

#[tokio::test]
async fn a_redis_server_tells_by_its_settings_what_a_crash_takes() {
    for (persistence, line, loses) in [
        (Persistence::None, "appendonly no", false),
        (Persistence::Snapshot, "appendonly no", true),
        (Persistence::Log, "appendfsync always", false),
        (Persistence::Log, "appendfsync everysec", true),
        (Persistence::Log, "appendfsync no", true),
    ] {
        let server = RedisServer::builder()
            .persistence(persistence)
            .config(line)
            .start()
            .await;
        let store = RedisStore::connect(&server.url()).await.unwrap();
        let found = store.examine().await.unwrap();
        assert_eq!(found.loses_latest, Some(loses), "{persistence:?}, {line}");
    }
}
