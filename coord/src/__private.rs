//! What generated code calls. Not for people: anything here may change in any release.

#[cfg(feature = "cli")]
pub mod cli;
mod policy;

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::coordinator::{Coordinator, Dependency};
pub use crate::error::Error;
use crate::idempotency::Request;
pub use crate::idempotency::{Codec, FingerprintParts, IdempotencyContext};
pub use crate::key::{Key, KeyPart, KeyWriter, Renderer};
pub use crate::lock::Lease;
use crate::lock::{LockBuilder, Target, run_held, without_repeats};
pub use crate::registry::{Annotated, AnnotatedKind};
pub use crate::saga::{
    Attempt, Call, Definition, Diagram, Failed, Finished, InputCodec, Make, Registered, Returned,
    Saga, SagaError, SagaHandle, SagaInput, SagaKey, SagaSteps, Shown, ShownAnyway, Step,
    StepContext, StepResult, Stored, SuccessOf, run_saga, start_saga,
};
pub use inventory;
pub use policy::{
    Again, CircuitBreaker, Guarded, Jitter, Raised, Retried, RetryPolicy, RetrySite, SelfAgain,
    again, always, is_failure, never, raised, self_again, settled,
};

/// What a function of ours returns: something that can say that it failed, as a lock that was lost.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an error of `coord`'s",
    label = "must be a `Result` whose error implements `From<coord::Error>`",
    note = "return `Result<T, E>` with `impl From<coord::Error> for E`; `coord::Error` itself will do"
)]
pub trait Fallible {
    /// Of a success.
    type Success;
    /// Of a failure.
    type Failure;

    /// The return value that says so.
    fn from_error(error: Error) -> Self;

    /// It as the result that it is. Generated code hands this over where a result is needed, so that what is none is
    /// told where its type is written, and only there.
    fn into_result(self) -> Result<Self::Success, Self::Failure>;

    /// It again.
    fn from_result(result: Result<Self::Success, Self::Failure>) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Error>> Fallible for Result<T, E> {
    type Success = T;
    type Failure = E;

    fn from_error(error: Error) -> Self {
        Err(error.into())
    }

    fn into_result(self) -> Self {
        self
    }

    fn from_result(result: Self) -> Self {
        result
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

/// What an idempotent function returns: something whose success can be stored and read again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored and replayed",
    label = "must be a `Result` whose success implements `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "derive both traits: `#[derive(serde::Serialize, serde::Deserialize)]`; a success that borrows \
            cannot be read again"
)]
pub trait Replayable: Sized {
    /// How that is done.
    fn codec() -> Codec<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned, E> Replayable for Result<T, E> {
    fn codec() -> Codec<Self> {
        Codec::of_values()
    }
}

/// What an idempotent function returns with `remember_errors`: something that can be stored and read again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored and replayed with its errors",
    label = "must be a `Result` whose success and error implement `serde::Serialize` and \
             `serde::de::DeserializeOwned`",
    note = "derive both traits: `#[derive(serde::Serialize, serde::Deserialize)]`; mark a variant that is not \
            worth remembering with `#[serde(skip)]`"
)]
pub trait ReplayableWithErrors: Sized {
    /// How that is done.
    fn codec() -> Codec<Self>;
}

#[diagnostic::do_not_recommend]
impl<T, E> ReplayableWithErrors for Result<T, E>
where
    T: Serialize + DeserializeOwned,
    E: Serialize + DeserializeOwned,
{
    fn codec() -> Codec<Self> {
        Codec::of_values_and_errors()
    }
}

