//! The connections to the servers, one at a time, and how a question gets to one that answers it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use ::http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use tracing::debug;

use super::address::Address;
use super::failure::{self, Refusal};
use super::grants::Grants;
use super::hearing::{self, Listening};
use super::lines::Lines;
use super::login::{self, Login, Token};
use super::spots::Spots;
use super::watchers::Command;
use super::wire::{Compare, RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use super::{tls, wire};
use crate::error::{Error, StoreError, StoreErrorKind};
use crate::store::hosts::Server;
use crate::store::{Result, lease};

const RANGE: &str = "/etcdserverpb.KV/Range";
const TXN: &str = "/etcdserverpb.KV/Txn";
/// How long nothing may be heard over a connection before it is asked for a sign of life. Servers break the connection of
/// whoever asks more often than every 5 seconds, or while nothing is under way.
const SILENCE: Duration = Duration::from_secs(6);
/// How long a sign of life is waited for.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);
/// How long to wait before all servers are tried again.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Link {
    pub(super) address: Address,
    endpoints: Vec<Endpoint>,
    pub(super) response_timeout: Duration,
    pub(super) grants: Grants,
    pub(super) lines: Lines,
    pub(super) spots: Spots,
    current: RwLock<Current>,
    connecting: tokio::sync::Mutex<()>,
    pub(super) login: Login,
    /// The greatest revision that was heard of.
    revision: AtomicI64,
    base: Mutex<u64>,
    commands: mpsc::UnboundedSender<Command>,
    listening: Arc<tokio::sync::Mutex<Listening>>,
    /// The task that listens.
    task: Mutex<Option<AbortHandle>>,
    /// For the task.
    this: Weak<Self>,
}

/// The server that is asked, and the connection to it.
#[derive(Default)]
struct Current {
    server: usize,
    channel: Option<Channel>,
    /// Counts connections, so that one that fails is given up once.
    number: u64,
}

/// What came instead of an answer.
#[derive(Debug)]
pub(super) enum Failed {
    LeaseNotFound,
    LeaseExists,
    Store(StoreError),
}

impl Failed {
    pub(super) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::LeaseNotFound | Self::LeaseExists => failure::of_contention(operation),
        }
    }
}

impl Link {
    /// Connects for the first time.
    pub(super) async fn begin(
        address: Address,
        response_timeout: Duration,
    ) -> std::result::Result<Arc<Self>, Error> {
        let (commands, heard) = mpsc::unbounded_channel();
        let endpoints = address
            .servers
            .iter()
            .map(|server| endpoint(&address, server))
            .collect::<std::result::Result<Vec<_>, Error>>()?;
        let server = rand::random_range(0..endpoints.len().max(1));
        let link = Arc::new_cyclic(|this| Self {
            address,
            endpoints,
            response_timeout,
            grants: Grants::default(),
            lines: Lines::default(),
            spots: Spots::default(),
            current: RwLock::new(Current {
                server,
                ..Current::default()
            }),
            connecting: tokio::sync::Mutex::default(),
            login: Login::default(),
            revision: AtomicI64::new(0),
            base: Mutex::default(),
            commands,
            listening: Listening::to(heard),
            task: Mutex::default(),
            this: Weak::clone(this),
        });
        link.find_base().await?;
        Ok(link)
    }

