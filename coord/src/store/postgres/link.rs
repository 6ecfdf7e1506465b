//! The connections: some that write, each for one batch at a time; and one that reads, and hears of changes.
//!
//! 1. A connection is of no use before it is set up: the server's lineage compared, statements prepared; and the one
//!    that hears, before it listens on this process's channel and what is watched here is known to the server. So
//!    who looks again through a new connection is woken by whatever happens after.
//! 2. A connection that broke, or on which an answer did not come in time, is not used again. What was under way is
//!    reported as perhaps done; nothing is sent again by itself.
//! 3. Nobody who waits for a lease has a connection.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Error as PostgresError, Row};
use tracing::debug;

use super::address::Address;
use super::connection::{self, Broken, Connection, Dialled};
use super::failure;
use super::job::Job;
use super::lock::Subject;
use super::schema::Schema;
use super::statement::{Parameter, Statement};
use super::{microseconds, upkeep};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::attempts::Attempts;
use crate::store::batch::Batcher;
use crate::store::wakes::Wakes;
use crate::store::{FencingToken, OwnerId, Result, Watch};

/// How many connections write at the same time: one alone, and as many batches as there can be.
const WRITERS: usize = 4;
/// For how long the server remembers what is watched here. It is told anew well before.
pub(super) const WATCH_LASTS: Duration = Duration::from_secs(60);

pub(super) struct Link {
    address: Address,
    pub(super) schema: Schema,
    response_timeout: Duration,
    /// The channel on which this process is told of what it waits for.
    pub(super) channel: Arc<str>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) writing: Batcher<Job>,
    writers: Semaphore,
    idle: Mutex<Vec<Arc<Connection>>>,
    hearing: RwLock<Option<Arc<Connection>>>,
    connecting: Attempts,
    upkeep: Mutex<Option<AbortHandle>>,
    upkeep_every: Duration,
    is_prepared: AtomicBool,
}

impl Link {
    pub(super) fn open(
        address: Address,
        schema: Schema,
        response_timeout: Duration,
        upkeep_every: Duration,
    ) -> Arc<Self> {
        let id: u128 = rand::random();
        Arc::new(Self {
            address,
            schema,
            response_timeout,
            channel: format!("coord_{id:032x}").into(),
            wakes: Arc::default(),
            writing: Batcher::new(),
            writers: Semaphore::new(WRITERS),
            idle: Mutex::default(),
            hearing: RwLock::default(),
            connecting: Attempts::default(),
            upkeep: Mutex::default(),
            upkeep_every,
            is_prepared: AtomicBool::new(false),
        })
    }

