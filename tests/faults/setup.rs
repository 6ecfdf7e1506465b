//! Servers, proxies, coordinators and workers of a test.

use std::time::Duration;

use coord::store::{Contender, RedisStore};
use coord::{Coordinator, Lease};
use coord_tests::{Worker, until};

/// A ttl that ends while a test waits for it.
pub(crate) const SHORT: Duration = Duration::from_millis(600);
/// A ttl that ends only after the test.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const NAMESPACE: &str = "faults";

/// A coordinator with a connection of its own, which soon gives up waiting for an answer.
pub(crate) async fn coordinator(url: &str) -> Coordinator {
    let store = RedisStore::builder().response_timeout(Duration::from_millis(500));
    let store = store
        .connect(url)
        .await
        .expect("a server that accepts clients");
    Coordinator::builder()
        .store(store)
        .namespace(NAMESPACE)
        .build()
}

/// A worker that takes locks of this ttl, ready.
pub(crate) async fn lock_worker(url: &str, ttl: Duration) -> Worker {
    let ttl = ttl.as_millis().to_string();
    let mut worker = Worker::spawn(env!("CARGO_BIN_EXE_lock_worker"), [url, NAMESPACE, &ttl]);
    worker.expect_line("ready").await;
    worker
}

/// Has the worker acquire `key`, and gives the token.
pub(crate) async fn acquire(worker: &mut Worker, key: &str) -> u64 {
    worker.send_line(&format!("acquire {key}"));
    worker.expect_line("held ").await.parse().expect("a token")
}

/// Has the worker start a body under `key`, and gives the token.
pub(crate) async fn run(worker: &mut Worker, key: &str) -> u64 {
    worker.send_line(&format!("run {key}"));
    worker.expect_line("body ").await.parse().expect("a token")
}

pub(crate) fn token(lease: &Lease) -> u64 {
    lease.token().into()
}

/// Those who hold or want the lock of `key`.
pub(crate) async fn line(coord: &Coordinator, key: &str) -> Vec<Contender> {
    let resource = format!("{NAMESPACE}/lock/{key}");
    coord
        .store()
        .inspect_lease(&resource)
        .await
        .expect("a line to look at")
}

/// Waits until so many hold and so many wait.
pub(crate) async fn until_line(coord: &Coordinator, key: &str, held: usize, waiting: usize) {
    let what = format!("{held} to hold and {waiting} to wait");
    until(&what, async || {
        let line = line(coord, key).await;
        let holding = line.iter().filter(|one| one.granted).count();
        ((holding, line.len() - holding) == (held, waiting)).then_some(())
    })
    .await;
}

/// Returns when at least this long has passed by the store's clock: when a lease that nobody renews has ended.
pub(crate) async fn let_pass(coord: &Coordinator, time: Duration) {
    let key = coord_tests::unique("hourglass");
    let lease = coord
        .lock(&*key)
        .ttl(time)
        .renew(false)
        .acquire()
        .await
        .expect("a free lock");
    let next = coord.lock(&*key).acquire().await;
    drop((lease, next.expect("the next in line")));
}
