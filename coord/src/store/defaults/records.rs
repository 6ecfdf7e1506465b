//! What records can do besides, one request after the other.

use crate::store::{Put, PutRequest, Result, Store};

pub(in crate::store) async fn put_after<S: Store + ?Sized>(
    store: &S,
    first: &PutRequest,
    request: &PutRequest,
) -> Result<Put> {
    match store.put_record(first).await? {
        Put::Stored(_) => store.put_record(request).await,
        conflict @ Put::Conflict(_) => Ok(conflict),
    }
}
