//! Other programs that write under our keys.

use coord::StoreErrorKind;
use coord::store::{PutRequest, RedisStore, Store as _};
use coord_tests::RedisServer;

#[tokio::test]
async fn after_a_record_that_cannot_be_stored_nothing_is() {
    let server = RedisServer::start().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    server.cli(&["RPUSH", "{coord:a}:record", "strange"]).await;
    let (first, second) = (PutRequest::new("a", ""), PutRequest::new("b", ""));
    let refused = store.put_after(&first, &second).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Rejected);
    assert_eq!(store.get_record("b").await.unwrap(), None);

    server.cli(&["DEL", "{coord:a}:record"]).await;
    store.put_after(&first, &second).await.unwrap();
    assert!(store.get_record("b").await.unwrap().is_some());
}
