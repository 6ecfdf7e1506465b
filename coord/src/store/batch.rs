//! Calls of one kind, put together: when many tasks call at once, one script call carries many of them, which
//! costs the server and this process less than as many calls of their own.
//!
//! 1. A call that finds no other under way goes straight to the server: alone, it is not delayed.
//! 2. Otherwise it is queued, and a task of the batcher's sends all that are queued as soon as fewer than
//!    [`UNDER_WAY`] batches are. So batches grow with the load, and with nothing else.
//! 3. The task is the batcher's own, so that a caller that is dropped never takes others' calls along. A
//!    queued call whose caller is dropped may still be sent, as one whose reply is not waited for.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use crate::error::{StoreError, StoreErrorKind};
use crate::store::Result;

/// How many batches are under way at the same time.
const UNDER_WAY: usize = 3;
/// How many calls go into one batch: the server does nothing else meanwhile.
pub(super) const LARGEST: usize = 128;

/// A call that can be put together with others of its kind.
pub(super) trait Call: Sized + Send + Sync + 'static {
    /// What it is sent through.
    type Link: Send + Sync + 'static;
    /// What it is called in errors.
    const OPERATION: &'static str;
    type Answer: Send + 'static;

    /// Sends them all in one round trip. The answers are in the order of the calls.
    fn send(
        link: &Arc<Self::Link>,
        calls: &[Self],
    ) -> impl Future<Output = Result<Vec<Result<Self::Answer>>>> + Send;
}

pub(super) struct Batcher<C: Call> {
    shared: Arc<Shared<C>>,
    task: Mutex<Option<AbortHandle>>,
}

struct Shared<C: Call> {
    queue: Mutex<Queue<C>>,
    work: Notify,
    /// How many calls wait for their answers, in whatever way.
    waiting: AtomicUsize,
}

struct Queue<C: Call> {
    calls: Vec<(C, oneshot::Sender<Result<C::Answer>>)>,
    runs: bool,
}

impl<C: Call> Batcher<C> {
    pub(super) fn new() -> Self {
        let queue = Mutex::new(Queue {
            calls: Vec::new(),
            runs: false,
        });
        let shared = Shared {
            queue,
            work: Notify::new(),
            waiting: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
            task: Mutex::default(),
        }
    }

    /// Makes the call, alone or together with others.
    pub(super) async fn call(&self, link: &Arc<C::Link>, call: C) -> Result<C::Answer> {
        let waiting = Waiting::enter(&self.shared.waiting);
        if waiting.others == 0 {
            return one(C::send(link, &[call]).await?);
        }
        let (sender, answer) = oneshot::channel();
        self.enqueue(link, call, sender);
        answer.await.unwrap_or_else(|_| Err(gone(C::OPERATION)))
    }

    fn enqueue(&self, link: &Arc<C::Link>, call: C, sender: oneshot::Sender<Result<C::Answer>>) {
        let mut queue = self.shared.queue();
        queue.calls.push((call, sender));
        let starts = !std::mem::replace(&mut queue.runs, true);
        drop(queue);
        if starts {
            let running = Running(Arc::clone(&self.shared));
            let task = tokio::spawn(running.run(Arc::downgrade(link)));
            *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        }
        self.shared.work.notify_one();
    }
}

impl<C: Call> Drop for Batcher<C> {
    fn drop(&mut self) {
        if let Some(task) = self
            .task
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            task.abort();
        }
    }
}

type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<C: Call> Shared<C> {
    fn take(&self) -> Vec<(C, oneshot::Sender<Result<C::Answer>>)> {
        let mut queue = self.queue();
        if queue.calls.len() <= LARGEST {
            return std::mem::take(&mut queue.calls);
        }
        let rest = queue.calls.split_off(LARGEST);
        std::mem::replace(&mut queue.calls, rest)
    }

    fn queue(&self) -> MutexGuard<'_, Queue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send<C: Call>(link: Arc<C::Link>, batch: Vec<(C, oneshot::Sender<Result<C::Answer>>)>) {
    let (calls, senders): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    // A caller that was dropped does not take its answer; nobody misses it.
    match C::send(&link, &calls).await {
        Ok(answers) => {
            for (sender, answer) in senders.into_iter().zip(answers) {
                let _ = sender.send(answer);
            }
        }
        Err(error) => {
            for sender in senders {
                let _ = sender.send(Err(error.clone()));
            }
        }
    }
}

fn one<A>(answers: Vec<Result<A>>) -> Result<A> {
    answers
        .into_iter()
        .next()
        .unwrap_or_else(|| Err(gone("call")))
}

fn gone(operation: &'static str) -> StoreError {
    let problem = "the runtime that talked to the server has ended; send it again";
    StoreError::new(StoreErrorKind::Unknown, operation, problem)
}

/// One call that waits for its answer.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    others: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self {
            count,
            others: count.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The task. However it ends, also before its first turn, the next call starts it again, and those who wait are told.
struct Running<C: Call>(Arc<Shared<C>>);

impl<C: Call> Running<C> {
    async fn run(self, link: Weak<C::Link>) {
        let mut under_way: FuturesUnordered<Sending> = FuturesUnordered::new();
        loop {
            while under_way.len() < UNDER_WAY {
                let batch = self.0.take();
                let Some(link) = link.upgrade().filter(|_| !batch.is_empty()) else {
                    break;
                };
                under_way.push(Box::pin(send(link, batch)));
            }
            tokio::select! {
                Some(()) = under_way.next() => {}
                () = self.0.work.notified() => {}
            }
        }
    }
}

impl<C: Call> Drop for Running<C> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.runs = false;
        queue.calls.clear();
    }
}
