//! What an error means for the operation.
//!
//! Whatever the server refuses it has not done. What it is asked and does not answer may be done.

use super::wire::{Code, Malformed};
use crate::error::{StoreError, StoreErrorKind};

/// An operation whose answer did not come.
pub(super) fn of_loss(operation: &'static str) -> StoreError {
    let problem = "the connection broke, or the reply did not come in time";
    StoreError::new(StoreErrorKind::Unknown, operation, problem)
}

/// A server that does not answer while a connection is made; nothing of an operation was sent.
pub(super) fn of_connecting() -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        "connect",
        "no server can be reached, or none of them serves now; check hosts and ports, that a majority of them runs, \
         and whether they ask for encryption (`zks:`)",
    )
}

/// A server that does not encrypt as it should.
pub(super) fn of_encrypting() -> StoreError {
    StoreError::new(
        StoreErrorKind::Denied,
        "connect",
        "the connection cannot be encrypted as the URL says; check the server's port and certificate, `sslrootcert`, \
         and `sslcert` and `sslkey` if the server asks for a certificate of ours",
    )
}

/// A server that does not take the user.
pub(super) fn of_authenticating() -> StoreError {
    StoreError::new(
        StoreErrorKind::Denied,
        "connect",
        "the server refuses the user or the password; check them in the URL, and that it knows digest authentication",
    )
}

/// An operation that the server refused.
pub(super) fn of_code(operation: &'static str, code: Code) -> StoreError {
    let (kind, problem) = match code {
        Code::NO_AUTH => (
            StoreErrorKind::Denied,
            "the server does not let us use its nodes: they are of another user; check user and password in the URL, \
             or name a folder of one's own",
        ),
        Code::AUTH_FAILED => return of_authenticating(),
        Code::SESSION_EXPIRED | Code::SESSION_MOVED => (
            StoreErrorKind::NotApplied,
            "the session with the server has ended; send it again",
        ),
        Code::QUOTA_EXCEEDED => (
            StoreErrorKind::NotApplied,
            "the folder's quota is used up; raise it, or make room",
        ),
        Code::THROTTLED => (
            StoreErrorKind::NotApplied,
            "the server has too much to do; send it again later",
        ),
        // Nothing is said of whether it was done.
        Code(-100..=-1) => (
            StoreErrorKind::Unknown,
            "the server could not carry it out; look at its log",
        ),
        Code(code) => {
            let problem = format!(
                "the server refuses it with its error {code}; something else may have changed our nodes"
            );
            return StoreError::new(StoreErrorKind::Rejected, operation, problem);
        }
    };
    StoreError::new(kind, operation, problem)
}

/// A reply, or a node, that is not of the form it should have.
pub(super) fn of_reply(operation: &'static str) -> impl Fn(Malformed) -> StoreError {
    move |_| {
        StoreError::new(
            StoreErrorKind::Rejected,
            operation,
            "the server's reply makes no sense; something else has written into our nodes",
        )
    }
}

/// A line that is as long as a node can be.
pub(super) fn of_crowd(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "the line has no room for another contender; send it again when there are fewer, or give them shorter labels",
    )
}

/// Others that were faster, again and again.
pub(super) fn of_contention(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "others kept changing the same; send it again",
    )
}
