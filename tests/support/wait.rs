//! Waiting for what gives no signal of its own, such as a server that has just been started.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything in this crate is waited for before the test fails: 30 seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

const BETWEEN_LOOKS: Duration = Duration::from_millis(3);

/// Looks again and again until `ready` gives a value, and returns that.
///
/// Only for what cannot tell by itself that it has changed: the state of another process. `what` completes
/// the sentence "waited for ...", for the panic that ends a wait of more than [`PATIENCE`].
///
/// # Panics
///
/// When [`PATIENCE`] runs out.
pub async fn until<T>(what: &str, mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = ready().await {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        blocking(|| thread::sleep(BETWEEN_LOOKS)).await;
    }
}

/// Runs `work` on a thread for blocking work. While it runs, a paused tokio clock stands still.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
