//! A cluster behind a proxy that cuts connections at random, so that the client itself loses requests, replies and messages.

use async_trait::async_trait;
use coord::store::RedisStore;
use coord_tests::{Proxy, RedisCluster};
use tokio::sync::OnceCell;

use crate::resending::Network;

/// What every script call is, and so every operation but a few.
const SCRIPT_CALL: &str = "EVALSHA";

/// A client of a cluster of one node, which names the proxy as its address. All clients share the proxy, and what is cut of
/// one may hit another.
pub(crate) struct CutNodes {
    store: RedisStore,
    proxy: &'static Proxy,
}

impl CutNodes {
    pub(crate) async fn connect() -> Self {
        static SHARED: OnceCell<(RedisCluster, Proxy)> = OnceCell::const_new();
        let start = async || {
            let cluster = RedisCluster::start(1, 0).await;
            let node = &cluster.masters()[0];
            let proxy = Proxy::start(node.addr());
            let port = proxy.addr().port().to_string();
            node.cli(&["CONFIG", "SET", "cluster-announce-port", &port])
                .await;
            (cluster, proxy)
        };
        let (_, proxy) = SHARED.get_or_init(start).await;
        let url = format!("redis+cluster://{}", proxy.addr());
        loop {
            // Somebody else may have it cut.
            if let Ok(store) = RedisStore::connect(&url).await {
                return Self { store, proxy };
            }
        }
    }
}

#[async_trait]
impl Network for CutNodes {
    type Far = RedisStore;

    fn far(&self) -> &RedisStore {
        &self.store
    }

    fn strike(&self) {
        match rand::random_range(0..20) {
            0 => self.proxy.cut(),
            1 => self.proxy.cut_before_next(SCRIPT_CALL, 1),
            2 => self.proxy.cut_after_next(SCRIPT_CALL, 1),
            3 => self.proxy.cut_before_next("SSUBSCRIBE", 1),
            _ => {}
        }
    }

    async fn settle(&self) {
        self.proxy.cancel_cuts();
    }
}
