//! What is taken where a store is asked for: one of its own, or one that others use too.

use std::sync::Arc;

use super::Store;

/// A store, or one that is shared: an `Arc` of a store, or an `Arc<dyn Store>`.
///
/// Whatever is given a store takes either: [`CoordinatorBuilder::store`](crate::CoordinatorBuilder::store), and stores that
/// are made of stores.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use coord::Coordinator;
/// use coord::store::{self, MemoryStore, Store};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let own = Coordinator::builder().store(MemoryStore::new()).build();
///
/// let store = Arc::new(MemoryStore::new());
/// let one = Coordinator::builder().store(Arc::clone(&store)).build();
/// let other = Coordinator::builder().store(store).build();
///
/// let named: Arc<dyn Store> = store::connect("memory:").await?;
/// let by_url = Coordinator::builder().store(named).build();
///
/// let _held = one.lock("order:42").acquire().await?;
/// assert!(other.lock("order:42").try_acquire().await?.is_none());
/// assert!(own.lock("order:42").try_acquire().await?.is_some());
/// # let _ = by_url; Ok::<(), coord::Error>(()) }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store",
    label = "must be a store",
    note = "give a `coord::store::Store`, an `Arc` of one, or an `Arc<dyn Store>`"
)]
pub trait IntoStore {
    /// The store, as everybody holds it.
    fn into_store(self) -> Arc<dyn Store>;
}

#[diagnostic::do_not_recommend]
impl<S: Store> IntoStore for S {
    fn into_store(self) -> Arc<dyn Store> {
        Arc::new(self)
    }
}

impl<S: Store> IntoStore for Arc<S> {
    fn into_store(self) -> Arc<dyn Store> {
        self
    }
}

impl IntoStore for Arc<dyn Store> {
    fn into_store(self) -> Arc<dyn Store> {
        self
    }
}
