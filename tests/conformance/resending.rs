//! A client on a bad network: operations are cut at random, and sent again with the id that they had.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coord::store::{
    Acquired, Append, AppendRequest, Capabilities, Contender, DeleteRequest, Entry, LeaseId,
    LeaseRequest, ListRequest, Page, Put, PutRequest, Renewal, Renewed, Result, Store, Watch,
    Watched,
};
use coord::testing::{Fault, FaultStore, Rule};

const ATTEMPTS: usize = 100;

/// Sends again what was cut, until it is answered. Copies that were lost on the way arrive later.
#[derive(Debug)]
pub(crate) struct Resending {
    inner: FaultStore,
}

impl Resending {
    /// Cuts a good part of what goes through `inner`, differently each time.
    pub(crate) fn over(inner: FaultStore) -> Self {
        for fault in [Fault::BeforeSend, Fault::AfterSend, Fault::AfterApply] {
            inner.inject(Rule::on_everything().one_in(8, rand::random()), fault);
        }
        Self { inner }
    }
}

/// Sends an operation until it is answered. Copies that were lost on the way, of this one or of one that was
/// dropped before, arrive after that.
macro_rules! until_answered {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        let mut answer = $self.inner.$method($($argument),*).await;
        let mut cuts = 0;
        while matches!(&answer, Err(error) if error.is_retryable()) && cuts < ATTEMPTS {
            cuts += 1;
            answer = $self.inner.$method($($argument),*).await;
        }
        $self.inner.deliver().await;
        answer
    }};
}

#[async_trait]
impl Store for Resending {
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
        let mut answers = self.inner.renew_leases(renewals).await;
        for _ in 0..ATTEMPTS {
            if !answers
                .iter()
                .any(|answer| matches!(answer, Err(error) if error.is_retryable()))
            {
                break;
            }
            answers = self.inner.renew_leases(renewals).await;
        }
        self.inner.deliver().await;
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

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
