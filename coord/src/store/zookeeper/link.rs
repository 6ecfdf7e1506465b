//! The connection that is in use, made anew when it breaks; and what is known of the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::debug;

use super::address::Address;
use super::clock::{Clock, Time};
use super::connection::{self, BoxedStream, Connection, News};
use super::lines::Lines;
use super::records::Header;
use super::wire::{Change, Code, Done, Reply, Request, Session, Stat};
use super::{failure, hearing, path, sweep, tls};
use crate::error::StoreError;
use crate::store::Result;
use crate::store::hosts::Server;
use crate::store::wakes::Wakes;

/// How many records' headers are kept.
const HEADERS_AT_MOST: usize = 4_096;

pub(super) struct Link {
    pub(super) address: Address,
    pub(super) response_timeout: Duration,
    session_timeout: Duration,
    pub(super) wakes: Arc<Wakes>,
    pub(super) clock: Clock,
    pub(super) lines: Lines,
    /// What was last seen in front of records, so that they can be written without being read again.
    headers: Mutex<HashMap<String, Header>>,
    /// What is added to the number of a transaction to make a token of it.
    base: Mutex<Option<u64>>,
    current: RwLock<Option<Arc<Connection>>>,
    /// Kept while connecting: the session to go on with.
    session: tokio::sync::Mutex<Session>,
    next_server: AtomicUsize,
    news: mpsc::UnboundedSender<News>,
    heard: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<News>>>,
    sweep_every: Duration,
    /// Those that listen and sweep.
    tasks: Mutex<Vec<AbortHandle>>,
    /// For the tasks.
    this: Weak<Self>,
}

impl Link {
    /// Connects for the first time.
    pub(super) async fn begin(
        address: Address,
        response_timeout: Duration,
        session_timeout: Duration,
        sweep_every: Duration,
    ) -> Result<Arc<Self>> {
        let (news, heard) = mpsc::unbounded_channel();
        let first = rand::random_range(0..address.servers.len().max(1));
        let link = Arc::new_cyclic(|this| Self {
            address,
            response_timeout,
            session_timeout,
            wakes: Arc::default(),
            clock: Clock::new(),
            lines: Lines::default(),
            headers: Mutex::default(),
            base: Mutex::default(),
            current: RwLock::default(),
            session: tokio::sync::Mutex::default(),
            next_server: AtomicUsize::new(first),
            news,
            heard: Arc::new(tokio::sync::Mutex::new(heard)),
            sweep_every,
            tasks: Mutex::default(),
            this: Weak::clone(this),
        });
        let connection = link.connection().await?;
        link.now_through(&connection).await?;
        Ok(link)
    }

    /// Begins to listen and to sweep, also again when the runtime on which that was done has ended.
    fn begin_tasks(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if !tasks.is_empty() && !tasks.iter().any(AbortHandle::is_finished) {
            return;
        }
        tasks.drain(..).for_each(|task| task.abort());
        let hearing = hearing::run(Weak::clone(&self.this), Arc::clone(&self.heard));
        let sweeping = sweep::run(Weak::clone(&self.this), self.sweep_every);
        tasks.extend([
            tokio::spawn(hearing).abort_handle(),
            tokio::spawn(sweeping).abort_handle(),
        ]);
    }

