//! What can go wrong, and what to do about it.
//!
//! [`Error`] is the umbrella that every call of this crate returns and that a body's own error type is
//! built from (`impl From<coord::Error> for MyError`). [`StoreError`] is what a store reports; it says
//! whether the operation may have taken effect.
//!
//! No error carries a rendered key, a value, a password or a URL: they name the key *template*.

mod store;
mod unreadable;

use std::borrow::Cow;
use std::time::Duration;

pub use store::{StoreError, StoreErrorKind};
pub(crate) use unreadable::without_values;

/// Any failure of this crate.
///
/// # Examples
///
/// ```
/// fn describe(error: &coord::Error) -> &'static str {
///     match error {
///         coord::Error::LockTimeout { .. } | coord::Error::InProgress { .. } => "somebody else is still at work",
///         coord::Error::LockLost { .. } => "we were too slow; another process may have it now",
///         error if error.is_retryable() => "try again",
///         _ => "look at the message",
///     }
/// }
/// # let _ = describe(&coord::Error::NotInstalled);
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An attribute or [`Coordinator::current`](crate::Coordinator::current) found no coordinator.
    #[error(
        "no coordinator is installed: call `Coordinator::install` when the process starts, run inside \
         `Coordinator::scope`, or name one in the attribute with `coord = …`"
    )]
    NotInstalled,

    /// The process already has a default coordinator.
    #[error(
        "a coordinator is already installed: install one per process, and use `Coordinator::scope` or \
         `coord = …` where another one is meant"
    )]
    AlreadyInstalled,

    /// The coordinator was shut down and accepts no new work.
    #[error("the coordinator is shut down: it accepts no new work")]
    ShutDown,

    /// A store URL that cannot be used.
    #[error("the store URL cannot be used: {problem}")]
    InvalidUrl {
        /// What is wrong with it and what to write instead; never the URL itself.
        problem: Cow<'static, str>,
    },

    /// A key that is empty, too long, or rendered from an empty value.
    #[error("the key `{template}` cannot be used: {problem}")]
    InvalidKey {
        /// The template, or `(text)` for a key given as text.
        template: &'static str,
        /// What is wrong with it.
        problem: Cow<'static, str>,
    },

    /// An option whose value makes no sense.
    #[error("`{option}` cannot be used as given: {problem}")]
    InvalidOption {
        /// The option's name, as it is written in the builder or the attribute.
        option: &'static str,
        /// What is wrong with it and what to write instead.
        problem: Cow<'static, str>,
    },

    /// The lock was not free within `wait`. Nothing is left behind: no lease and no place in the line.
    #[error(
        "`{template}` was not free within {waited:?}: try again later, or allow a longer `wait`"
    )]
    LockTimeout {
        /// The key's template.
        template: &'static str,
        /// How long the caller queued.
        waited: Duration,
    },

    /// The lease ended while it was needed: the store lost it, it could not be renewed in time, or this
    /// process was paused for longer than the ttl. Another process may hold it now.
    #[error(
        "the lease of `{template}` was lost: another process may hold it now, so what was under way must \
         not go on; pass the fencing token to the resource to have late writes refused"
    )]
    LockLost {
        /// The key's template.
        template: &'static str,
    },

    /// The caller waits for something that it holds itself: a lock or an idempotent call inside its own body, or, inside
    /// that body, a saga one of whose steps waits for that lock or call.
    #[error(
        "`{template}` is asked for inside its own body, or by a saga that is waited for there, and would wait for \
         itself: pass down what that body has instead of asking again, or wait for the saga outside"
    )]
    WouldDeadlock {
        /// The key's template.
        template: &'static str,
    },

    /// Another call with this key is running, and the caller did not want to wait, or not for so long.
    #[error(
        "another call of `{template}` is running: try again in {retry_after:?}, or allow it a longer `wait`"
    )]
    InProgress {
        /// The key's template.
        template: &'static str,
        /// When the other call's lease ends, unless it is renewed. It may be done sooner.
        retry_after: Duration,
    },

    /// An earlier call with this key had another fingerprint: the key was used for two different requests.
    #[error(
        "`{template}` was called before with the same key and other arguments: use a new key for a new \
         request, and the same arguments for a repeated one"
    )]
    FingerprintMismatch {
        /// The key's template.
        template: &'static str,
    },

    /// The body has run, and its result is too large to be stored. The body is not run again: later calls
    /// get this error too, until the record ends after its `ttl`.
    #[error(
        "`{template}` has run, and its result of {bytes} bytes is over the limit of {limit}: it cannot be \
         replayed and will not run again; store the result elsewhere, and return a reference to it"
    )]
    ResultTooLarge {
        /// The key's template.
        template: &'static str,
        /// How large it is, with what is stored beside it.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },

    /// The body has run, and its result cannot be written as JSON, or the store refuses it for good. The body is not
    /// run again: later calls get this error too, until the record ends after its `ttl`.
    #[error(
        "`{template}` has run, and its result cannot be stored ({problem}): it cannot be replayed and will \
         not run again; return a type that `serde_json` can write"
    )]
    ResultNotSerializable {
        /// The key's template.
        template: &'static str,
        /// What `serde_json` says, or the store.
        problem: Cow<'static, str>,
    },

    /// The stored result of an earlier call is not one of the type that this call returns. The body is not
    /// run again.
    #[error(
        "`{template}` has run, and the stored result `{stored}` cannot be read as `{expected}` ({problem}): \
         read the old form too (`#[serde(default)]`, `#[serde(alias)]`), or put a version into the key"
    )]
    ResultShapeChanged {
        /// The key's template.
        template: &'static str,
        /// The type that was stored.
        stored: Cow<'static, str>,
        /// The type that is asked for.
        expected: &'static str,
        /// What does not fit.
        problem: Cow<'static, str>,
    },

    /// A circuit breaker is open, and the call was not made.
    #[error(
        "the circuit breaker `{name}` is open, so the call was not made: try again in {retry_after:?}"
    )]
    CircuitOpen {
        /// The breaker's name.
        name: &'static str,
        /// How long it will be before the breaker lets a call through.
        retry_after: Duration,
    },

    /// An attempt took longer than its `attempt_timeout` and was dropped. What it had begun may have happened.
    #[error(
        "the last attempt was dropped after {after:?}, its `attempt_timeout`: what it had begun may have \
         happened"
    )]
    AttemptTimeout {
        /// The attempt's timeout.
        after: Duration,
    },

    /// The deadline of a retried call passed during an attempt, which was dropped. What it had begun may have
    /// happened.
    #[error(
        "the `deadline` of {after:?} for all attempts passed before one of them was done: what the last one had \
         begun may have happened"
    )]
    DeadlineExceeded {
        /// How long all attempts together were allowed to take.
        after: Duration,
    },

    /// A saga asks for a dependency that the coordinator was not given.
    #[error(
        "the saga `{saga}` asks for a `{dependency}`, which this coordinator does not have: give it one with \
         `Coordinator::builder().provide(…)`"
    )]
    MissingDependency {
        /// The saga's name.
        saga: &'static str,
        /// The type that is asked for.
        dependency: &'static str,
    },

    /// Two sagas that are compiled in have one name, so that what is stored of the one would be taken for the
    /// other.
    #[error(
        "`{one}` and `{other}` are both called `{name}` in the store ({places}): give one of them another name with \
         `#[saga(name = \"…\")]` on its impl"
    )]
    SagaNameTaken {
        /// The name.
        name: &'static str,
        /// The type of one of them.
        one: &'static str,
        /// The type of another.
        other: &'static str,
        /// Where they stand in the source.
        places: String,
    },

    /// Two idempotent functions have key templates of the same form, so that a call of the one could be answered with a
    /// result of the other.
    #[error(
        "`{one}` and `{other}` are both idempotent with keys of the form `{template}`, so that a call of the one could be \
         answered with a result of the other: begin one of the templates with another word"
    )]
    TemplateTaken {
        /// The template of the second.
        template: &'static str,
        /// One of the functions, with its place in the source.
        one: String,
        /// The other.
        other: String,
    },

    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// Whether the same call may succeed if it is made again, unchanged.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::LockTimeout { .. }
            | Self::LockLost { .. }
            | Self::InProgress { .. }
            | Self::CircuitOpen { .. }
            | Self::AttemptTimeout { .. } => true,
            Self::Store(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// The template of the key that the error is about, if it is about one.
    pub fn template(&self) -> Option<&'static str> {
        match self {
            Self::InvalidKey { template, .. }
            | Self::LockTimeout { template, .. }
            | Self::LockLost { template }
            | Self::WouldDeadlock { template }
            | Self::InProgress { template, .. }
            | Self::FingerprintMismatch { template }
            | Self::ResultTooLarge { template, .. }
            | Self::ResultNotSerializable { template, .. }
            | Self::ResultShapeChanged { template, .. } => Some(template),
            _ => None,
        }
    }

    /// Whether something that was called has failed, and not merely the caller been turned away.
    pub(crate) fn is_failure_of_a_call(&self) -> bool {
        matches!(
            self,
            Self::AttemptTimeout { .. } | Self::DeadlineExceeded { .. } | Self::Store(_)
        )
    }

    pub(crate) fn invalid_option(
        option: &'static str,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::InvalidOption {
            option,
            problem: problem.into(),
        }
    }

    pub(crate) fn invalid_url(problem: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidUrl {
            problem: problem.into(),
        }
    }
}
