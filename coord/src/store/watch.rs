//! Wake-ups: hints that something may have changed.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::select_all;
use smallvec::{SmallVec, smallvec};
use tokio::sync::Notify;

use super::FencingToken;

const FIRST_POLL: Duration = Duration::from_millis(10);
const LONGEST_POLL: Duration = Duration::from_millis(500);

/// What can be watched.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Watched {
    /// The record with this key.
    Record(String),
    /// The line of this resource.
    Lease(String),
    /// The log with this name.
    Log(String),
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record(_) => "Record",
            Self::Lease(_) => "Lease",
            Self::Log(_) => "Log",
        })
    }
}

/// What a watch was woken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Look again: something may have changed.
    Look,
    /// The waiting contender was granted the lease with this token; it need not ask.
    Granted(FencingToken),
}

/// A running watch; dropping it ends it. Wake-ups that come while nobody is in [`changed`](Watch::changed)
/// are kept as one.
pub struct Watch {
    /// Any of them wakes it. Nearly always there is one.
    sources: SmallVec<[Source; 1]>,
    /// Only kept, to be dropped with the watch.
    registrations: SmallVec<[Box<dyn Any + Send + Sync>; 1]>,
}

enum Source {
    Signal(Arc<Signal>),
    Polling { next: Duration },
}

#[derive(Default)]
struct Signal {
    pending: Mutex<Option<Wake>>,
    notify: Notify,
}

/// The other end of a [`Watch`], kept by the store.
#[derive(Clone)]
pub struct WakeSender(Arc<Signal>);

impl Watch {
    /// A watch for stores that have no wake-ups: it says "look" at growing intervals, from 10 ms to 500 ms.
    pub fn polling() -> Self {
        Self::of(Source::Polling { next: FIRST_POLL })
    }

    /// A watch and what wakes it.
    pub fn channel() -> (WakeSender, Self) {
        let signal = Arc::new(Signal::default());
        (
            WakeSender(Arc::clone(&signal)),
            Self::of(Source::Signal(signal)),
        )
    }

    /// A watch that is woken by whatever wakes one of `watches`; by nothing, if there are none.
    pub fn any_of(watches: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self {
            sources: SmallVec::new(),
            registrations: SmallVec::new(),
        };
        for watch in watches {
            all.sources.extend(watch.sources);
            all.registrations.extend(watch.registrations);
        }
        all
    }

    /// Keeps `registration` until the watch is dropped, and drops it then.
    pub fn keeping(mut self, registration: impl Any + Send + Sync) -> Self {
        self.registrations.push(Box::new(registration));
        self
    }

    /// Waits for the next wake-up. Cancellation safe: a wake-up is taken only when this returns.
    pub async fn changed(&mut self) -> Wake {
        match &mut self.sources[..] {
            [] => std::future::pending().await,
            [source] => source.changed().await,
            // What the others are woken with meanwhile stays theirs.
            sources => {
                select_all(sources.iter_mut().map(|source| Box::pin(source.changed())))
                    .await
                    .0
            }
        }
    }

    fn of(source: Source) -> Self {
        Self {
            sources: smallvec![source],
            registrations: SmallVec::new(),
        }
    }
}

impl Source {
    async fn changed(&mut self) -> Wake {
        match self {
            Self::Polling { next } => {
                tokio::time::sleep(*next).await;
                *next = (*next * 2).min(LONGEST_POLL);
                Wake::Look
            }
            Self::Signal(signal) => loop {
                if let Some(wake) = signal.take() {
                    return wake;
                }
                signal.notify.notified().await;
            },
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let polls = |source: &Source| matches!(source, Source::Polling { .. });
        f.debug_struct("Watch")
            .field("polls", &self.sources.iter().any(polls))
            .finish_non_exhaustive()
    }
}

impl Signal {
    fn take(&self) -> Option<Wake> {
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl WakeSender {
    /// Wakes the watch. A grant that was not taken yet is not overwritten by a mere hint.
    pub fn wake(&self, wake: Wake) {
        {
            let mut pending = self
                .0
                .pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if !(matches!(*pending, Some(Wake::Granted(_))) && wake == Wake::Look) {
                *pending = Some(wake);
            }
        }
        self.0.notify.notify_one();
    }

    /// Whether the watch is still there.
    pub fn is_watched(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl fmt::Debug for WakeSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeSender").finish_non_exhaustive()
    }
}
