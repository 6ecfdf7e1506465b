//! Redis behind a proxy that cuts connections at random, so that the client itself loses requests and replies.

use async_trait::async_trait;
use coord::store::{PutRequest, RedisStore, Store, Wake, Watched};
use coord_tests::{PATIENCE, Proxy, shared_redis, unique};

use crate::resending::Network;

/// What every script call is, and so every operation but a few.
const SCRIPT_CALL: &str = "EVALSHA";

/// A client of the shared server, whose connection is cut again and again.
pub(crate) struct CutConnections {
    store: RedisStore,
    proxy: Proxy,
}

impl CutConnections {
    pub(crate) async fn connect() -> Self {
        let url = shared_redis().await;
        let address = url.trim_start_matches("redis://").trim_end_matches('/');
        let proxy = Proxy::start(
            address
                .parse()
                .expect("the shared server has an address and no password"),
        );
        let store = RedisStore::connect(&proxy.url())
            .await
            .expect("the server accepts clients");
        Self { store, proxy }
    }
}

#[async_trait]
impl Network for CutConnections {
    type Far = RedisStore;

    fn far(&self) -> &RedisStore {
        &self.store
    }

    fn strike(&self) {
        match rand::random_range(0..10) {
            0 => self.proxy.cut(),
            1 => self.proxy.cut_before_next(SCRIPT_CALL, 1),
            2 => self.proxy.cut_after_next(SCRIPT_CALL, 1),
            _ => {}
        }
    }

    async fn settle(&self) {
        self.proxy.cancel_cuts();
    }
}

/// What the first attempt left behind must not be taken for a subscription.
#[tokio::test]
async fn a_watch_that_is_cut_while_it_starts_is_woken_once_it_has() {
    let CutConnections { store, proxy } = CutConnections::connect().await;
    let other = RedisStore::connect(&shared_redis().await).await.unwrap();
    let key = unique("watched");
    let watched = Watched::Record(key.clone());
    proxy.cut_before_next("SUBSCRIBE", 1);
    let error = store
        .watch(&watched)
        .await
        .expect_err("the connection was cut");
    assert!(error.is_retryable());

    // Nothing else makes the connection anew: the watch itself has to.
    let mut watch = store.watch(&watched).await.unwrap();
    other
        .put_record(&PutRequest::new(&*key, "one"))
        .await
        .unwrap();
    let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
    assert_eq!(woken, Ok(Wake::Look));
}
