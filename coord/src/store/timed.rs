//! The store of a coordinator, with the time of each operation told to metrics.
//!
//! What is passed on is the other store's own future, so that as long as nobody listens an operation costs no clock
//! and no allocation more than without.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Acquired, Append, AppendRequest, Capabilities, Contender, DeleteRequest, Entry, Examination,
    LeaseId, LeaseRequest, ListRequest, Page, Put, PutRequest, Renewal, Renewed, Result, ScanPage,
    ScanRequest, Store, Watch, Watched,
};
use crate::error::{StoreError, StoreErrorKind};
use crate::observe::{StoreEvent, StoreOperation, StoreOutcome, emit, is_anybody_listening};

/// A store whose operations are timed.
pub(crate) struct Timed {
    store: Arc<dyn Store>,
    name: &'static str,
}

type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Timed {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            name: store.name(),
            store,
        }
    }

    fn time<'a, T: Told + Send + 'a>(
        &self,
        operation: StoreOperation,
        answering: Answering<'a, T>,
    ) -> Answering<'a, T> {
        if !is_anybody_listening() {
            return answering;
        }
        let timing = Timing {
            store: self.name,
            operation,
            started: None,
            outcome: StoreOutcome::Cancelled,
        };
        Box::pin(timing.of(answering))
    }
}

/// An operation under way. When this is dropped, it has ended.
struct Timing {
    store: &'static str,
    operation: StoreOperation,
    /// Nothing is asked before the first poll.
    started: Option<Instant>,
    outcome: StoreOutcome,
}

impl Timing {
    async fn of<T: Told>(mut self, answering: Answering<'_, T>) -> T {
        self.started = Some(Instant::now());
        let answer = answering.await;
        self.outcome = answer.outcome();
        answer
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        if let Some(started) = self.started {
            let event = StoreEvent {
                operation: self.operation,
                outcome: self.outcome,
                took: started.elapsed(),
            };
            emit(self.store, event);
        }
    }
}

/// An answer of a store.
trait Told {
    fn outcome(&self) -> StoreOutcome;
}

impl<T> Told for Result<T> {
    fn outcome(&self) -> StoreOutcome {
        match self.as_ref().err().map(StoreError::kind) {
            None => StoreOutcome::Ok,
            Some(StoreErrorKind::Unknown) => StoreOutcome::Unknown,
            Some(_) => StoreOutcome::Failed,
        }
    }
}

/// A batch is as good as the first in it that is not.
impl<T> Told for Vec<Result<T>> {
    fn outcome(&self) -> StoreOutcome {
        let mut failed = self.iter().filter(|answer| answer.is_err());
        failed.next().map_or(StoreOutcome::Ok, Told::outcome)
    }
}

/// Methods that pass on what they are asked, timed. Written out in the form that `async_trait` gives the trait's own,
/// since each of its `async fn`s would be one more future around the other store's.
macro_rules! timed {
    ($($method:ident($asked:ident: &$request:ty $(, $also:ident: $of:ty)*) -> $answer:ty: $operation:ident;)*) => {
        $(
            fn $method<'store, 'asked, 'answering>(
                &'store self,
                $asked: &'asked $request
                $(, $also: $of)*
            ) -> Answering<'answering, $answer>
            where
                'store: 'answering,
                'asked: 'answering,
                Self: 'answering,
            {
                self.time(StoreOperation::$operation, self.store.$method($asked $(, $also)*))
            }
        )*
    };
}

impl Store for Timed {
    timed! {
        get_record(key: &str) -> Result<Option<Entry>>: Get;
        put_record(request: &PutRequest) -> Result<Put>: Put;
        delete_record(request: &DeleteRequest) -> Result<bool>: Delete;
        list_records(request: &ListRequest) -> Result<Page>: List;
        acquire_lease(request: &LeaseRequest) -> Result<Acquired>: Acquire;
        renew_leases(renewals: &[Renewal]) -> Vec<Result<Renewed>>: Renew;
        release_lease(lease: &LeaseId) -> Result<bool>: Release;
        inspect_lease(resource: &str) -> Result<Vec<Contender>>: Inspect;
        append_log(request: &AppendRequest) -> Result<Append>: Append;
        read_log(log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>>: Read;
        expire_log(log: &str, ttl: Duration) -> Result<()>: Expire;
        watch(watched: &Watched) -> Result<Watch>: Watch;
        put_watched(request: &PutRequest) -> Result<(Put, Watch)>: Put;
        scan(request: &ScanRequest) -> Result<ScanPage>: Scan;
    }

    fn put_after<'store, 'first, 'asked, 'answering>(
        &'store self,
        first: &'first PutRequest,
        request: &'asked PutRequest,
    ) -> Answering<'answering, Result<Put>>
    where
        'store: 'answering,
        'first: 'answering,
        'asked: 'answering,
        Self: 'answering,
    {
        self.time(StoreOperation::Put, self.store.put_after(first, request))
    }

    /// Not one operation, and for people who look: it is not timed.
    fn examine<'store, 'answering>(&'store self) -> Answering<'answering, Result<Examination>>
    where
        'store: 'answering,
        Self: 'answering,
    {
        self.store.examine()
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn native(&self) -> Option<&dyn Any> {
        self.store.native()
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}
