//! What is written in one transaction.

use coord::store::{PutRequest, Store as _};
use coord_tests::PostgresServer;

use crate::connect;

#[tokio::test]
async fn two_records_one_after_the_other_are_stored_in_one_transaction() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    let (first, second) = (PutRequest::new("a", ""), PutRequest::new("b", ""));
    store.put_after(&first, &second).await.unwrap();
    let beside = server.client().await;
    let written = "SELECT count(*), count(DISTINCT xmin::text) FROM coord.record";
    let row = beside.query_one(written, &[]).await.unwrap();
    let (records, transactions): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!((records, transactions), (2, 1));
}
