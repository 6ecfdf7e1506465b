//! Programs with more than one runtime.

use coord::store::{Store, StoreExt, Watched};
use coord_tests::{PATIENCE, ZookeeperServer};
use tokio::runtime::Runtime;

use crate::{LONG, connect, insist};

#[test]
fn one_is_woken_although_the_runtime_that_connected_has_ended() {
    let [first, second] = [(); 2].map(|()| Runtime::new().unwrap());
    let server = second.block_on(ZookeeperServer::start());
    let store = first.block_on(connect(&server.url()));
    second.block_on(async {
        let watch = async |key: &str| store.watch(&Watched::Record(key.to_owned())).await;
        let before = watch("a").await.unwrap();
        first.shutdown_background();
        insist(async || store.set("c", "one", LONG).await).await;
        let after = insist(async || watch("b").await).await;
        for (mut watch, key) in [(before, "a"), (after, "b")] {
            store.set(key, "one", LONG).await.unwrap();
            let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
            woken.expect("to be woken");
        }
    });
}
