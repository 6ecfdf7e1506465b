//! Real servers, a proxy that misbehaves on demand, and worker processes, for the tests of coord.
//!
//! Everything here is for tests, so a helper that cannot do its work panics and says why. Nothing started
//! here outlives the test process, however that ends, and servers and proxies do not follow tokio's
//! clock, so tests may pause it.
//!
//! - [`RedisServer`] runs a Redis server of a test's own, to be killed, paused, restarted or promoted.
//! - [`shared_redis`] is one server for all tests that leave it as they found it.
//! - [`RedisCluster`] and [`shared_redis_cluster`] are the same for Redis Cluster.
//! - [`shared_sqlite`] is one database in a file for them, and [`new_sqlite`] one of a test's own.
//! - [`PostgresServer`] and [`shared_postgres`] are the same for PostgreSQL.
//! - [`ZookeeperServer`] and [`shared_zookeeper`] are the same for ZooKeeper, and
//!   [`ZookeeperEnsemble`] is three servers of it.
//! - [`EtcdServer`], [`shared_etcd`] and [`EtcdCluster`] are the same for etcd.
//! - [`PrometheusServer`](prometheus::PrometheusServer) runs a Prometheus server of a test's own.
//! - [`Proxy`] stands between a client and a server: it counts, delays, swallows and cuts.
//! - [`Wire`] only cuts, whatever is spoken, and [`Still`] says nothing.
//! - [`fleet`] is several processes' coordinators on one store, and what tests of them need.
//! - [`recording`] writes down what is told to tracing.
//! - [`Worker`] is a process of ours that a test talks to line by line, to be killed or paused.

#![allow(clippy::missing_panics_doc, reason = "said above, for all helpers")]

pub mod bench;
pub mod etcd;
pub mod fleet;
mod leash;
mod names;
mod polls;
mod port;
pub mod postgres;
pub mod prometheus;
pub mod proxy;
pub mod recording;
pub mod redis;
pub mod resp;
mod small;
mod sqlite;
mod still;
mod stores;
mod suites;
mod wait;
mod wire;
pub mod worker;
pub mod zookeeper;

pub use etcd::{EtcdCluster, EtcdServer, shared_etcd};
pub use names::unique;
pub use polls::dropped_after;
pub use postgres::{PostgresServer, shared_postgres};
pub use proxy::Proxy;
pub use redis::{RedisCluster, RedisServer, shared_redis, shared_redis_cluster};
pub use resp::Value;
pub use small::SmallStore;
pub use sqlite::{new_folder, new_socket, new_sqlite, shared_sqlite};
pub use still::Still;
pub use stores::{sqlite_url, store_at};
pub use wait::{PATIENCE, until};
pub use wire::Wire;
pub use worker::Worker;
pub use zookeeper::{ZookeeperEnsemble, ZookeeperServer, shared_zookeeper};
