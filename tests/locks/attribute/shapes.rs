//! The attribute on every shape of function: each call holds its lock while the body runs.

use std::pin::Pin;
use std::sync::Arc;

use coord::{Coordinator, Error, KeyPart, locked};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::fleet::Fleet;

/// Whether `key` is taken, as another process sees it.
#[derive(Clone)]
struct Witness(Coordinator);

impl Witness {
    async fn sees(&self, key: &str) -> Result<bool, Error> {
        tokio::task::yield_now().await;
        Ok(self.0.lock(key).try_acquire().await?.is_none())
    }
}

#[locked("order:<id>")]
async fn free_function(witness: &Witness, id: u64) -> Result<bool, Error> {
    witness.sees(&format!("order:{id}")).await
}

#[locked("text:<first>:<second>")]
async fn generic<T: KeyPart + Send, const N: usize>(
    witness: &Witness,
    first: T,
    second: impl KeyPart + Send,
    _: [u8; N],
) -> Result<bool, Error> {
    witness.sees("text:a:7").await
}

struct Line {
    sku: &'static str,
    count: u8,
}

#[locked("line:<a>:<sku>")]
async fn patterns(
    witness: Witness,
    (a, _): (u64, u64),
    Line { sku, count }: Line,
) -> Result<bool, Error> {
    assert_eq!(count, 3);
    witness.sees(&format!("line:{a}:{sku}")).await
}

#[locked("order:<id>")]
fn future(witness: &Witness, id: u64) -> impl Future<Output = Result<bool, Error>> + Send {
    async move { witness.sees(&format!("order:{id}")).await }
}

#[locked("order:<id>")]
fn pinned_box(
    witness: &Witness,
    id: u64,
) -> Pin<Box<dyn Future<Output = Result<bool, Error>> + Send + '_>> {
    Box::pin(async move { witness.sees(&format!("order:{id}")).await })
}

#[locked("order:<id>")]
fn boxed_future(witness: &Witness, id: u64) -> BoxFuture<'_, Result<bool, Error>> {
    async move { witness.sees(&format!("order:{id}")).await }.boxed()
}

struct Service {
    tenant: String,
    witness: Witness,
}

impl Service {
    fn key(&self, sku: &str) -> String {
        format!("tenant:{}:{sku}", self.tenant)
    }

    #[locked("tenant:<self.tenant>:<sku>")]
    async fn by_reference(&self, sku: &str) -> Result<bool, Error> {
        self.witness.sees(&self.key(sku)).await
    }

    /// The key is that of the call, whatever the body changes.
    #[locked("tenant:<self.tenant>:<sku>")]
    async fn by_mutable_reference(&mut self, sku: &str) -> Result<bool, Error> {
        let key = self.key(sku);
        self.tenant.push('!');
        self.witness.sees(&key).await
    }

    #[locked("tenant:<self.tenant>:<sku>")]
    async fn by_smart_pointer(self: Arc<Self>, sku: String) -> Result<bool, Error> {
        self.witness.sees(&self.key(&sku)).await
    }
}

trait Native {
    async fn native(&self, sku: &str) -> Result<bool, Error>;
}

impl Native for Service {
    #[locked("tenant:<self.tenant>:<sku>")]
    async fn native(&self, sku: &str) -> Result<bool, Error> {
        self.witness.sees(&self.key(sku)).await
    }
}

#[async_trait::async_trait]
trait Boxed {
    async fn boxed(&self, sku: &str) -> Result<bool, Error>;
}

#[async_trait::async_trait]
impl Boxed for Service {
    #[locked("tenant:<self.tenant>:<sku>")]
    async fn boxed(&self, sku: &str) -> Result<bool, Error> {
        self.witness.sees(&self.key(sku)).await
    }
}

#[derive(Debug, PartialEq)]
enum OrderError {
    Sold,
    Lock,
}

impl From<Error> for OrderError {
    fn from(_: Error) -> Self {
        Self::Lock
    }
}

#[locked("order:<id>", wait = "0s")]
async fn own_error(id: u64, sold: bool) -> Result<u64, OrderError> {
    if sold {
        return Err(OrderError::Sold);
    }
    Ok(id)
}

pub(crate) async fn functions_hold_their_lock(fleet: &Fleet) {
    let (coord, other) = fleet.two().await;
    let witness = Witness(other);
    assert!(!witness.sees("order:42").await.unwrap());
    assert!(coord.scope(free_function(&witness, 42)).await.unwrap());
    assert!(
        coord
            .scope(generic(&witness, "a", 7_u8, [0; 3]))
            .await
            .unwrap()
    );
    let line = Line { sku: "a", count: 3 };
    assert!(
        coord
            .scope(patterns(witness.clone(), (1, 2), line))
            .await
            .unwrap()
    );
    assert!(!witness.sees("order:42").await.unwrap());
}

pub(crate) async fn functions_that_return_futures_hold_their_lock(fleet: &Fleet) {
    let (coord, other) = fleet.two().await;
    let witness = Witness(other);
    assert!(
        coord
            .scope(async { future(&witness, 42).await })
            .await
            .unwrap()
    );
    assert!(
        coord
            .scope(async { pinned_box(&witness, 42).await })
            .await
            .unwrap()
    );
    assert!(
        coord
            .scope(async { boxed_future(&witness, 42).await })
            .await
            .unwrap()
    );
}

pub(crate) async fn methods_hold_their_lock(fleet: &Fleet) {
    let (coord, other) = fleet.two().await;
    let mut service = Service {
        tenant: "t".to_owned(),
        witness: Witness(other),
    };
    assert!(coord.scope(service.by_reference("a")).await.unwrap());
    assert!(
        coord
            .scope(service.by_mutable_reference("a"))
            .await
            .unwrap()
    );
    assert_eq!(service.tenant, "t!");
    service.tenant.pop();
    assert!(coord.scope(service.native("a")).await.unwrap());
    assert!(coord.scope(service.boxed("a")).await.unwrap());
    let service = Arc::new(service);
    assert!(
        coord
            .scope(Arc::clone(&service).by_smart_pointer("a".to_owned()))
            .await
            .unwrap()
    );
    assert_eq!(fleet.line("lock", "tenant:t:a").counts().await, (0, 0));
}

pub(crate) async fn errors_of_the_body_and_of_the_lock_come_as_the_functions_own(fleet: &Fleet) {
    let (coord, other) = fleet.two().await;
    assert_eq!(coord.scope(own_error(42, false)).await, Ok(42));
    assert_eq!(
        coord.scope(own_error(42, true)).await,
        Err(OrderError::Sold)
    );
    let _held = other.lock("order:42").acquire().await.unwrap();
    assert_eq!(
        coord.scope(own_error(42, false)).await,
        Err(OrderError::Lock)
    );
}

pub(crate) async fn a_call_that_is_not_polled_locks_nothing(fleet: &Fleet) {
    let (coord, other) = fleet.two().await;
    let witness = Witness(other);
    coord
        .scope(async {
            drop(free_function(&witness, 42));
            drop(future(&witness, 42));
            drop(pinned_box(&witness, 42));
        })
        .await;
    assert_eq!(fleet.line("lock", "order:42").counts().await, (0, 0));
}
