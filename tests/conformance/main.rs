//! The conformance suite against every store of ours, alone and behind faults, one test per case.

mod broken;
mod cut_connections;
mod cut_lines;
mod cut_nodes;
mod cut_sessions;
mod cut_streams;
mod fault_store;
mod four_methods;
mod memory_keeps;
mod record_leases;
mod resending;

use std::sync::Arc;
use std::time::Duration;

use coord::store::{
    EtcdStore, Fallback, MemoryStore, Mirror, PostgresStore, Quorum, RedisStore, Routed,
    SqliteStore, Store, ZookeeperStore,
};
use coord::testing::{FaultStore, store_conformance, store_conformance_tests};
use coord_tests::{
    RedisServer, shared_etcd, shared_postgres, shared_redis, shared_redis_cluster, shared_sqlite,
    shared_zookeeper, store_at,
};
use tokio::sync::OnceCell;

use cut_connections::CutConnections;
use cut_lines::CutLines;
use cut_nodes::CutNodes;
use cut_sessions::CutSessions;
use cut_streams::CutStreams;
use four_methods::FourMethods;
use resending::{Faults, Resending};

/// How long composites wait for stores that are only as slow as the machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn redis() -> RedisStore {
    RedisStore::connect(&shared_redis().await)
        .await
        .expect("the shared server accepts clients")
}

async fn sqlite() -> SqliteStore {
    SqliteStore::open(shared_sqlite())
        .await
        .expect("a file that can be opened")
}

async fn postgres() -> PostgresStore {
    PostgresStore::connect(&shared_postgres().await)
        .await
        .expect("the shared server accepts clients")
}

async fn zookeeper() -> ZookeeperStore {
    ZookeeperStore::connect(&shared_zookeeper().await)
        .await
        .expect("the shared server accepts clients")
}

async fn etcd() -> EtcdStore {
    EtcdStore::connect(&shared_etcd().await)
        .await
        .expect("the shared server accepts clients")
}

/// A store of whose operations a good part is cut at some point, and sent again.
fn unreliable(store: impl Store) -> Resending<Faults> {
    Resending(Faults::before(store))
}

/// On three masters.
async fn redis_cluster() -> RedisStore {
    RedisStore::connect(&shared_redis_cluster().await)
        .await
        .expect("the shared cluster accepts clients")
}

/// On a primary that a Sentinel knows of.
async fn redis_sentinel() -> RedisStore {
    static WATCHED: OnceCell<(RedisServer, RedisServer)> = OnceCell::const_new();
    let start = async || {
        let primary = RedisServer::start().await;
        let sentinel = RedisServer::builder().sentinel_of(&primary, "main", 1);
        (primary, sentinel.start().await)
    };
    let (_, sentinel) = WATCHED.get_or_init(start).await;
    let url = format!("redis+sentinel://{}/main", sentinel.addr());
    RedisStore::connect(&url)
        .await
        .expect("the primary accepts clients")
}

fn quorum_of(stores: usize) -> Quorum {
    Quorum::of((0..stores).map(|_| MemoryStore::new()))
}

fn quorum_of_unreliable(stores: usize) -> Resending<Faults> {
    let stores = (0..stores).map(|_| Faults::faulty(MemoryStore::new(), 32));
    Resending(Faults::none(Quorum::of(stores)))
}

async fn quorum_of_several_kinds() -> Quorum {
    let url = shared_redis().await;
    let stores = [
        store_at(&format!("{url}/1")).await,
        store_at(&format!("{url}/2")).await,
        Arc::new(sqlite().await),
    ];
    Quorum::of(stores).call_limit(PATIENCE)
}

fn mirror_of_unreliable() -> Resending<Faults> {
    let store = || Faults::faulty(MemoryStore::new(), 32);
    Resending(Faults::none(Mirror::new(store(), store())))
}

/// The names that the suite makes up go on with a random digit.
fn halved(one: impl Store, other: impl Store) -> Routed {
    let other: Arc<dyn Store> = Arc::new(other);
    "01234567".chars().fold(Routed::new(one), |routed, digit| {
        routed.route(format!("conformance/{digit}"), Arc::clone(&other))
    })
}

fn quorum_of_composites() -> Quorum {
    let memory = MemoryStore::new;
    let stores: [Arc<dyn Store>; 3] = [
        Arc::new(Mirror::new(memory(), memory())),
        Arc::new(halved(memory(), memory())),
        Arc::new(quorum_of(3)),
    ];
    Quorum::of(stores)
}

/// The reference, on a clock that goes on by itself.
mod memory {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::MemoryStore::new()
    }
}

/// Memory again, with tasks that run at the same time.
mod memory_on_many_threads {
    super::store_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        super::MemoryStore::new()
    }
}

mod memory_behind_transparent_faults {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::FaultStore::new(super::MemoryStore::new())
    }
}

mod memory_behind_random_faults {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::unreliable(super::MemoryStore::new())
    }
}

/// Leases, logs and wake-ups as they come to a store that has only records.
mod four_methods_alone {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::FourMethods::default()
    }
}

