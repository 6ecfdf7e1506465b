//! What an error of the client library means for the operation.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::{Error, StoreError, StoreErrorKind};

/// An operation that failed after it was, perhaps, sent.
pub(super) fn of_operation(operation: &'static str, error: &RedisError) -> StoreError {
    let (kind, problem) = match error.kind() {
        ErrorKind::Server(kind) => of_server(kind),
        ErrorKind::AuthenticationFailed => (StoreErrorKind::Denied, WRONG_PASSWORD),
        ErrorKind::InvalidClientConfig => (
            StoreErrorKind::Denied,
            "the connection's settings do not fit the server",
        ),
        ErrorKind::Extension => of_code(error.code().unwrap_or_default()),
        _ if error.is_connection_refusal() => (StoreErrorKind::NotApplied, UNREACHABLE),
        _ => (
            StoreErrorKind::Unknown,
            "the connection broke, or the reply did not come in time",
        ),
    };
    StoreError::new(kind, operation, problem)
}

/// A connection that could not be made; nothing of the operation was sent.
pub(super) fn of_connecting(error: &RedisError) -> StoreError {
    let failed = of_operation("connect", error);
    if failed.kind() != StoreErrorKind::Unknown {
        return failed;
    }
    match error.kind() {
        ErrorKind::RESP3NotSupported => StoreError::new(
            StoreErrorKind::Denied,
            "connect",
            "the server does not speak RESP3: use Redis 6.2 or later",
        ),
        _ => StoreError::new(StoreErrorKind::NotApplied, "connect", UNREACHABLE),
    }
}

/// A URL that cannot be used. The library's message is not passed on: it could show the password.
pub(super) fn of_url(_: &RedisError) -> Error {
    Error::invalid_url("write it as `redis://[user:password@]host[:port][/database]`")
}

/// A reply that is not of the form that the script gives.
pub(super) fn of_reply(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Rejected,
        operation,
        "the server's reply makes no sense; something else has written under our keys",
    )
}

const WRONG_PASSWORD: &str = "the server refuses the user or the password; check them in the URL";
const UNREACHABLE: &str = "the server cannot be reached; check host and port, and that it runs";

fn of_server(kind: ServerErrorKind) -> (StoreErrorKind, &'static str) {
    match kind {
        ServerErrorKind::NoPerm => (
            StoreErrorKind::Denied,
            "the user lacks a permission; scripts need every command that they call",
        ),
        ServerErrorKind::ReadOnly => (
            StoreErrorKind::NotApplied,
            "the server is a replica; connect to the primary",
        ),
        ServerErrorKind::BusyLoading => (
            StoreErrorKind::NotApplied,
            "the server is still loading its data",
        ),
        ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain => (
            StoreErrorKind::NotApplied,
            "the server cannot serve at the moment",
        ),
        ServerErrorKind::NoScript => (
            StoreErrorKind::NotApplied,
            "the server keeps forgetting the scripts",
        ),
        ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot => (
            StoreErrorKind::Denied,
            "the server is part of a cluster; this store is for one server",
        ),
        _ => (
            StoreErrorKind::Rejected,
            "the server refuses the command; something else may have written under our keys",
        ),
    }
}

/// Errors that the library does not know by name.
fn of_code(code: &str) -> (StoreErrorKind, &'static str) {
    match code {
        "NOAUTH" | "WRONGPASS" => (StoreErrorKind::Denied, WRONG_PASSWORD),
        "OOM" => (
            StoreErrorKind::NotApplied,
            "the server is out of memory; give it more, or shorter ttls",
        ),
        "BUSY" => (
            StoreErrorKind::NotApplied,
            "the server is busy with a long script of somebody's",
        ),
        "MISCONF" => (
            StoreErrorKind::NotApplied,
            "the server cannot save its data and takes no writes",
        ),
        "NOREPLICAS" => (
            StoreErrorKind::NotApplied,
            "the server has fewer replicas than it needs to take writes",
        ),
        _ => (StoreErrorKind::Rejected, "the server refuses the command"),
    }
}