    /// Begins to listen, also again when the runtime on which that was done has ended.
    pub(super) fn listen(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            let running = hearing::run(Weak::clone(&self.this), Arc::clone(&self.listening));
            *task = Some(tokio::spawn(running).abort_handle());
        }
    }

    /// Tells the one who listens. It ends with the link.
    pub(super) fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Does all of a transaction, or none of it.
    pub(super) async fn txn(
        &self,
        operation: &'static str,
        txn: &TxnRequest,
    ) -> std::result::Result<TxnResponse, Failed> {
        let response: TxnResponse = self.call(operation, TXN, txn).await?;
        self.hear(response.header);
        Ok(response)
    }

    pub(super) async fn range(
        &self,
        operation: &'static str,
        range: &RangeRequest,
    ) -> Result<RangeResponse> {
        let response: std::result::Result<RangeResponse, _> =
            self.call(operation, RANGE, range).await;
        let response = response.map_err(|failed| match failed {
            Failed::Store(error) if error.kind() == StoreErrorKind::Unknown => {
                // Nothing that reads changes anything.
                failure::of_connecting(operation)
            }
            failed => failed.into_error(operation),
        })?;
        self.hear(response.header);
        Ok(response)
    }

    fn hear(&self, header: Option<wire::Header>) {
        let revision = header.map_or(0, |header| header.revision);
        self.revision.fetch_max(revision, Ordering::Relaxed);
    }

    /// All revisions to come are above this.
    pub(super) fn last_revision(&self) -> u64 {
        u64::try_from(self.revision.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// What is added to the revision to make a token of it, as far as is known.
    pub(super) fn base(&self) -> u64 {
        *self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_base(&self, base: u64) {
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = base;
    }

    /// Reads the base, or begins with one. Without data, the revisions begin anew, and the base is higher then.
    pub(super) async fn find_base(&self) -> Result<()> {
        let key = self.address.root.base();
        let first = lease::first_token().to_be_bytes().to_vec();
        let txn = TxnRequest {
            compare: vec![Compare::present(&key)],
            success: vec![wire::read(wire::range(&key))],
            failure: vec![wire::put(&key, first, 0), wire::read(wire::range(&key))],
        };
        let response = self.txn("connect", &txn).await;
        let response = response.map_err(|failed| failed.into_error("connect"))?;
        let found = response.ranges().flatten().next();
        let base = found.as_ref().and_then(|found| parse_base(&found.value));
        self.set_base(base.ok_or_else(|| failure::of_reply("connect"))?);
        Ok(())
    }

    /// Asks one server after another until one answers, or the time is over. What changes something can be asked of
    /// several: it takes effect once.
    pub(super) async fn call<Q, A>(
        &self,
        operation: &'static str,
        rpc: &'static str,
        question: &Q,
    ) -> std::result::Result<A, Failed>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        self.listen();
        let until = Instant::now() + self.response_timeout;
        let share = self.share();
        let mut may_be_done = false;
        let mut refused = 0;
        let mut tried = 0;
        let mut failed = None;
        while Instant::now() < until {
            if tried > 0 && tried % self.endpoints.len() == 0 {
                if failed.is_some() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            let dialled = tokio::time::timeout_at(until, self.channel(operation)).await;
            let (channel, number) = match dialled {
                Ok(Ok(channel)) => channel,
                Ok(Err(error)) => {
                    tried += 1;
                    if error.kind() == StoreErrorKind::Denied {
                        failed = Some(error);
                    }
                    // All of them have nobody who listens.
                    if tried >= self.endpoints.len() * 3 {
                        break;
                    }
                    continue;
                }
                Err(_) => break,
            };
            let attempt_until = until.min(Instant::now() + share);
            let token = self.login.token();
            let asked = ask(&channel, token.as_ref(), rpc, question);
            let refusal = match tokio::time::timeout_at(attempt_until, asked).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => {
                    debug!(code = ?status.code(), operation, "etcd has not done what it was asked");
                    failure::of_status(&status, self.has_user())
                }
                Err(_) => Refusal::Unanswered,
            };
            tried += 1;
            match refusal {
                Refusal::LeaseNotFound if !may_be_done => return Err(Failed::LeaseNotFound),
                Refusal::LeaseNotFound => break,
                Refusal::LeaseExists => return Err(Failed::LeaseExists),
                Refusal::Final(kind, problem) => {
                    failed = Some(StoreError::new(kind, operation, problem));
                    break;
                }
                Refusal::Token if refused < 2 => {
                    refused += 1;
                    tried -= 1;
                    self.login.forget(token.as_ref());
                    self.give_up(number, false);
                }
                Refusal::Token => {
                    failed = Some(failure::of_token(operation));
                    break;
                }
                Refusal::NotNow => self.give_up(number, true),
                Refusal::Unanswered => {
                    may_be_done = true;
                    self.give_up(number, true);
                }
            }
        }
        // What one server refuses, another may have done before.
        Err(Failed::Store(if may_be_done {
            failure::of_loss(operation)
        } else {
            failed.unwrap_or_else(|| failure::of_connecting(operation))
        }))
    }

    /// The connection in use, made if there is none. One at a time connects, for all, and to one server.
    pub(super) async fn channel(&self, operation: &'static str) -> Result<(Channel, u64)> {
        if let Some(channel) = self.working() {
            return Ok(channel);
        }
        let _turn = self.connecting.lock().await;
        if let Some(channel) = self.working() {
            return Ok(channel);
        }
        let server = self.take_server();
        let dialled = tokio::time::timeout(self.share(), self.dial(operation, server)).await;
        let channel = dialled.map_err(|_| failure::of_connecting(operation))??;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.server = server;
        current.number += 1;
        current.channel = Some(channel.clone());
        Ok((channel, current.number))
    }

    /// How long one server is waited for before it is another one's turn.
    fn share(&self) -> Duration {
        self.response_timeout / u32::try_from(self.endpoints.len()).unwrap_or(1).min(4)
    }

    async fn dial(&self, operation: &'static str, server: usize) -> Result<Channel> {
        let endpoint = self
            .endpoints
            .get(server)
            .ok_or_else(|| failure::of_connecting(operation))?;
        let channel = endpoint.connect().await.map_err(|error| {
            if self.address.tls.is_some() && is_of_encryption(&error) {
                failure::of_encrypting(operation)
            } else {
                failure::of_connecting(operation)
            }
        })?;
        self.login.begin(operation, &self.address, &channel).await?;
        Ok(channel)
    }

    pub(super) fn has_user(&self) -> bool {
        self.address.user.is_some()
    }

    fn working(&self) -> Option<(Channel, u64)> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some((current.channel.clone()?, current.number))
    }

    /// Does not use this connection any more, and goes on to the next server.
    pub(super) fn give_up(&self, number: u64, to_next: bool) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.number == number && current.channel.take().is_some() && to_next {
            current.server = (current.server + 1) % self.endpoints.len().max(1);
        }
    }

    /// The server to connect to. It is the next one's turn after that, also if whoever connects is dropped on the way.
    fn take_server(&self) -> usize {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let next = (current.server + 1) % self.endpoints.len().max(1);
        std::mem::replace(&mut current.server, next)
    }
}

