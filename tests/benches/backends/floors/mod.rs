//! The least that a lock's cycle can be on each server, done by hand.

pub(super) mod etcd;
pub(super) mod postgres;
pub(super) mod redis;
pub(super) mod sqlite;
pub(super) mod zookeeper;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Two writes of a key.
pub(super) type Floor =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

fn floor<F, Fut>(cycle: F) -> Floor
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |key| Box::pin(cycle(key)))
}

/// As many connections as there are tasks, which take them in turn.
struct Connections<T> {
    all: Vec<T>,
    next: AtomicUsize,
}

impl<T> Connections<T> {
    fn new(all: Vec<T>) -> Arc<Self> {
        let next = AtomicUsize::new(0);
        Arc::new(Self { all, next })
    }

    fn next(&self) -> &T {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &self.all[next % self.all.len()]
    }
}