    /// A connection to write with, for this caller alone.
    pub(super) async fn writer(self: &Arc<Self>) -> Result<Writer<'_>> {
        // The semaphore is never closed.
        let permit = self.writers.acquire().await.ok();
        let idle = std::iter::from_fn(|| self.idle().pop()).find(|idle| !idle.is_lost());
        let connection = match idle {
            Some(connection) => connection,
            None => Arc::new(self.connect(|_| {}).await?),
        };
        Ok(Writer {
            link: self,
            connection,
            _permit: permit,
        })
    }

    /// The connection that reads and hears, made if there is none that works. Those who ask for it meanwhile share what comes
    /// of that, so that nobody waits for several attempts.
    pub(super) async fn hearing(self: &Arc<Self>) -> Result<Arc<Connection>> {
        if let Some(connection) = self.working() {
            return Ok(connection);
        }
        let attempt = self.connect_to_hear();
        self.connecting
            .share(
                self.response_timeout.saturating_mul(2),
                || self.working(),
                attempt,
            )
            .await
    }

    async fn connect_to_hear(self: &Arc<Self>) -> Result<Arc<Connection>> {
        let listener = Listener(Arc::downgrade(&self.wakes));
        let connection = self.connect(move |message| listener.hear(message)).await?;
        let listening = connection.listen(&self.channel).await;
        listening.map_err(|broken| match broken {
            Broken::Refused(error) => failure::of_connecting(&error),
            Broken::Lost => failure::of_silence(),
        })?;
        for topic in self.wakes.channels() {
            self.tell_again_of(&connection, &topic).await?;
        }
        let connection = Arc::new(connection);
        {
            let mut hearing = self.hearing.write().unwrap_or_else(PoisonError::into_inner);
            // If another attempt is done, this one may be of long ago.
            if let Some(working) = hearing.as_ref().filter(|other| !other.is_lost()) {
                return Ok(Arc::clone(working));
            }
            *hearing = Some(Arc::clone(&connection));
        }
        self.wakes.look_again();
        Ok(connection)
    }

    /// Has it made in the background, if there is none that works.
    pub(super) fn hear_again(self: &Arc<Self>) {
        if self.working().is_none() {
            let link = Arc::clone(self);
            tokio::spawn(async move {
                // Whoever waits looks now and then, and comes by again.
                let _ = link.hearing().await;
            });
        }
    }

    fn working(&self) -> Option<Arc<Connection>> {
        let hearing = self.hearing.read().unwrap_or_else(PoisonError::into_inner);
        hearing
            .as_ref()
            .filter(|connection| !connection.is_lost())
            .cloned()
    }

    /// Asks what changes nothing.
    pub(super) async fn read(
        self: &Arc<Self>,
        operation: &'static str,
        statement: Statement,
        parameters: &[Parameter],
    ) -> Result<Vec<Row>> {
        let connection = self.hearing().await?;
        let rows = connection.ask(statement, parameters).await;
        rows.map_err(|broken| failed(operation, &broken))
    }

    /// A watch of something.
    pub(super) async fn watch(self: &Arc<Self>, subject: Subject, name: &str) -> Result<Watch> {
        let connection = self.hearing().await?;
        let topic: Arc<str> = hex(&subject.topic(name)).into();
        let watch = self.wakes.watch(&topic);
        self.tell_of(&connection, &topic).await?;
        Ok(watch)
    }

    /// Has the server know that somebody here watches this.
    pub(super) async fn tell_of(&self, connection: &Connection, topic: &str) -> Result<()> {
        let topic = unhex(topic).unwrap_or_default();
        let lock = match topic.split_first() {
            Some((b'r', name)) => Subject::Record.lock(self.schema.name(), name),
            Some((b'g', name)) => Subject::Log.lock(self.schema.name(), name),
            Some((_, name)) => Subject::Lease.lock(self.schema.name(), name),
            None => 0,
        };
        let parameters = [
            Parameter::Number(lock),
            Parameter::Bytes(topic.into()),
            Parameter::Text(self.channel.to_string()),
            Parameter::Number(microseconds(WATCH_LASTS)),
        ];
        let told = connection.ask(Statement::Watch, &parameters).await;
        told.map(drop).map_err(|broken| failed("watch", &broken))
    }

    /// The same of what the server may know already. A transaction of a user's that has it is not waited for: who watches
    /// looks now and then.
    pub(super) async fn tell_again_of(&self, connection: &Connection, topic: &str) -> Result<()> {
        match self.tell_of(connection, topic).await {
            Err(error) if error.kind() != StoreErrorKind::Unknown => {
                debug!(%error, "a watch is not renewed now");
                Ok(())
            }
            told => told,
        }
    }

    async fn connect(
        self: &Arc<Self>,
        hear: impl FnMut(Option<AsyncMessage>) + Send + 'static,
    ) -> Result<Connection> {
        let connecting = async {
            let mut dialled = self
                .dial(hear)
                .await
                .map_err(|error| failure::of_connecting(&error))?;
            if !self.is_prepared.load(Ordering::SeqCst) {
                self.schema.prepare(&mut dialled.client).await?;
                self.is_prepared.store(true, Ordering::SeqCst);
            }
            let begun = Connection::begin(dialled, &self.schema, self.response_timeout).await;
            begun.map_err(|error| failure::of_preparing(&error))
        };
        let connected = tokio::time::timeout(self.response_timeout, connecting).await;
        let connection = connected.unwrap_or_else(|_| Err(failure::of_silence()))?;
        debug!("connected to PostgreSQL");
        self.look_after();
        Ok(connection)
    }

    /// Looks after the tables in a task on this runtime, if none does. That of the task before may have ended, and its
    /// connections with it.
    fn look_after(self: &Arc<Self>) {
        let mut upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        if upkeep.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(upkeep::run(Arc::downgrade(self), self.upkeep_every));
            *upkeep = Some(task.abort_handle());
        }
    }

    async fn dial(
        &self,
        hear: impl FnMut(Option<AsyncMessage>) + Send + 'static,
    ) -> std::result::Result<Dialled, PostgresError> {
        let config = &self.address.config;
        match &self.address.tls {
            Some(tls) => connection::dial(config, tls.clone(), hear).await,
            None => connection::dial(config, tokio_postgres::NoTls, hear).await,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = self
            .upkeep
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            task.abort();
        }
    }
}

/// A connection that is lent.
pub(super) struct Writer<'a> {
    link: &'a Link,
    connection: Arc<Connection>,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Deref for Writer<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if !self.connection.is_lost() {
            self.link.idle().push(Arc::clone(&self.connection));
        }
    }
}

pub(super) fn failed(operation: &'static str, broken: &Broken) -> StoreError {
    match broken {
        Broken::Refused(error) => failure::of_operation(operation, error),
        Broken::Lost => failure::of_loss(operation),
    }
}

/// Takes in what the server sends unasked.
struct Listener(Weak<Wakes>);

impl Listener {
    fn hear(&self, message: Option<AsyncMessage>) {
        let Some(wakes) = self.0.upgrade() else {
            return;
        };
        match message {
            Some(AsyncMessage::Notification(told)) => {
                if let Some(topic) = told.payload().strip_prefix("look ") {
                    wakes.changed(topic);
                } else if let Some((owner, token)) = parse_grant(told.payload()) {
                    wakes.granted(owner, token);
                }
            }
            Some(_) => {}
            None => wakes.look_again(),
        }
    }
}

/// A grant is the owner, and the token.
fn parse_grant(payload: &str) -> Option<(OwnerId, FencingToken)> {
    let (owner, token) = payload.strip_prefix("granted ")?.split_once(' ')?;
    let owner = u128::from_str_radix(owner, 16).ok()?;
    Some((OwnerId::from_bits(owner), to_token(token.parse().ok()?)))
}

/// A token as it is stored: the server's integers have a sign, and this keeps the order.
pub(super) fn from_token(token: FencingToken) -> i64 {
    u64::from(token).cast_signed() ^ i64::MIN
}

/// A token that was stored.
pub(super) fn to_token(stored: i64) -> FencingToken {
    FencingToken::new((stored ^ i64::MIN).cast_unsigned())
}

/// Bytes as the server writes them in messages.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to memory does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}