pub(super) async fn ask<Q, A>(
    channel: &Channel,
    token: Option<&Token>,
    rpc: &'static str,
    question: &Q,
) -> std::result::Result<A, Status>
where
    Q: prost::Message + Clone + 'static,
    A: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
    grpc.ready()
        .await
        .map_err(|_| Status::unavailable("the connection is broken"))?;
    let request = login::sign(Request::new(question.clone()), token);
    let codec = ProstCodec::<Q, A>::default();
    let answer = grpc.unary(request, PathAndQuery::from_static(rpc), codec);
    Ok(answer.await?.into_inner())
}

impl Drop for Link {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

pub(super) fn parse_base(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

fn endpoint(address: &Address, server: &Server) -> std::result::Result<Endpoint, Error> {
    let scheme = if address.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let host = &server.host;
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let malformed = |_| Error::invalid_url("one of its hosts is none");
    let endpoint = Endpoint::from_shared(format!("{scheme}://{host}:{}", server.port))
        .map_err(malformed)?
        .tcp_nodelay(true)
        .http2_keep_alive_interval(SILENCE)
        .keep_alive_timeout(SIGN_OF_LIFE);
    match &address.tls {
        Some(config) => endpoint.tls_config(config.clone()).map_err(|_| {
            tls::unusable(
                "the files that `sslrootcert`, `sslcert` and `sslkey` name cannot be used",
            )
        }),
        None => Ok(endpoint),
    }
}

/// Whether it is not the network that failed.
fn is_of_encryption(error: &tonic::transport::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::InvalidData;
        }
        source = error.source();
    }
    false
}
