//! Running code while a lease is held.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tracing::Instrument;

use super::Lease;
use crate::context::Context;
use crate::error::Error;

/// For how long what a body has returned is held back by a store that is away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs the body that `start` makes, and gives the lease back. If the lease is lost first, the body is
/// dropped at its next await, and `failed` makes the return value.
pub(crate) async fn run_held<Start, Body, Output>(
    lease: Lease,
    failed: fn(Error) -> Output,
    start: Start,
) -> Output
where
    Start: FnOnce(Arc<Lease>) -> Body,
    Body: Future<Output = Output>,
{
    let context = Context::holding(lease.keys());
    let span = lease.span().clone();
    if Context::current().is_none() {
        span.record("correlation_id", context.correlation_id());
    }
    let lease = Arc::new(lease);
    let done = {
        let body = start(Arc::clone(&lease));
        let body = pin!(context.scope(body).instrument(span.clone()));
        while_held(
            pin!(lease.lost()),
            || lease.at_work(),
            || lease.leave(),
            body,
        )
        .await
    };
    match done {
        None => failed(lost(&lease)),
        Some((output, _leaving)) => match lease.give_back(PATIENCE).instrument(span).await {
            // The store says that the lease had gone before the body was done.
            Err(error @ Error::LockLost { .. }) => failed(error),
            // The store could not be asked. The lease was held while the body ran; the background goes on trying.
            Ok(()) | Err(_) => output,
        },
    }
}

/// The output of `body`, or `None` if what it needs was `lost` before. That is looked at before each poll of the body:
/// one that wakes after a long pause must not go on. What `at_work` gives, unless it is lost, is kept during the poll, and
/// in the last one until there is what `leave` gives: no shutdown takes for lost in between what a body had to its end.
///
/// Both futures are pinned where they are made: an `async fn` has room for what it takes twice.
pub(crate) async fn while_held<F: Future, AtWork, Leaving>(
    mut lost: Pin<&mut impl Future<Output = ()>>,
    at_work: impl Fn() -> Option<AtWork>,
    leave: impl Fn() -> Leaving,
    mut body: Pin<&mut F>,
) -> Option<(F::Output, Leaving)> {
    std::future::poll_fn(|cx| {
        if lost.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let Some(_at_work) = at_work() else {
            return Poll::Ready(None);
        };
        body.as_mut().poll(cx).map(|output| Some((output, leave())))
    })
    .await
}

fn lost(lease: &Lease) -> Error {
    Error::LockLost {
        template: lease.lost_template(),
    }
}
