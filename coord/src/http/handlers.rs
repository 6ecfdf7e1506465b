//! The tasks in which handlers run, so that they go on when their clients hang up.
//!
//! 1. Each task is tracked, and ends when the coordinator shuts down.
//! 2. A client that hangs up before its handler has begun takes its task with it: whoever waits for another
//!    request's result waits for nobody.
//! 3. Dropping the work is safe at any await, so a task needs no other way to end.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use crate::context::Context;
use crate::coordinator::{Coordinator, Service};

pub(super) struct Handlers {
    tasks: TaskTracker,
    shutting_down: CancellationToken,
}

/// Takes note that a handler has begun.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Handlers {
    pub(super) fn new() -> Self {
        let tasks = TaskTracker::new();
        // That lets `idle` end; tasks can come all the same.
        tasks.close();
        Self {
            tasks,
            shutting_down: CancellationToken::new(),
        }
    }

    /// Resolves when no task is left.
    pub(super) async fn idle(&self) {
        self.tasks.wait().await;
    }

    /// The output of `work`, done in a task; `None` if the coordinator or the runtime shuts down first. A panic
    /// is passed on.
    ///
    /// If the future is dropped, the work goes on, provided that it has `begun`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        begun: Begun,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let work = with_surroundings(work);
        let shutting_down = self.shutting_down.clone();
        let client = CancellationToken::new();
        let client_left = client.clone();
        let nobody_waits = async move {
            client_left.cancelled().await;
            if begun.0.load(Ordering::Relaxed) {
                pending::<()>().await;
            }
        };
        let task = self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = shutting_down.cancelled() => None,
                () = nobody_waits => None,
                output = work => Some(output),
            }
        });
        let _client = client.drop_guard();
        task.await.unwrap_or_else(|end| {
            end.try_into_panic()
                .map_or(None, |panic| resume_unwind(panic))
        })
    }
}

/// Keeps what the code around has for its own: its span, its context and its coordinator.
fn with_surroundings<'a, T: 'a>(
    work: impl Future<Output = T> + Send + 'a,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    let context = Context::current().unwrap_or_else(Context::create);
    let work = context.scope(work).instrument(Span::current());
    match Coordinator::current() {
        Ok(coordinator) => Box::pin(coordinator.scope(work)),
        Err(_) => Box::pin(work),
    }
}

impl Service for Handlers {
    fn stands_on_others(&self) -> bool {
        true
    }

    fn shut_down(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.shutting_down.cancel();
            self.idle().await;
        })
    }
}
