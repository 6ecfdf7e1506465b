//! Calls of one kind, put together: when many tasks call at once, one script call carries many of them, which
//! costs the server and this process less than as many calls of their own.
//!
//! 1. A call that finds no other under way goes straight to the server: alone, it is not delayed.
//! 2. Otherwise it is queued, and a task of the batcher's sends all that are queued as soon as fewer than
//!    [`UNDER_WAY`] batches are. So batches grow with the load, and with nothing else.
//! 3. The task is the batcher's own, so that a caller that is dropped never takes others' calls along. A
//!    queued call whose caller is dropped may still be sent, as one whose reply is not waited for.
//! 4. Each runtime has a queue and a task of its own. A task stands still with a runtime that nobody drives, and then
//!    holds up nobody on another.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::{Handle, Id};
use tokio::sync::{Notify, oneshot};

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
}

struct Shared<C: Call> {
    /// Of each runtime that has a task.
    queues: Mutex<HashMap<Id, Queue<C>>>,
    /// How many calls wait for their answers, in whatever way.
    waiting: AtomicUsize,
}

struct Queue<C: Call> {
    calls: Vec<Queued<C>>,
    work: Arc<Notify>,
}

type Queued<C> = (C, oneshot::Sender<Result<<C as Call>::Answer>>);

impl<C: Call> Batcher<C> {
    pub(super) fn new() -> Self {
        let shared = Shared {
            queues: Mutex::default(),
            waiting: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes the call, alone or together with others.
    pub(super) async fn call(&self, link: &Arc<C::Link>, call: C) -> Result<C::Answer> {
        let waiting = Waiting::enter(&self.shared.waiting);
        if waiting.others == 0 {
            return one(C::send(link, &[call]).await?);
        }
        let (sender, answer) = oneshot::channel();
        self.enqueue(link, (call, sender));
        answer.await.unwrap_or_else(|_| Err(gone(C::OPERATION)))
    }

    fn enqueue(&self, link: &Arc<C::Link>, queued: Queued<C>) {
        let here = Handle::current();
        let mut queues = self.shared.queues();
        if let Some(queue) = queues.get_mut(&here.id()) {
            queue.calls.push(queued);
            queue.work.notify_one();
            return;
        }
        let work = Arc::new(Notify::new());
        let queue = Queue {
            calls: vec![queued],
            work: Arc::clone(&work),
        };
        queues.insert(here.id(), queue);
        // A runtime that is closing drops the task at once, and that takes the lock.
        drop(queues);
        let running = Running {
            shared: Arc::clone(&self.shared),
            runtime: here.id(),
            work,
        };
        here.spawn(running.run(Arc::downgrade(link)));
    }
}

impl<C: Call> Drop for Batcher<C> {
    /// The tasks see that what they send through is gone.
    fn drop(&mut self) {
        for queue in self.shared.queues().values() {
            queue.work.notify_one();
        }
    }
}

type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<C: Call> Shared<C> {
    fn queues(&self) -> MutexGuard<'_, HashMap<Id, Queue<C>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be sent next on a runtime.
    fn take(&self, runtime: Id) -> Vec<Queued<C>> {
        let mut queues = self.queues();
        let Some(Queue { calls, .. }) = queues.get_mut(&runtime) else {
            return Vec::new();
        };
        if calls.len() <= LARGEST {
            return std::mem::take(calls);
        }
        let rest = calls.split_off(LARGEST);
        std::mem::replace(calls, rest)
    }
}

async fn send<C: Call>(link: Arc<C::Link>, batch: Vec<Queued<C>>) {
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

/// The task on a runtime. However it ends, also before its first turn, the next call there starts it again, and those
/// who wait are told.
struct Running<C: Call> {
    shared: Arc<Shared<C>>,
    runtime: Id,
    work: Arc<Notify>,
}

impl<C: Call> Running<C> {
    async fn run(self, link: Weak<C::Link>) {
        let mut under_way: FuturesUnordered<Sending> = FuturesUnordered::new();
        loop {
            while under_way.len() < UNDER_WAY {
                let Some(link) = link.upgrade() else {
                    return;
                };
                let batch = self.shared.take(self.runtime);
                if batch.is_empty() {
                    break;
                }
                under_way.push(Box::pin(send(link, batch)));
            }
            tokio::select! {
                Some(()) = under_way.next() => {}
                () = self.work.notified() => {}
            }
        }
    }
}

impl<C: Call> Drop for Running<C> {
    fn drop(&mut self) {
        let mut queues = self.shared.queues();
        let queue = queues.remove(&self.runtime);
        // Whoever waits in it is told outside of the lock.
        drop(queues);
        drop(queue);
    }
}