/// The defaults over records whose operations fail one by one, in the middle of a lease's.
mod four_methods_behind_random_faults {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::unreliable(super::FourMethods::default())
    }
}

mod redis_alone {
    super::store_conformance_tests!(super::redis().await);
}

mod redis_behind_transparent_faults {
    super::store_conformance_tests!(super::FaultStore::new(super::redis().await));
}

mod redis_behind_random_faults {
    super::store_conformance_tests!(super::unreliable(super::redis().await));
}

mod redis_behind_cut_connections {
    super::store_conformance_tests! {
        #[tokio::test]
        super::Resending(super::CutConnections::connect().await)
    }
}

mod redis_sentinel {
    super::store_conformance_tests! {
        #[tokio::test]
        super::redis_sentinel().await
    }
}

mod redis_cluster_alone {
    super::store_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        super::redis_cluster().await
    }
}

mod redis_cluster_behind_random_faults {
    super::store_conformance_tests!(super::unreliable(super::redis_cluster().await));
}

mod redis_cluster_behind_cut_connections {
    super::store_conformance_tests! {
        #[tokio::test]
        super::Resending(super::CutNodes::connect().await)
    }
}

/// In one file with all that follow, and with another process's worth of threads for each store.
mod sqlite_alone {
    super::store_conformance_tests!(super::sqlite().await);
}

mod sqlite_on_many_threads {
    super::store_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        super::sqlite().await
    }
}

mod sqlite_behind_transparent_faults {
    super::store_conformance_tests!(super::FaultStore::new(super::sqlite().await));
}

mod sqlite_behind_random_faults {
    super::store_conformance_tests!(super::unreliable(super::sqlite().await));
}

/// A majority of stores in memory.
mod quorum_of_three {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::quorum_of(3)
    }
}

mod quorum_of_five {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::quorum_of(5)
    }
}

/// With tasks that run at the same time, and so propose at the same time.
mod quorum_on_many_threads {
    super::store_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        super::quorum_of(3).call_limit(super::PATIENCE)
    }
}

/// Each of its stores fails by itself, and what fails is asked for again.
mod quorum_of_unreliable_stores {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::quorum_of_unreliable(3)
    }
}

mod quorum_behind_random_faults {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::unreliable(super::quorum_of(3))
    }
}

/// Two databases of a server and a file, which all processes that use them share.
mod quorum_of_redis_and_sqlite {
    super::store_conformance_tests!(super::quorum_of_several_kinds().await);
}

mod fallback_in_memory {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::Fallback::new(super::MemoryStore::new(), super::MemoryStore::new())
    }
}

mod fallback_from_redis_to_sqlite {
    super::store_conformance_tests! {
        super::Fallback::new(super::redis().await, super::sqlite().await).call_limit(super::PATIENCE)
    }
}

/// What is copied to a store that is away is of no consequence.
mod fallback_without_a_secondary {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::Fallback::new(super::MemoryStore::new(), super::Faults::faulty(super::MemoryStore::new(), 1))
    }
}

mod mirror_in_memory {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::Mirror::new(super::MemoryStore::new(), super::MemoryStore::new())
    }
}

mod mirror_from_sqlite_to_redis {
    super::store_conformance_tests!(super::Mirror::new(
        super::sqlite().await,
        super::redis().await
    ));
}

/// Half done now and then, and sent again.
mod mirror_of_unreliable_stores {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::mirror_of_unreliable()
    }
}

/// Half of the cases in one store, half in the other.
mod routed_in_memory {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::halved(super::MemoryStore::new(), super::MemoryStore::new())
    }
}

mod routed_to_redis_and_sqlite {
    super::store_conformance_tests!(super::halved(super::redis().await, super::sqlite().await));
}

/// Composites of composites.
mod quorum_of_composites {
    super::store_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::quorum_of_composites()
    }
}

mod postgres_alone {
    super::store_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        super::postgres().await
    }
}

mod postgres_behind_random_faults {
    super::store_conformance_tests!(super::unreliable(super::postgres().await));
}

mod postgres_behind_cut_connections {
    super::store_conformance_tests! {
        #[tokio::test]
        super::Resending(super::CutSessions::connect().await)
    }
}

mod zookeeper_alone {
    super::store_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        super::zookeeper().await
    }
}

mod zookeeper_behind_random_faults {
    super::store_conformance_tests!(super::unreliable(super::zookeeper().await));
}

mod zookeeper_behind_cut_connections {
    super::store_conformance_tests! {
        #[tokio::test]
        super::Resending(super::CutLines::connect().await)
    }
}

mod etcd_alone {
    super::store_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        super::etcd().await
    }
}

mod etcd_behind_random_faults {
    super::store_conformance_tests!(super::unreliable(super::etcd().await));
}

mod etcd_behind_cut_connections {
    super::store_conformance_tests! {
        #[tokio::test]
        super::Resending(super::CutStreams::connect().await)
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_suite_runs_as_one() {
    store_conformance(|| async { MemoryStore::new() }).await;
}
