//! etcd behind a proxy that cuts connections at random, so that the client itself loses requests and replies.

use async_trait::async_trait;
use coord::store::EtcdStore;
use coord_tests::{Wire, shared_etcd};

use crate::resending::Network;

/// A client of the shared server, whose connection is cut again and again.
pub(crate) struct CutStreams {
    store: EtcdStore,
    wire: Wire,
}

impl CutStreams {
    pub(crate) async fn connect() -> Self {
        let url = shared_etcd().await;
        let address = url.trim_start_matches("etcd://");
        let wire = Wire::start(address.parse().expect("an address"));
        let url = format!("etcd://{}", wire.addr());
        let store = EtcdStore::connect(&url)
            .await
            .expect("the server accepts clients");
        Self { store, wire }
    }
}

#[async_trait]
impl Network for CutStreams {
    type Far = EtcdStore;

    fn far(&self) -> &EtcdStore {
        &self.store
    }

    fn strike(&self) {
        match rand::random_range(0..20) {
            0 => self.wire.cut(),
            1 => self.wire.cut_before_next(),
            2 => self.wire.cut_after_next(),
            _ => {}
        }
    }

    async fn settle(&self) {
        self.wire.cancel_cuts();
    }
}
