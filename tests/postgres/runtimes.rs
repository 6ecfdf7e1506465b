//! A program with more than one runtime.

use std::time::Duration;

use coord::store::{PostgresStore, PutRequest, Store};
use coord_tests::{PATIENCE, PostgresServer, until};
use tokio::runtime::{Builder, Runtime};

use crate::connecting::behind;
use crate::sweeping::rows;

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

#[test]
fn what_has_expired_is_swept_out_when_the_first_runtime_has_ended() {
    let main = runtime();
    let server = main.block_on(PostgresServer::start());
    let builder = PostgresStore::builder().sweep_every(Duration::from_millis(50));
    let store = runtime().block_on(builder.connect(&server.url())).unwrap();
    main.block_on(async {
        let put = PutRequest::new("a", "one").ttl(Duration::from_millis(1));
        until("the store to connect anew", async || {
            store.put_record(&put).await.ok()
        })
        .await;
        let beside = server.client().await;
        until("it to be swept", async || {
            (rows(&beside, "record").await == 0).then_some(())
        })
        .await;
    });
}

/// As a program leaves it that blocks on one call, and does something else then.
#[test]
fn a_runtime_that_stands_still_while_it_connects_holds_up_no_other() {
    let [still, main] = [runtime(), runtime()];
    let server = main.block_on(PostgresServer::start());
    let (wire, store) = main.block_on(behind(&server, Duration::from_millis(500)));
    wire.keep_next("attach");
    let connecting = store.clone();
    still.spawn(async move { connecting.get_record("a").await });
    still.block_on(until("it to connect", async || wire.keeps().then_some(())));
    main.block_on(async {
        let answered = until("an answer", async || store.get_record("a").await.ok());
        let answered = tokio::time::timeout(PATIENCE, answered).await;
        answered.expect("an answer in time");
    });
}
