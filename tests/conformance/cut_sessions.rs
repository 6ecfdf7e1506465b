//! PostgreSQL behind a proxy that cuts connections at random, so that the client itself loses requests and replies.

use async_trait::async_trait;
use coord::store::PostgresStore;
use coord_tests::{Wire, shared_postgres};

use crate::resending::Network;

/// A client of the shared server, whose connections are cut again and again.
pub(crate) struct CutSessions {
    store: PostgresStore,
    wire: Wire,
}

impl CutSessions {
    pub(crate) async fn connect() -> Self {
        let url = shared_postgres().await;
        let (user, rest) = url.split_once('@').expect("a user");
        let (address, database) = rest.split_once('/').expect("a database");
        let wire = Wire::start(address.parse().expect("an address"));
        let url = format!("{user}@{}/{database}", wire.addr());
        let store = PostgresStore::connect(&url)
            .await
            .expect("the server accepts clients");
        Self { store, wire }
    }
}

#[async_trait]
impl Network for CutSessions {
    type Far = PostgresStore;

    fn far(&self) -> &PostgresStore {
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
