//! A client on a bad network: operations are cut at random, and sent again with the id that they had.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coord::store::{
    Acquired, Append, AppendRequest, Capabilities, Contender, DeleteRequest, Entry, Examination,
    LeaseId, LeaseRequest, ListRequest, Page, Put, PutRequest, Renewal, Renewed, Result, ScanPage,
    ScanRequest, Store, Watch, Watched,
};
use coord::testing::{Fault, FaultStore, Rule};

const ATTEMPTS: usize = 100;

/// A store at the other end of a bad network.
#[async_trait]
pub(crate) trait Network: Send + Sync + 'static {
    type Far: Store;

    /// The store.
    fn far(&self) -> &Self::Far;

    /// Called before a request is sent for the first time: the time to have it cut, or not.
    fn strike(&self);

    /// Called when a request has been answered at last.
    async fn settle(&self);
}

/// Sends again what was cut, until it is answered.
#[derive(Debug)]
pub(crate) struct Resending<N>(pub(crate) N);

/// Cuts between the caller and the client. Copies that were lost on the way arrive after the answer.
pub(crate) struct Faults(FaultStore);

impl Faults {
    /// Cuts a good part of what goes to `store`, differently each time.
    pub(crate) fn before(store: impl Store) -> Self {
        Self(Self::faulty(store, 8))
    }

    /// Cuts nothing.
    pub(crate) fn none(store: impl Store) -> Self {
        Self(FaultStore::new(store))
    }

    /// A store of whose operations one in so many is cut at each of three points, and not sent again.
    pub(crate) fn faulty(store: impl Store, one_in: u32) -> FaultStore {
        let faulty = FaultStore::new(store);
        for fault in [Fault::BeforeSend, Fault::AfterSend, Fault::AfterApply] {
            faulty.inject(Rule::on_everything().one_in(one_in, rand::random()), fault);
        }
        faulty
    }
}

#[async_trait]
impl Network for Faults {
    type Far = FaultStore;

    fn far(&self) -> &FaultStore {
        &self.0
    }

    fn strike(&self) {}

    async fn settle(&self) {
        self.0.deliver().await;
    }
}

/// Sends an operation until it is answered.
macro_rules! until_answered {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        let network = &$self.0;
        network.strike();
        let mut answer = network.far().$method($($argument),*).await;
        for _ in 0..ATTEMPTS {
            if !matches!(&answer, Err(error) if error.is_retryable()) {
                break;
            }
            answer = network.far().$method($($argument),*).await;
        }
        network.settle().await;
        answer
    }};
}

#[async_trait]
impl<N: Network> Store for Resending<N> {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        until_answered!(self.get_record(key))
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        until_answered!(self.put_record(request))
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        until_answered!(self.delete_record(request))
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        until_answered!(self.list_records(request))
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        until_answered!(self.acquire_lease(request))
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        let network = &self.0;
        network.strike();
        let mut answers = network.far().renew_leases(renewals).await;
        for _ in 0..ATTEMPTS {
            let is_cut = |answer: &Result<_>| matches!(answer, Err(error) if error.is_retryable());
            if !answers.iter().any(is_cut) {
                break;
            }
            answers = network.far().renew_leases(renewals).await;
        }
        network.settle().await;
        answers
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        until_answered!(self.release_lease(lease))
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        until_answered!(self.inspect_lease(resource))
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        until_answered!(self.append_log(request))
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        until_answered!(self.read_log(log, from, limit))
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        until_answered!(self.expire_log(log, ttl))
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        until_answered!(self.watch(watched))
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        until_answered!(self.scan(request))
    }

    async fn examine(&self) -> Result<Examination> {
        until_answered!(self.examine())
    }

    fn capabilities(&self) -> Capabilities {
        self.0.far().capabilities()
    }
}
