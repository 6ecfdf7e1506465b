//! Dropping a future at an await point of one's choice.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// The output of `call`, or `None` if it is not done after so many polls, and so was dropped.
pub async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let done = AtomicUsize::new(0);
    std::future::poll_fn(|cx| {
        if done.fetch_add(1, Ordering::Relaxed) == polls {
            return Poll::Ready(None);
        }
        call.as_mut().poll(cx).map(Some)
    })
    .await
}
