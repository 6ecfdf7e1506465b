//! The table of stores in the README, made of what the stores say of themselves. `COORD_GOLDEN=write` writes it.
//!
//! A further backend is a further line in [`stores`]. What a column says is shown by tests, for every store by the
//! conformance suite, and besides by those that stand beside the column.

use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coord::store::{
    Capabilities, ClockSource, Consistency, Durability, Fallback, MemoryStore, Mirror, Quorum,
    ReplicaLoss, Routed, SqliteStore, Store, Synchronous, TokensGrow,
};
use coord_tests::{
    new_sqlite, shared_etcd, shared_postgres, shared_redis, shared_redis_cluster, shared_zookeeper,
    store_at,
};

const BEGINS: &str = "<!-- This table is made by tests/composites/table.rs. -->\n";
const ENDS: &str = "<!-- The table ends. -->\n";

/// All of them, in the order of the table.
async fn stores() -> Vec<(&'static str, Capabilities)> {
    let memory = MemoryStore::new;
    let sqlite = async |synchronous| {
        let store = SqliteStore::builder()
            .synchronous(synchronous)
            .open(new_sqlite())
            .await;
        store.expect("a file that can be opened")
    };
    let url = shared_redis().await;
    let redis = || store_at(&url);
    let file = || sqlite(Synchronous::Full);
    vec![
        ("`memory:`", memory().capabilities()),
        ("`sqlite:`", file().await.capabilities()),
        (
            "`sqlite:`, `Synchronous::Normal`",
            sqlite(Synchronous::Normal).await.capabilities(),
        ),
        ("`redis:`", redis().await.capabilities()),
        (
            "`redis+cluster:`",
            store_at(&shared_redis_cluster().await).await.capabilities(),
        ),
        (
            "`postgres:`",
            store_at(&shared_postgres().await).await.capabilities(),
        ),
        (
            "`zk:`",
            store_at(&shared_zookeeper().await).await.capabilities(),
        ),
        (
            "`etcd:`",
            store_at(&shared_etcd().await).await.capabilities(),
        ),
        (
            "`Quorum` of three `redis:`",
            Quorum::of([redis().await, redis().await, redis().await]).capabilities(),
        ),
        (
            "`Fallback` of `redis:`, with `redis:`",
            Fallback::new(redis().await, redis().await).capabilities(),
        ),
        (
            "`Mirror` of `sqlite:`, in `redis:`",
            Mirror::new(Arc::new(file().await), redis().await).capabilities(),
        ),
        (
            "`Routed` to `sqlite:` and `redis:`",
            Routed::new(redis().await)
                .route("a/", file().await)
                .capabilities(),
        ),
    ]
}

/// What a column says of a store.
type Cell = fn(&Capabilities) -> String;

const COLUMNS: &[(&str, Cell)] = &[
    // `concurrency_records::one_order_of_writes_explains_all_answers`; `faults::failover`; `composites::simulation`.
    ("consistency", consistency),
    // `sqlite::processes`, `faults::restarts`, `composites::quorum`; `zookeeper::failures`; `etcd::failures`.
    ("after a crash of the server", durability),
    // `faults::failover`, `redis::cluster`; `composites::quorum::two_of_five_stores_down_change_nothing`; `zookeeper::ensemble`; `etcd::cluster`.
    ("after the loss of a replica", replica_loss),
    // `expiry_records`, `expiry_leases`; `sqlite::time`.
    ("clock", clock),
    // `limits::a_ttl_below_the_smallest_is_rounded_up`.
    ("smallest ttl", |of| duration(of.smallest_ttl)),
    // `limits::the_largest_value_fits`, `limits::a_value_that_is_too_large_is_refused_and_changes_nothing`.
    ("largest value", |of| format!("{} bytes", of.largest_value)),
    // `wake_ups`.
    ("a waiter", |of| {
        if of.native_wake_ups {
            "is woken"
        } else {
            "polls"
        }
        .to_owned()
    }),
    // `faults::cost`, `redis::cluster::an_operation_is_one_request`, `idempotency::cost`, `sagas::costing`; `composites::counting`; `zookeeper::cost`.
    ("round trips to acquire, release, put, append", round_trips),
    // `tokens`; `sqlite::files`, `faults::restarts`, `faults::failover`, `redis::cluster`; `composites::quorum::tokens_grow_whoever_loses_what`; `zookeeper::failures`; `etcd::failures`.
    ("tokens also grow across", tokens),
];

fn consistency(of: &Capabilities) -> String {
    match of.consistency {
        Consistency::Linearizable => "linearizable",
        Consistency::SingleNode => "linearizable, there is one",
        Consistency::AsyncReplicated => "linearizable until a failover",
        Consistency::Quorum => "linearizable, a majority decides",
        _ => "as the store of the key",
    }
    .to_owned()
}

fn durability(of: &Capabilities) -> String {
    match of.durability {
        Durability::Synced => "everything is there",
        Durability::AsConfigured => "as it is configured",
        Durability::None => "nothing is there",
        _ => "as the store of the key",
    }
    .to_owned()
}

fn replica_loss(of: &Capabilities) -> String {
    match of.replica_loss {
        ReplicaLoss::NoReplicas => "has none",
        ReplicaLoss::Nothing => "everything is there, while a majority is",
        ReplicaLoss::Latest => "the latest may be missing",
        _ => "as the store of the key",
    }
    .to_owned()
}

fn clock(of: &Capabilities) -> String {
    match of.clock {
        ClockSource::Server => "the server's",
        ClockSource::Host => "the host's",
        ClockSource::Process => "the process's",
        _ => "as the store of the key",
    }
    .to_owned()
}

fn duration(time: Duration) -> String {
    let text = format!("{time:?}");
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    format!("{number} {unit}")
}

fn round_trips(of: &Capabilities) -> String {
    of.round_trips.map_or_else(
        || "not known".to_owned(),
        |trips| {
            let (acquire, release) = (trips.acquire, trips.release);
            format!("{acquire}, {release}, {}, {}", trips.put, trips.append)
        },
    )
}

fn tokens(of: &Capabilities) -> String {
    match of.tokens {
        TokensGrow::WithData => "restarts",
        TokensGrow::AcrossDataLoss => "the loss of all data",
        TokensGrow::AcrossFailover => "the loss of all data, failover",
        _ => "as the store of the key",
    }
    .to_owned()
}

fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

async fn table() -> String {
    let headings = COLUMNS.iter().map(|(heading, _)| *heading);
    let mut table = row(iter::once("store").chain(headings).map(str::to_owned));
    let line = "---|".repeat(COLUMNS.len());
    table += &["|---|", &line, "\n"].concat();
    for (name, capabilities) in stores().await {
        let cells = COLUMNS.iter().map(|(_, cell)| cell(&capabilities));
        table += &row(iter::once(name.to_owned()).chain(cells));
    }
    table
}

#[tokio::test]
async fn the_readme_says_of_stores_what_they_say_of_themselves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(&path).expect("the README");
    let parts = readme
        .split_once(BEGINS)
        .and_then(|(before, rest)| Some((before, rest.split_once(ENDS)?)));
    let (before, (written, after)) = parts.expect("a place for the table");
    let table = table().await;
    if std::env::var_os("COORD_GOLDEN").is_some_and(|value| value == "write") {
        let readme = [before, BEGINS, &table, ENDS, after].concat();
        std::fs::write(&path, readme).expect("the README to be written");
        return;
    }
    assert_eq!(
        written, table,
        "the table in the README is not up to date: run this test with COORD_GOLDEN=write"
    );
}
