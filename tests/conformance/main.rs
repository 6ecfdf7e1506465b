//! The conformance suite against every store of ours, alone and behind faults, one test per case.

mod broken;
mod cut_connections;
mod cut_sessions;
mod fault_store;
mod four_methods;
mod resending;

use coord::store::{MemoryStore, PostgresStore, RedisStore, SqliteStore, Store};
use coord::testing::{FaultStore, store_conformance, store_conformance_tests};
use coord_tests::{shared_postgres, shared_redis, shared_sqlite};

use cut_connections::CutConnections;
use cut_sessions::CutSessions;
use four_methods::FourMethods;
use resending::{Faults, Resending};

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

/// A store of whose operations a good part is cut at some point, and sent again.
fn unreliable(store: impl Store) -> Resending<Faults> {
    Resending(Faults::before(store))
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

#[tokio::test(start_paused = true)]
async fn the_whole_suite_runs_as_one() {
    store_conformance(|| async { MemoryStore::new() }).await;
}
