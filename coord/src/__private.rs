//! What generated code calls. Not for people: anything here may change in any release.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use crate::coordinator::Coordinator;
pub use crate::error::Error;
pub use crate::key::{Key, KeyPart, KeyWriter, Renderer};
pub use crate::lock::Lease;

/// What a locked function returns: something that can say that the lock failed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry the error of a lock that was not got, or was lost",
    label = "must be a `Result` whose error implements `From<coord::Error>`",
    note = "return `Result<T, E>` with `impl From<coord::Error> for E`; `coord::Error` itself will do"
)]
pub trait Fallible {
    /// The return value that says so.
    fn from_error(error: Error) -> Self;
}

impl<T, E: From<Error>> Fallible for Result<T, E> {
    fn from_error(error: Error) -> Self {
        Err(error.into())
    }
}

/// What a locked function with `skip` returns: something that can say that there was nothing to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no value for a call that is skipped",
    label = "must be a `Result` whose success implements `Default`",
    note = "`skip` returns `Ok(Default::default())` when another process has the lock"
)]
pub trait Skippable {
    /// The return value that says so.
    fn skipped() -> Self;
}

impl<T: Default, E> Skippable for Result<T, E> {
    fn skipped() -> Self {
        Ok(T::default())
    }
}

/// One call of a `#[locked]` function.
#[derive(Debug)]
#[must_use = "nothing is locked until `run` is awaited"]
pub struct Locked {}

impl Locked {
    /// A call that locks every one of `keys`, each as rendered.
    pub fn new(keys: impl IntoIterator<Item = Result<Key, Error>>) -> Self {
        todo!()
    }

    /// Locks with `coordinator` in place of the installed one.
    pub fn with(self, coordinator: &Coordinator) -> Self { todo!() }
    /// `ttl = …`
    pub fn ttl(self, ttl: Duration) -> Self { todo!() }
    /// `wait = …`
    pub fn wait(self, wait: Duration) -> Self { todo!() }
    /// `at_least = …`
    pub fn at_least(self, at_least: Duration) -> Self { todo!() }
    /// `renew = …`
    pub fn renew(self, renew: bool) -> Self { todo!() }
    /// `shared`
    pub fn shared(self) -> Self { todo!() }
    /// `permits = …`
    pub fn permits(self, permits: u32) -> Self { todo!() }

    /// Acquires, runs `body`, releases. `failed` turns an error of ours into the body's return value.
    pub async fn run<Body, Running, Output>(self, failed: fn(Error) -> Output, body: Body) -> Output
    where
        Body: FnOnce(Arc<Lease>) -> Running,
        Running: Future<Output = Output>,
    {
        todo!()
    }

    /// As `run`, but without waiting: if another has the lock, the return value is `skipped()`.
    pub async fn run_or_skip<Body, Running, Output>(self, failed: fn(Error) -> Output, skipped: fn() -> Output, body: Body) -> Output
    where
        Body: FnOnce(Arc<Lease>) -> Running,
        Running: Future<Output = Output>,
    {
        todo!()
    }
}
