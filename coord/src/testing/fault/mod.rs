//! A store that fails on demand.

mod hold;
mod rule;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

pub use self::hold::Held;
pub(in crate::testing) use self::hold::{Gate, gate};
pub use self::rule::{Fault, Operation, Rule};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{
    Acquired, Append, AppendRequest, Capabilities, Contender, DeleteRequest, Entry, Examination,
    IntoStore, LeaseId, LeaseRequest, ListRequest, Page, Put, PutRequest, Renewal, Renewed, Result,
    ScanPage, ScanRequest, Store, Watch, Watched,
};

/// A store that passes everything on to another one, except for what it is told to fail, delay, cut or hold.
///
/// It is a handle: clones share the rules and the record of what was asked, so a test keeps one and gives
/// one to what it tests. Rules are tried in the order in which they came; the first that is meant for an
/// operation decides.
///
/// ```
/// use coord::StoreErrorKind;
/// use coord::store::{MemoryStore, PutRequest, Store};
/// use coord::testing::{Fault, FaultStore, Operation};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = FaultStore::new(MemoryStore::new());
/// store.fail_next(Operation::Put, Fault::AfterApply);
///
/// let put = PutRequest::new("order:42", "paid");
/// let error = store.put_record(&put).await.unwrap_err();
/// assert_eq!(error.kind(), StoreErrorKind::Unknown);
/// assert!(store.get_record("order:42").await?.is_some(), "only the reply was lost");
/// assert_eq!(store.count(Operation::Put), 1);
/// # Ok::<(), coord::StoreError>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct FaultStore {
    inner: Arc<dyn Store>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    plan: Mutex<Plan>,
    on_the_way: Mutex<Vec<BoxFuture<'static, ()>>>,
    loses_wake_ups: AtomicBool,
}

#[derive(Default)]
struct Plan {
    rules: Vec<(Rule, Action)>,
    seen: Vec<Seen>,
}

/// An operation that a [`FaultStore`] was asked for, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// What was asked.
    pub operation: Operation,
    /// The key, resource or log; several for a batch of renewals.
    pub keys: Vec<String>,
}

#[derive(Debug, Clone)]
enum Action {
    Fail(Fault),
    HoldRequest(Gate),
    HoldReply(Gate),
}

impl FaultStore {
    /// Wraps a store, or one that is shared.
    pub fn new(store: impl IntoStore) -> Self {
        Self {
            inner: store.into_store(),
            shared: Arc::default(),
        }
    }

    /// Lets `fault` happen to the next operation of this kind.
    pub fn fail_next(&self, operation: Operation, fault: Fault) {
        self.inject(Rule::on(operation).times(1), fault);
    }

    /// Lets `fault` happen to everything that the rule is meant for.
    pub fn inject(&self, rule: impl Into<Rule>, fault: Fault) {
        self.plan().rules.push((rule.into(), Action::Fail(fault)));
    }

    /// Stops the next operation that the rule is meant for before it is sent.
    pub fn hold(&self, rule: impl Into<Rule>) -> Held {
        self.hold_by(rule.into(), Action::HoldRequest)
    }

    /// Stops the next operation that the rule is meant for when it is done and its reply is on the way.
    pub fn hold_reply(&self, rule: impl Into<Rule>) -> Held {
        self.hold_by(rule.into(), Action::HoldReply)
    }

    /// Takes all rules away, and gives the wake-ups back.
    pub fn heal(&self) {
        self.plan().rules.clear();
        self.lose_wake_ups(false);
    }

    /// Whether watches that are started from now on wake anybody.
    pub fn lose_wake_ups(&self, lost: bool) {
        self.shared.loses_wake_ups.store(lost, Ordering::Relaxed);
    }

    /// Lets the requests that were cut by [`Fault::AfterSend`] arrive at the store, in the order in which
    /// they were sent, and says how many there were. Nobody learns what they are answered.
    ///
    /// If the future is dropped, the requests that did not arrive yet never do.
    pub async fn deliver(&self) -> usize {
        let arriving = std::mem::take(&mut *lock(&self.shared.on_the_way));
        let count = arriving.len();
        for request in arriving {
            request.await;
        }
        count
    }

    /// Everything that was asked, in order.
    pub fn operations(&self) -> Vec<Seen> {
        self.plan().seen.clone()
    }

    /// How often this was asked.
    pub fn count(&self, operation: Operation) -> usize {
        self.plan()
            .seen
            .iter()
            .filter(|seen| seen.operation == operation)
            .count()
    }

    /// Forgets what was asked so far.
    pub fn forget_operations(&self) {
        self.plan().seen.clear();
    }

    /// Lets the operation of this number, counted from 0, come to the gate, before it is sent or when it is done,
    /// and all that follow before they are sent.
    pub(in crate::testing) fn end_at(&self, number: usize, is_sent: bool, gate: &Gate) {
        let everything = || Rule::on_everything().skipping(number);
        let first = if is_sent {
            Action::HoldReply(gate.clone())
        } else {
            Action::HoldRequest(gate.clone())
        };
        let rules = &mut self.plan().rules;
        rules.push((everything().times(1), first));
        rules.push((everything(), Action::HoldRequest(gate.clone())));
    }

    fn hold_by(&self, rule: Rule, action: impl FnOnce(Gate) -> Action) -> Held {
        let (gate, held) = gate();
        self.plan().rules.push((rule.times(1), action(gate)));
        held
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        lock(&self.shared.plan)
    }

