//! One connection. The server answers in the order of the requests, so many are under way at the same time.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::wire::{self, Access, Reply, Request, Session};

/// What is a stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) type BoxedStream = Box<dyn Stream>;

/// What comes without being asked for.
#[derive(Debug)]
pub(super) enum News {
    /// Something has happened to this node, once.
    Changed(String),
    /// The connection has ended, and with it all watches.
    Lost,
}

/// An answer to come. It fails when the connection ends.
pub(super) type Answer = oneshot::Receiver<Reply>;

pub(super) struct Connection {
    shared: Arc<Shared>,
    access: Access,
    /// The greatest number of a transaction that was heard of over it: servers that have lost everything count anew.
    transaction: AtomicU64,
    task: AbortHandle,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Notify,
}

#[derive(Default)]
struct State {
    last_number: i32,
    outgoing: BytesMut,
    asked: VecDeque<(i32, oneshot::Sender<Reply>)>,
    is_lost: bool,
    is_refused: bool,
}

/// Says hello. None, if the session that was asked for has ended.
pub(super) async fn greet(
    stream: &mut BoxedStream,
    lasts: Duration,
    before: &Session,
) -> io::Result<Option<Session>> {
    let mut hello = BytesMut::new();
    let lasts = i32::try_from(lasts.as_millis()).unwrap_or(i32::MAX);
    wire::put_hello(&mut hello, lasts, before);
    stream.write_all(&hello).await?;
    stream.flush().await?;
    let body = read_message(stream, &mut BytesMut::new()).await?;
    wire::read_hello(body).map_err(|_| malformed())
}

impl Connection {
    /// Takes over a stream on which both sides have said hello.
    pub(super) fn begin(
        stream: BoxedStream,
        session: &Session,
        digest: Option<&str>,
        hear: impl FnMut(News) + Send + 'static,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let mut access = Access::Everybody;
        if let Some(user_and_password) = digest {
            access = Access::Ourselves;
            wire::put_digest(&mut shared.state().outgoing, user_and_password);
            shared.work.notify_one();
        }
        let lasts = Duration::from_millis(u64::try_from(session.lasts).unwrap_or(0));
        let running = run(Arc::clone(&shared), stream, lasts / 3, hear);
        Self {
            shared,
            access,
            transaction: AtomicU64::new(0),
            task: tokio::spawn(running).abort_handle(),
        }
    }

    /// Puts requests on their way, one behind the other with nothing in between. None, if the connection has ended.
    pub(super) fn send(&self, requests: &[Request]) -> Option<Vec<Answer>> {
        let mut state = self.shared.state();
        if state.is_lost {
            return None;
        }
        let answers = requests
            .iter()
            .map(|request| {
                state.last_number = state.last_number.checked_add(1).unwrap_or(1);
                let number = state.last_number;
                wire::put_request(&mut state.outgoing, number, request, self.access);
                let (sender, answer) = oneshot::channel();
                state.asked.push_back((number, sender));
                answer
            })
            .collect();
        drop(state);
        self.shared.work.notify_one();
        Some(answers)
    }

    /// A transaction of this number was done.
    pub(super) fn hear(&self, transaction: u64) {
        self.transaction.fetch_max(transaction, Ordering::Relaxed);
    }

    pub(super) fn last_transaction(&self) -> u64 {
        self.transaction.load(Ordering::Relaxed)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.shared.state().is_lost
    }

    /// Whether the server has refused who we say to be.
    pub(super) fn is_refused(&self) -> bool {
        self.shared.state().is_refused
    }

    /// Takes it for broken.
    pub(super) fn give_up(&self) {
        self.shared.end();
        self.task.abort();
    }
}

impl Drop for Connection {
    /// The task ends the session, which nobody needs any more.
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.is_lost {
            drop(state);
            self.task.abort();
            return;
        }
        wire::put_close(&mut state.outgoing);
        state.is_lost = true;
        drop(state);
        self.shared.work.notify_one();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let mut state = self.state();
        state.is_lost = true;
        state.asked.clear();
        state.outgoing.clear();
    }
}

/// Ends whoever waits, however the task ends.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn run(
    shared: Arc<Shared>,
    stream: BoxedStream,
    ping_every: Duration,
    mut hear: impl FnMut(News) + Send + 'static,
) {
    let running = Running(Arc::clone(&shared));
    let (reader, writer) = tokio::io::split(stream);
    let heard = Notify::new();
    tokio::select! {
        _ = write(&shared, writer) => {}
        _ = read(&shared, reader, &heard, &mut hear) => {}
        () = ping(&shared, ping_every, &heard) => {}
    }
    drop(running);
    hear(News::Lost);
}

async fn write(shared: &Shared, mut writer: WriteHalf<BoxedStream>) -> io::Result<()> {
    loop {
        let (outgoing, is_last) = {
            let mut state = shared.state();
            (state.outgoing.split(), state.is_lost)
        };
        if !outgoing.is_empty() {
            writer.write_all(&outgoing).await?;
            writer.flush().await?;
        }
        if is_last {
            return writer.shutdown().await;
        }
        shared.work.notified().await;
    }
}

async fn read(
    shared: &Shared,
    mut reader: ReadHalf<BoxedStream>,
    heard: &Notify,
    hear: &mut impl FnMut(News),
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        let body = read_message(&mut reader, &mut buffer).await?;
        heard.notify_one();
        let (number, reply) = wire::read_reply(body).map_err(|_| malformed())?;
        match number {
            wire::EVENT => {
                let event = reply.outcome.map_err(|_| malformed())?;
                if let Some(path) = wire::read_event(event).map_err(|_| malformed())? {
                    hear(News::Changed(path));
                }
            }
            wire::PONG => {}
            wire::AUTHENTICATED => {
                if reply.outcome.is_err() {
                    shared.state().is_refused = true;
                    return Ok(());
                }
            }
            _ => {
                let asked = shared.state().asked.pop_front();
                let Some((_, sender)) = asked.filter(|(asked, _)| *asked == number) else {
                    return Err(malformed());
                };
                // Nobody may wait for it any more.
                let _ = sender.send(reply);
            }
        }
    }
}

/// Keeps the session alive. Returns when nothing was heard of the server for two intervals.
async fn ping(shared: &Shared, every: Duration, heard: &Notify) {
    let mut silent = 0;
    loop {
        match tokio::time::timeout(every, heard.notified()).await {
            Ok(()) => {
                // Something else was asked. The server hears us only when we ask; so that is looked at once in a while.
                silent = 0;
                tokio::time::sleep(every).await;
            }
            Err(_) => silent += 1,
        }
        if silent == 2 {
            return;
        }
        wire::put_ping(&mut shared.state().outgoing);
        shared.work.notify_one();
    }
}

async fn read_message(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<Bytes> {
    loop {
        if let Some(len) = buffer.first_chunk::<4>() {
            let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
            if len > wire::LONGEST_REPLY {
                return Err(malformed());
            }
            if buffer.len() >= 4 + len {
                let message = buffer.split_to(4 + len).freeze();
                return Ok(message.slice(4..));
            }
            buffer.reserve(4 + len - buffer.len());
        }
        if reader.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "it does not speak as ZooKeeper does",
    )
}
