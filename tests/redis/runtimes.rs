//! A program with more than one runtime.

use std::time::Duration;

use coord::store::{RedisStore, Store, StoreExt};
use coord_tests::{PATIENCE, Proxy, RedisServer, shared_redis, unique, until};
use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// The first one ends before the task that puts calls together has had its first turn.
#[test]
fn a_runtime_that_ends_at_once_leaves_a_later_one_to_send() {
    let (main, names) = (runtime(), [unique("a"), unique("b"), unique("c")]);
    let store = main.block_on(async { RedisStore::connect(&shared_redis().await).await });
    let store = store.unwrap();
    let set = |name| store.set(name, "", Some(PATIENCE));
    let together = join(set(&names[0]), set(&names[1]));
    runtime().block_on(async { assert!(together.now_or_never().is_none()) });
    main.block_on(async {
        let stored = join_all(names.iter().map(|name| set(name)));
        let stored = tokio::time::timeout(PATIENCE, stored).await;
        for stored in stored.unwrap() {
            stored.unwrap();
        }
    });
}

/// The task that put calls together there stands still with it.
#[test]
fn a_runtime_that_stands_still_leaves_another_one_to_send() {
    let (still, names) = (runtime(), [unique("a"), unique("b"), unique("c")]);
    let mut driven = Builder::new_multi_thread();
    let driven = driven.worker_threads(1).enable_all().build().unwrap();
    let store = driven.block_on(async { RedisStore::connect(&shared_redis().await).await });
    let store = store.unwrap();
    let set = async || {
        let stored = join_all(names.iter().map(|name| store.set(name, "", Some(PATIENCE))));
        let stored = tokio::time::timeout(PATIENCE, stored).await;
        for stored in stored.unwrap() {
            stored.unwrap();
        }
    };
    still.block_on(set());
    driven.block_on(set());
    drop(still);
}

/// As a program leaves it that blocks on one call, and does something else then.
#[test]
fn a_runtime_that_stands_still_while_it_connects_holds_up_no_other() {
    let [still, main] = [runtime(), runtime()];
    let server = main.block_on(RedisServer::start());
    let proxy = Proxy::before(&server);
    let builder = RedisStore::builder().response_timeout(Duration::from_millis(250));
    let store = main.block_on(builder.connect(&proxy.url())).unwrap();
    proxy.swallow_replies(true);
    let (connecting, connects) = (store.clone(), proxy.until_request("HELLO"));
    still.spawn(async move { while connecting.get_record("a").await.is_err() {} });
    still.block_on(connects);
    proxy.swallow_replies(false);
    main.block_on(async {
        let answered = until("an answer", async || store.get_record("a").await.ok());
        let answered = tokio::time::timeout(PATIENCE, answered).await;
        answered.expect("an answer in time");
    });
}