    /// Passes one request on, or does with it what the rules say.
    async fn pass<T: Send + 'static>(
        &self,
        operation: Operation,
        keys: Vec<String>,
        request: BoxFuture<'static, Result<T>>,
    ) -> Result<T> {
        let action = self.plan().meet(operation, keys);
        match action {
            None => request.await,
            Some(Action::Fail(Fault::BeforeSend)) => Err(not_sent(operation)),
            Some(Action::Fail(Fault::AfterSend)) => {
                lock(&self.shared.on_the_way).push(request.map(drop).boxed());
                Err(cut(operation))
            }
            Some(Action::Fail(Fault::AfterApply)) => {
                request.await?;
                Err(cut(operation))
            }
            Some(Action::Fail(Fault::Delay(delay))) => {
                tokio::time::sleep(delay).await;
                request.await
            }
            Some(Action::HoldRequest(gate)) => {
                gate.pass().await;
                request.await
            }
            Some(Action::HoldReply(gate)) => {
                let reply = request.await;
                gate.pass().await;
                reply
            }
        }
    }

    fn hears_nothing(&self) -> bool {
        self.shared.loses_wake_ups.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore")
            .field("operations", &self.plan().seen.len())
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Writes down what was asked, and finds what is to happen to it.
    fn meet(&mut self, operation: Operation, keys: Vec<String>) -> Option<Action> {
        let action = self
            .rules
            .iter_mut()
            .find_map(|(rule, action)| rule.strikes(operation, &keys).then(|| action.clone()));
        self.rules.retain(|(rule, _)| !rule.is_spent());
        self.seen.push(Seen { operation, keys });
        action
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_sent(operation: Operation) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation.name(),
        "a fault was injected before it was sent",
    )
}

fn cut(operation: Operation) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        operation.name(),
        "a fault was injected: the connection broke before the reply",
    )
}

/// A watch that nothing wakes.
fn deaf() -> Watch {
    let (_, watch) = Watch::channel();
    watch
}

#[async_trait]
impl Store for FaultStore {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        let (inner, key) = (Arc::clone(&self.inner), key.to_owned());
        let keys = vec![key.clone()];
        self.pass(
            Operation::Get,
            keys,
            Box::pin(async move { inner.get_record(&key).await }),
        )
        .await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let keys = vec![request.key.clone()];
        self.pass(
            Operation::Put,
            keys,
            Box::pin(async move { inner.put_record(&request).await }),
        )
        .await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let keys = vec![request.key.clone()];
        self.pass(
            Operation::Delete,
            keys,
            Box::pin(async move { inner.delete_record(&request).await }),
        )
        .await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let keys = vec![request.prefix.clone()];
        self.pass(
            Operation::List,
            keys,
            Box::pin(async move { inner.list_records(&request).await }),
        )
        .await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let keys = vec![request.lease.resource.to_string()];
        let acquired = self
            .pass(
                Operation::Acquire,
                keys,
                Box::pin(async move { inner.acquire_lease(&request).await }),
            )
            .await?;
        Ok(match acquired {
            Acquired::Waiting {
                token,
                ahead,
                look_again_in,
                ..
            } if self.hears_nothing() => Acquired::Waiting {
                token,
                ahead,
                look_again_in,
                wake: deaf(),
            },
            acquired => acquired,
        })
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        let (inner, renewals) = (Arc::clone(&self.inner), renewals.to_vec());
        let count = renewals.len();
        let keys = renewals
            .iter()
            .map(|renewal| renewal.lease.resource.to_string())
            .collect();
        let request = Box::pin(async move { Ok(inner.renew_leases(&renewals).await) });
        match self.pass(Operation::Renew, keys, request).await {
            Ok(renewed) => renewed,
            Err(error) => vec![Err(error); count],
        }
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        let (inner, lease) = (Arc::clone(&self.inner), lease.clone());
        let keys = vec![lease.resource.to_string()];
        self.pass(
            Operation::Release,
            keys,
            Box::pin(async move { inner.release_lease(&lease).await }),
        )
        .await
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        let (inner, resource) = (Arc::clone(&self.inner), resource.to_owned());
        let keys = vec![resource.clone()];
        self.pass(
            Operation::Inspect,
            keys,
            Box::pin(async move { inner.inspect_lease(&resource).await }),
        )
        .await
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let keys = vec![request.log.clone()];
        self.pass(
            Operation::Append,
            keys,
            Box::pin(async move { inner.append_log(&request).await }),
        )
        .await
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        let (inner, log) = (Arc::clone(&self.inner), log.to_owned());
        let keys = vec![log.clone()];
        self.pass(
            Operation::Read,
            keys,
            Box::pin(async move { inner.read_log(&log, from, limit).await }),
        )
        .await
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        let (inner, log) = (Arc::clone(&self.inner), log.to_owned());
        let keys = vec![log.clone()];
        self.pass(
            Operation::Expire,
            keys,
            Box::pin(async move { inner.expire_log(&log, ttl).await }),
        )
        .await
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        let (inner, watched) = (Arc::clone(&self.inner), watched.clone());
        let (Watched::Record(key) | Watched::Lease(key) | Watched::Log(key)) = &watched;
        let keys = vec![key.clone()];
        let watch = self
            .pass(
                Operation::Watch,
                keys,
                Box::pin(async move { inner.watch(&watched).await }),
            )
            .await?;
        Ok(if self.hears_nothing() { deaf() } else { watch })
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let (inner, request) = (Arc::clone(&self.inner), request.clone());
        let keys = vec![request.prefix.clone()];
        self.pass(
            Operation::Scan,
            keys,
            Box::pin(async move { inner.scan(&request).await }),
        )
        .await
    }

    async fn examine(&self) -> Result<Examination> {
        let inner = Arc::clone(&self.inner);
        self.pass(
            Operation::Examine,
            Vec::new(),
            Box::pin(async move { inner.examine().await }),
        )
        .await
    }

    fn native(&self) -> Option<&dyn Any> {
        self.inner.native()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