    /// The connection, made if there is none that works.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>> {
        self.begin_tasks();
        if let Some(connection) = self.working() {
            return Ok(connection);
        }
        // Also for those who wait while another connects, and may fail.
        let connecting = tokio::time::timeout(self.response_timeout, self.connect_anew());
        connecting
            .await
            .unwrap_or_else(|_| Err(failure::of_connecting()))
    }

    async fn connect_anew(&self) -> Result<Arc<Connection>> {
        let mut session = self.session.lock().await;
        if let Some(connection) = self.working() {
            return Ok(connection);
        }
        let connection = Arc::new(self.connect_to_any(&mut session).await?);
        self.clock.forget();
        hearing::watch_again(self, &connection);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::clone(&connection));
        self.wakes.look_again();
        debug!("connected to ZooKeeper");
        Ok(connection)
    }

    /// Says something to those who listen, as if the server had.
    pub(super) fn tell(&self, news: News) {
        // Nobody listens any more when the store is being dropped.
        let _ = self.news.send(news);
    }

    pub(super) fn working(&self) -> Option<Arc<Connection>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .filter(|connection| !connection.is_lost())
            .cloned()
    }

    /// Goes on with the session there was, so that nothing that is still on its way through another server is done
    /// after this.
    async fn connect_to_any(&self, session: &mut Session) -> Result<Connection> {
        let servers = &self.address.servers;
        let share = self.response_timeout / u32::try_from(servers.len().max(1)).unwrap_or(1);
        let mut failed = failure::of_connecting();
        for _ in servers {
            // It is the next one's turn after that, also if this is dropped on the way.
            let next = self.next_server.fetch_add(1, Ordering::Relaxed);
            let server = &servers[next % servers.len()];
            let connecting = tokio::time::timeout(share, self.connect_to(server, session));
            match connecting.await {
                Ok(Ok(connection)) => {
                    self.next_server.store(next, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(error)) => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    async fn connect_to(&self, server: &Server, session: &mut Session) -> Result<Connection> {
        let mut stream = self.dial(server).await?;
        let lost = |_| failure::of_connecting();
        let greeted = connection::greet(&mut stream, self.session_timeout, session).await;
        let granted = if let Some(granted) = greeted.map_err(lost)? {
            granted
        } else {
            *session = Session::default();
            stream = self.dial(server).await?;
            let greeted = connection::greet(&mut stream, self.session_timeout, session).await;
            greeted.map_err(lost)?.ok_or_else(failure::of_connecting)?
        };
        *session = granted;
        let news = self.news.clone();
        let hear = move |heard| drop(news.send(heard));
        let digest = self.address.digest.as_deref();
        let connection = Connection::begin(stream, session, digest, hear);
        // It answers what it was told before, whether it is who we say to be.
        let hello = [Request::Exists {
            path: self.address.root.path().to_owned(),
            watch: false,
        }];
        match self.ask_through(&connection, "connect", &hello).await {
            Ok(_) => Ok(connection),
            Err(_) if connection.is_refused() => Err(failure::of_authenticating()),
            Err(_) => Err(failure::of_connecting()),
        }
    }

    async fn dial(&self, server: &Server) -> Result<BoxedStream> {
        let stream = TcpStream::connect((&*server.host, server.port)).await;
        let stream = stream.map_err(|_| failure::of_connecting())?;
        // It only makes answers come later.
        let _ = stream.set_nodelay(true);
        match &self.address.tls {
            Some(tls) => tls::encrypt(tls, &server.host, stream).await,
            None => Ok(Box::new(stream)),
        }
    }

    /// Asks all of these one behind the other, in one round trip.
    pub(super) async fn ask<const N: usize>(
        &self,
        operation: &'static str,
        requests: &[Request; N],
    ) -> Result<[Reply; N]> {
        let replies = self.ask_all(operation, requests).await?;
        replies.try_into().map_err(|_| failure::of_loss(operation))
    }

    /// The same, for any number of them.
    pub(super) async fn ask_all(
        &self,
        operation: &'static str,
        requests: &[Request],
    ) -> Result<Vec<Reply>> {
        let connection = self.connection().await?;
        self.ask_through(&connection, operation, requests).await
    }

    async fn ask_through(
        &self,
        connection: &Connection,
        operation: &'static str,
        requests: &[Request],
    ) -> Result<Vec<Reply>> {
        let lost = || failure::of_loss(operation);
        let answers = connection.send(requests).ok_or_else(lost)?;
        let replies = tokio::time::timeout(self.response_timeout, try_join_all(answers)).await;
        let Ok(replies) = replies else {
            connection.give_up();
            // Whoever waits for something has to look again.
            self.tell(News::Lost);
            return Err(lost());
        };
        let replies = replies.map_err(|_| lost())?;
        if let Some(last) = replies.last() {
            connection.hear(last.transaction);
        }
        Ok(replies)
    }

    /// Does all of these changes, or none, and asks more behind it, in one round trip. Makes the folders that it needs.
    pub(super) async fn change(
        &self,
        operation: &'static str,
        changes: Vec<Change>,
        behind: impl IntoIterator<Item = Request>,
    ) -> Result<(Changed, Vec<Reply>)> {
        // The server tells of one folder at a time.
        let tries = changes.len() + 1;
        let mut requests = vec![Request::Multi(changes)];
        requests.extend(behind);
        for _ in 0..tries {
            let mut replies = self.ask_all(operation, &requests).await?.into_iter();
            let reply = replies.next().ok_or_else(|| failure::of_loss(operation))?;
            let transaction = reply.transaction;
            let done = reply.done().map_err(failure::of_reply(operation))?;
            let (at, code) = match done {
                Done::All(stats) => {
                    let stat = stats.into_iter().flatten().next_back().unwrap_or_default();
                    if stat.changed_at > 0 {
                        self.clock.hear(stat.changed_at);
                    }
                    return Ok((Changed::Done { transaction, stat }, replies.collect()));
                }
                Done::None(at, code) => (at, code),
            };
            let Request::Multi(changes) = &requests[0] else {
                return Err(failure::of_loss(operation));
            };
            match (changes.get(at), code) {
                (Some(Change::Create { path, .. }), Code::NO_NODE) => {
                    let path = path.clone();
                    self.make_folders(operation, &path).await?;
                }
                (
                    Some(_),
                    Code::NO_NODE | Code::NODE_EXISTS | Code::BAD_VERSION | Code::NOT_EMPTY,
                ) => return Ok((Changed::Refused(at), replies.collect())),
                _ => return Err(failure::of_code(operation, code)),
            }
        }
        Err(failure::of_contention(operation))
    }

    /// Makes all folders above a node that are not there.
    pub(super) async fn make_folders(&self, operation: &'static str, path: &str) -> Result<()> {
        let creates: Vec<_> = path::parents(path)
            .map(|path| Request::Create {
                path: path.to_owned(),
                data: bytes::Bytes::new(),
            })
            .collect();
        let replies = self.ask_all(operation, &creates).await?;
        // Above one's own folder, one may have no right to create what is there.
        let mut failed = None;
        for reply in replies {
            match reply.created().map_err(failure::of_reply(operation))? {
                Ok(_) | Err(Code::NODE_EXISTS) => failed = None,
                Err(code) => failed = failed.or(Some(code)),
            }
        }
        failed.map_or(Ok(()), |code| Err(failure::of_code(operation, code)))
    }

    /// The server's time, or a little earlier.
    pub(super) async fn now(&self) -> Result<Time> {
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        let connection = self.connection().await?;
        self.now_through(&connection).await
    }

    async fn now_through(&self, connection: &Connection) -> Result<Time> {
        let path = self.address.root.clock();
        for _ in 0..3 {
            let touch = [Request::SetData {
                path: path.clone(),
                data: bytes::Bytes::new(),
                version: None,
            }];
            let mut replies = self.ask_through(connection, "connect", &touch).await?;
            let reply = replies.pop().ok_or_else(|| failure::of_loss("connect"))?;
            match reply.stat().map_err(failure::of_reply("connect"))? {
                Ok(stat) => {
                    self.clock.hear(stat.changed_at);
                    return Ok(self.clock.now().unwrap_or(stat.changed_at));
                }
                Err(Code::NO_NODE) => self.make_folders("connect", &format!("{path}/")).await?,
                Err(code) => return Err(failure::of_code("connect", code)),
            }
        }
        Err(failure::of_contention("connect"))
    }

    /// What is added to the number of a transaction to make a token of it.
    pub(super) async fn base(&self) -> Result<u64> {
        if let Some(base) = *self.known_base() {
            return Ok(base);
        }
        let tokens = self.address.root.tokens();
        for _ in 0..10 {
            let asked = [
                Request::Sync {
                    path: tokens.clone(),
                },
                Request::Children {
                    path: tokens.clone(),
                },
            ];
            let [_, reply] = self.ask("acquire", &asked).await?;
            match reply.children().map_err(failure::of_reply("acquire"))? {
                Ok((bases, stat)) => {
                    let bases = bases
                        .iter()
                        .filter_map(|base| u64::from_str_radix(base, 16).ok());
                    if let Some(base) = bases.max() {
                        *self.known_base() = Some(base);
                        return Ok(base);
                    }
                    // The folder is new. Seconds, where a server that has lost everything counts on from elections.
                    let first = (stat.created_at / 1_000) << 32;
                    let path = self.address.root.tokens_from(first);
                    self.make_folders("acquire", &format!("{path}/")).await?;
                }
                Err(Code::NO_NODE) => self.make_folders("acquire", &format!("{tokens}/")).await?,
                Err(code) => return Err(failure::of_code("acquire", code)),
            }
        }
        Err(failure::of_contention("acquire"))
    }

    pub(super) fn known_base(&self) -> MutexGuard<'_, Option<u64>> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No transaction to come has a number that is not above this.
    pub(super) fn last_transaction(&self) -> u64 {
        self.working()
            .map_or(0, |connection| connection.last_transaction())
    }

    pub(super) fn header(&self, path: &str) -> Option<Header> {
        self.headers().get(path).cloned()
    }

    pub(super) fn keep_header(&self, path: &str, header: Header) {
        let mut headers = self.headers();
        if headers.len() >= HEADERS_AT_MOST && !headers.contains_key(path) {
            headers.clear();
        }
        headers.insert(path.to_owned(), header);
    }

    fn headers(&self) -> MutexGuard<'_, HashMap<String, Header>> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of changes.
pub(super) enum Changed {
    Done {
        transaction: u64,
        /// What is known of the node of the last change that tells of one.
        stat: Stat,
    },
    /// None is done: what the one at this place needs is not so.
    Refused(usize),
}

impl Drop for Link {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }
}

/// A question that sees what was done before it, whoever did it, and its answer.
pub(super) async fn get_latest(
    link: &Link,
    operation: &'static str,
    path: &str,
) -> Result<Option<super::cell::Cell>> {
    let asked = [
        Request::Sync {
            path: path.to_owned(),
        },
        get(path),
    ];
    let [_, reply] = link.ask(operation, &asked).await?;
    cell(operation, reply)
}

pub(super) fn get(path: &str) -> Request {
    Request::Get {
        path: path.to_owned(),
        watch: false,
    }
}

/// The cell that is answered, if there is one.
pub(super) fn cell(
    operation: &'static str,
    reply: Reply,
) -> std::result::Result<Option<super::cell::Cell>, StoreError> {
    match reply.data().map_err(failure::of_reply(operation))? {
        Ok((data, stat)) => match super::cell::Cell::read(data, stat) {
            Some(cell) => Ok(Some(cell)),
            None => Err(failure::of_reply(operation)(super::wire::Malformed)),
        },
        Err(Code::NO_NODE) => Ok(None),
        Err(code) => Err(failure::of_code(operation, code)),
    }
}
