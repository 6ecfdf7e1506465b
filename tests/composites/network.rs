//! A network between a process and its servers, which takes its time. What was sent arrives, whoever waits for the
//! answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coord::store::{
    Capabilities, DeleteRequest, Entry, ListRequest, Page, Put, PutRequest, Quorum, Result, Store,
    Watch, Watched,
};
use tokio::time::sleep;

use crate::server::Server;

/// A process's way to a server.
#[derive(Clone)]
pub(crate) struct Link {
    server: Server,
    one_way: Arc<Mutex<Duration>>,
}

/// A process's quorum of these servers, and its ways to them.
pub(crate) fn process(servers: &[Server]) -> (Quorum, Vec<Link>) {
    let links: Vec<_> = servers.iter().cloned().map(Link::to).collect();
    (Quorum::of(links.iter().cloned()), links)
}

impl Link {
    fn to(server: Server) -> Self {
        let one_way = Arc::default();
        Self { server, one_way }
    }

    /// How long an answer takes from now on.
    pub(crate) fn takes(&self, milliseconds: u64) {
        let one_way = Duration::from_millis(milliseconds) / 2;
        *self.one_way.lock().unwrap_or_else(PoisonError::into_inner) = one_way;
    }

    async fn send<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let one_way = *self.one_way.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = tokio::spawn(async move {
            pass(one_way).await;
            let answer = request.await;
            pass(one_way).await;
            answer
        });
        sent.await.expect("a server that answers")
    }
}

async fn pass(time: Duration) {
    // A timer rounds up to a whole millisecond.
    if !time.is_zero() {
        sleep(time).await;
    }
}

macro_rules! sent {
    ($self:ident.$method:ident($request:expr)) => {{
        let (server, request) = ($self.server.clone(), $request.to_owned());
        $self
            .send(async move { server.$method(&request).await })
            .await
    }};
}

#[async_trait]
impl Store for Link {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        sent!(self.get_record(key))
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        sent!(self.put_record(request))
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        sent!(self.delete_record(request))
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        sent!(self.list_records(request))
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        sent!(self.watch(watched))
    }

    fn capabilities(&self) -> Capabilities {
        self.server.capabilities()
    }
}
