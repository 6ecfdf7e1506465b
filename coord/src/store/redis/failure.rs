//! What an error of the client library means for the operation.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::{Error, StoreError, StoreErrorKind};

/// An operation that failed after it was, perhaps, sent.
pub(super) fn of_operation(operation: &'static str, error: &RedisError) -> StoreError {
    let (kind, problem) = match error.kind() {
        _ if is_of_replica(error) => of_server(ServerErrorKind::ReadOnly),
        ErrorKind::Server(ServerErrorKind::ResponseError) => match code_in_script(error) {
            Some(code) => of_code(code),
            None => of_server(ServerErrorKind::ResponseError),
        },
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

/// Whether the server takes no writes because it is a replica.
pub(super) fn is_of_replica(error: &RedisError) -> bool {
    let by_itself = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
    by_itself || code_in_script(error) == Some("READONLY")
}

/// What a command within a script was refused with, where the server has another error around it, as Redis 6 has.
fn code_in_script(error: &RedisError) -> Option<&str> {
    let (_, in_script) = error.detail()?.split_once("Error running script")?;
    let (_, said) = in_script.split_once(": -")?;
    said.split_whitespace().next()
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
        _ if is_about_trust(error) => StoreError::new(
            StoreErrorKind::Denied,
            "connect",
            "one does not trust the other's certificate, or the server speaks no TLS; check the name in the URL, \
             `root_certificates` and `client_certificate`",
        )
        .with_source(error.clone()),
        _ => StoreError::new(StoreErrorKind::NotApplied, "connect", UNREACHABLE),
    }
}

/// Whether a handshake of TLS failed: only that is bad data in a connection that is just being made.
fn is_about_trust(error: &RedisError) -> bool {
    error
        .source()
        .and_then(|cause| cause.downcast_ref::<Arc<dyn StdError + Send + Sync>>())
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

/// No Sentinel has told of a primary; this is what one of them said instead.
#[cfg(feature = "redis-sentinel")]
pub(super) fn of_sentinels(error: Option<&RedisError>) -> StoreError {
    let (kind, problem) = match error.map(RedisError::kind) {
        Some(ErrorKind::Server(ServerErrorKind::ResponseError)) => (
            StoreErrorKind::Denied,
            "the Sentinels know no primary of the name that stands in the URL",
        ),
        Some(ErrorKind::AuthenticationFailed | ErrorKind::Extension | ErrorKind::Server(_)) => (
            StoreErrorKind::Denied,
            "the Sentinels refuse the user or the password; check `sentinel_user` and `sentinel_password` in the URL",
        ),
        _ => (
            StoreErrorKind::NotApplied,
            "no Sentinel can be reached; check their hosts and ports, and that they run",
        ),
    };
    StoreError::new(kind, "connect", problem)
}

/// A server that may be a primary no more, while too few Sentinels can be asked.
pub(super) fn of_few_sentinels() -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        "connect",
        "too few Sentinels agree on which server is the primary; check that they run and reach each other",
    )
}

/// No node has told of the cluster; this is what one of them said instead.
#[cfg(feature = "redis-cluster")]
pub(super) fn of_cluster(error: Option<&RedisError>) -> StoreError {
    let (kind, problem) = match error {
        Some(error) if error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) => (
            StoreErrorKind::Denied,
            "the server is not part of a cluster; write its URL as `redis://…`",
        ),
        Some(error) if !error.is_io_error() => return of_connecting(error),
        Some(error) if is_about_trust(error) => return of_connecting(error),
        _ => (
            StoreErrorKind::NotApplied,
            "no node of the cluster can be reached; check their hosts and ports, and that they run",
        ),
    };
    StoreError::new(kind, "connect", problem)
}

/// A node that does not finish the handshake.
#[cfg(feature = "redis-cluster")]
pub(super) fn of_hanging() -> StoreError {
    StoreError::new(StoreErrorKind::NotApplied, "connect", UNREACHABLE)
}

/// A node that cannot tell of what happens in a slot.
#[cfg(feature = "redis-cluster")]
pub(super) fn of_version() -> StoreError {
    StoreError::new(
        StoreErrorKind::Denied,
        "connect",
        "the server has no sharded channels: a cluster needs Redis 7 or later, or Valkey",
    )
}

/// A slot that no node has.
#[cfg(feature = "redis-cluster")]
pub(super) fn of_unserved(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "no node of the cluster serves the key's slot at the moment",
    )
}

/// A script that was served in part, by the node that a slot is being moved away from.
#[cfg(feature = "redis-cluster")]
pub(super) fn of_half(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        operation,
        "the key's slot is being moved to another node",
    )
}

/// A node that may be a master no more, while too few others can be asked.
#[cfg(feature = "redis-cluster")]
pub(super) fn of_minority(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "too few nodes of the cluster can be reached to tell which is the master of the key's slot",
    )
}

/// Nodes that name each other.
#[cfg(feature = "redis-cluster")]
pub(super) fn of_redirections(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "the nodes of the cluster do not agree on who has the key's slot",
    )
}

/// A URL that cannot be used. The library's message is not passed on: it could show the password.
pub(super) fn of_url() -> Error {
    Error::invalid_url("write it as `redis://[user:password@]host[:port][/database]`")
}

/// Certificates that cannot be used.
#[cfg(feature = "tls")]
pub(super) fn of_certificates() -> Error {
    Error::invalid_option(
        "certificates",
        "they cannot be read; give them, and the key, in PEM",
    )
}

/// Something that was written, of which nobody knows whether replicas have it.
pub(super) fn of_acknowledging(error: StoreError) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        error.operation(),
        "the server did not say how many replicas have it, so a failover could lose it",
    )
    .with_source(error)
}

/// What was written through a connection that is not there any more.
pub(super) fn of_change(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        operation,
        "the connection was lost before replicas had acknowledged it",
    )
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
            "the server is part of a cluster; write its URL as `redis+cluster://…`",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_6_refuses_within_a_script_is_told_as_what_it_is() {
        let refused = |what: &str| {
            let reply =
                format!("-ERR Error running script (call to f_0): @user_script:7: {what}\r\n");
            let reply = redis::parse_redis_value(reply.as_bytes()).unwrap();
            let error = reply.extract_error().unwrap_err();
            (of_operation("put", &error).kind(), is_of_replica(&error))
        };
        let replica = refused("-READONLY You can't write against a read only replica.");
        assert_eq!(replica, (StoreErrorKind::NotApplied, true));
        let full =
            refused("@user_script: 7: -OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(full, (StoreErrorKind::NotApplied, false));
        let strange = refused("-WRONGTYPE Operation against a key holding the wrong kind of value");
        assert_eq!(strange, (StoreErrorKind::Rejected, false));
    }
}
