//! A server that is there, and does not answer.

use coord::store::Store;
use coord_tests::{PATIENCE, RedisServer};
use futures_util::future::join_all;

use crate::builder;

/// One after the other would take them longer than anybody has patience.
#[tokio::test]
async fn those_who_wait_for_a_connection_do_not_wait_for_each_other() {
    let server = RedisServer::start().await;
    let store = builder().connect(&server.url()).await.unwrap();
    server.pause();
    // The first to ask have a connection, and find it of no use.
    for _ in 0..2 {
        let asked = join_all((0..200).map(|_| store.get_record("shop/x")));
        let answers = tokio::time::timeout(PATIENCE, asked).await;
        for answer in answers.expect("answers in time") {
            let error = answer.unwrap_err();
            assert!(error.is_retryable(), "{error}");
        }
    }
    server.resume();
}