/// What can be part of a fingerprint.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a fingerprint",
    label = "must implement `serde::Serialize`",
    note = "derive it, or name the arguments to take: `fingerprint(amount, currency)`"
)]
pub trait FingerprintPart {
    /// Adds it under its name.
    fn add_to(&self, name: &'static str, parts: &mut FingerprintParts);
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> FingerprintPart for T {
    fn add_to(&self, name: &'static str, parts: &mut FingerprintParts) {
        parts.add(name, self);
    }
}

/// One call of an `#[idempotent]` function.
#[derive(Clone)]
#[must_use = "nothing is run until `run` is awaited"]
pub struct Idempotent {
    coordinator: Option<Coordinator>,
    key: Result<Key, Error>,
    ttl: Option<Duration>,
    lease: Option<Duration>,
    wait: Option<Duration>,
    fingerprint: Option<FingerprintParts>,
}

impl Idempotent {
    /// A call of `key`, as it was rendered.
    pub fn new(key: Result<Key, Error>) -> Self {
        Self {
            coordinator: None,
            key,
            ttl: None,
            lease: None,
            wait: None,
            fingerprint: None,
        }
    }

    /// Uses `coordinator` in place of the current one.
    pub fn with(mut self, coordinator: &Coordinator) -> Self {
        self.coordinator = Some(coordinator.clone());
        self
    }

    /// `ttl = …`
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// `lease = …`
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// `wait = …`
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// `in_progress = "reject"`
    pub fn reject(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// An argument of `fingerprint(…)`.
    pub fn fingerprint<P: FingerprintPart + ?Sized>(
        mut self,
        name: &'static str,
        part: &P,
    ) -> Self {
        part.add_to(name, self.fingerprint.get_or_insert_default());
        self
    }

    /// Replays, or runs `body` and stores what it returns. `failed` turns an error of ours into the body's
    /// return value.
    pub async fn run<Start, Body, Output>(
        self,
        failed: fn(Error) -> Output,
        codec: fn() -> Codec<Output>,
        start: Start,
    ) -> Output
    where
        Start: FnOnce(IdempotencyContext) -> Body,
        Body: Future<Output = Output>,
    {
        match self.request() {
            Ok(request) => request.run(failed, codec(), start).await.into_inner(),
            Err(error) => failed(error),
        }
    }

    fn request(self) -> Result<Request, Error> {
        let coordinator = self.coordinator.map_or_else(Coordinator::current, Ok)?;
        let mut request = Request::new(coordinator, self.key);
        request.ttl = self.ttl.unwrap_or(request.ttl);
        request.lease = self.lease;
        request.wait = self.wait.unwrap_or(request.wait);
        request.fingerprint = self.fingerprint.map(FingerprintParts::finish).transpose();
        Ok(request)
    }
}

/// One call of a `#[locked]` function.
#[derive(Debug, Clone)]
#[must_use = "nothing is locked until `run` is awaited"]
pub struct Locked {
    coordinator: Option<Coordinator>,
    keys: Result<Vec<Key>, Error>,
    ttl: Option<Duration>,
    wait: Option<Duration>,
    at_least: Option<Duration>,
    renew: Option<bool>,
    shared: bool,
    permits: Option<u32>,
    place: &'static Location<'static>,
}

impl Locked {
    /// A call that locks every one of `keys`, each as it was rendered, and is made where this is.
    #[track_caller]
    pub fn new(keys: impl IntoIterator<Item = Result<Key, Error>>) -> Self {
        Self {
            coordinator: None,
            keys: keys.into_iter().collect(),
            ttl: None,
            wait: None,
            at_least: None,
            renew: None,
            shared: false,
            permits: None,
            place: Location::caller(),
        }
    }

    /// Locks with `coordinator` in place of the current one.
    pub fn with(mut self, coordinator: &Coordinator) -> Self {
        self.coordinator = Some(coordinator.clone());
        self
    }

    /// `ttl = …`
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// `wait = …`
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// `at_least = …`
    pub fn at_least(mut self, at_least: Duration) -> Self {
        self.at_least = Some(at_least);
        self
    }

    /// `renew = …`
    pub fn renew(mut self, renew: bool) -> Self {
        self.renew = Some(renew);
        self
    }

    /// `shared`
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// `permits = …`
    pub fn permits(mut self, permits: u32) -> Self {
        self.permits = Some(permits);
        self
    }

    /// Acquires, runs `body`, gives back. `failed` turns an error of ours into the body's return value.
    pub async fn run<Start, Body, Output>(self, failed: fn(Error) -> Output, start: Start) -> Output
    where
        Start: FnOnce(Arc<Lease>) -> Body,
        Body: Future<Output = Output>,
    {
        match self.acquire().await {
            Ok(lease) => run_held(lease, failed, start).await,
            Err(error) => failed(error),
        }
    }

    /// As `run`, but does not wait: if another has the lock, the return value is `skipped()`.
    pub async fn run_or_skip<Start, Body, Output>(
        self,
        failed: fn(Error) -> Output,
        skipped: fn() -> Output,
        start: Start,
    ) -> Output
    where
        Start: FnOnce(Arc<Lease>) -> Body,
        Body: Future<Output = Output>,
    {
        match self.try_acquire().await {
            Ok(Some(lease)) => run_held(lease, failed, start).await,
            Ok(None) => skipped(),
            Err(error) => failed(error),
        }
    }

    async fn acquire(self) -> Result<Lease, Error> {
        self.builder()?.acquire().await
    }

    async fn try_acquire(self) -> Result<Option<Lease>, Error> {
        self.builder()?.try_acquire().await
    }

    fn builder(mut self) -> Result<LockBuilder, Error> {
        let coordinator = self
            .coordinator
            .take()
            .map_or_else(Coordinator::current, Ok)?;
        let target = |key| match (self.permits, self.shared) {
            (Some(permits), _) => Target::new(&coordinator, "semaphore", key, 1, permits),
            (None, true) => Target::shared(&coordinator, key),
            (None, false) => Target::exclusive(&coordinator, key),
        };
        let targets = self.keys.map(|keys| without_repeats(keys, target));
        let mut builder = LockBuilder::new(coordinator.clone(), targets).at(self.place);
        if let Some(ttl) = self.ttl {
            builder = builder.ttl(ttl);
        }
        if let Some(wait) = self.wait {
            builder = builder.wait(wait);
        }
        if let Some(at_least) = self.at_least {
            builder = builder.at_least(at_least);
        }
        if let Some(renew) = self.renew {
            builder = builder.renew(renew);
        }
        Ok(builder)
    }
}
