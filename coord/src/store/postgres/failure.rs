//! What an error means for the operation.
//!
//! Whatever the server refuses it has undone as a whole. What it is asked to commit and does not answer may be done.

use tokio_postgres::Error as PostgresError;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::error::{StoreError, StoreErrorKind};

/// An operation that the server refused.
pub(super) fn of_operation(operation: &'static str, error: &PostgresError) -> StoreError {
    let (kind, problem) = match error.code() {
        Some(code) => of_code(code),
        // The connection's own errors are told apart before.
        None => (StoreErrorKind::Unknown, LOST),
    };
    StoreError::new(kind, operation, problem)
}

/// An operation whose answer did not come.
pub(super) fn of_loss(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unknown, operation, LOST)
}

/// A statement in a user's transaction: whatever it was, it is undone with it.
pub(super) fn of_transaction(error: &PostgresError) -> StoreError {
    let (kind, problem) = match error.code() {
        Some(
            &SqlState::T_R_SERIALIZATION_FAILURE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::LOCK_NOT_AVAILABLE,
        )
        | None => (
            StoreErrorKind::NotApplied,
            "the transaction has failed because of others, or its connection has; roll it back, and begin anew",
        ),
        Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => (
            StoreErrorKind::NotApplied,
            "the transaction has failed before; roll it back, and begin anew",
        ),
        Some(
            &SqlState::UNDEFINED_TABLE
            | &SqlState::UNDEFINED_FUNCTION
            | &SqlState::INVALID_SCHEMA_NAME,
        ) => (
            StoreErrorKind::Denied,
            "the transaction is of a database that does not have the store's schema; begin it in the one that the \
             store is in",
        ),
        Some(code) => of_code(code),
    };
    StoreError::new(kind, "put", problem)
}

/// A connection that could not be made; nothing of an operation was sent.
pub(super) fn of_connecting(error: &PostgresError) -> StoreError {
    let (kind, problem) = match error.code() {
        Some(code) => of_code(code),
        None => of_library(&error.to_string()),
    };
    StoreError::new(kind, "connect", problem)
}

/// A connection that could not be made of use.
pub(super) fn of_preparing(error: &PostgresError) -> StoreError {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => StoreError::new(
            StoreErrorKind::Denied,
            "connect",
            "the role may not make the schema, or not use what is in it; connect once with one that may, and grant \
             the others what `PostgresStore` tells",
        ),
        Some(
            &SqlState::DUPLICATE_TABLE
            | &SqlState::DUPLICATE_FUNCTION
            | &SqlState::DUPLICATE_OBJECT
            | &SqlState::UNDEFINED_COLUMN,
        ) => StoreError::new(
            StoreErrorKind::Denied,
            "connect",
            "the schema has tables of another program; name a schema of its own for coord",
        ),
        _ => of_connecting(error),
    }
}

/// A server that does not answer while a connection is made.
pub(super) fn of_silence() -> StoreError {
    StoreError::new(StoreErrorKind::NotApplied, "connect", UNREACHABLE)
}

/// A reply that is not of the form that the function gives.
pub(super) fn of_reply(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Rejected,
        operation,
        "the server's reply makes no sense; something else has written into our tables",
    )
}

/// Whether it failed because of what others did at the same time, and would not if it were made again at once.
pub(super) fn is_of_concurrency(error: &PostgresError) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
    )
}

/// Whether it has waited in vain for what another transaction keeps to itself.
pub(super) fn is_of_lock(error: &PostgresError) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// What another one was told who has waited for the same lock.
pub(super) fn of_lock(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::NotApplied, operation, LOCKED)
}

/// Whether the server ends the session with it, so that it may come in the place of an answer: for whatever reason, such as
/// a limit of its own on sessions that are idle.
pub(super) fn ends_the_session(error: &DbError) -> bool {
    matches!(
        error.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic)
    )
}

const LOCKED: &str =
    "a transaction that is still open has written the same; commit it or roll it back";
const LOST: &str = "the connection broke, or the reply did not come in time";
const UNREACHABLE: &str = "the server cannot be reached; check host and port, and that it runs";
const UNAUTHORIZED: &str = "the server refuses the user or the password; check them in the URL";

/// Errors of the client library that are none of the server's. It tells them apart by their texts alone.
fn of_library(text: &str) -> (StoreErrorKind, &'static str) {
    if text.starts_with("invalid configuration") || text.starts_with("authentication error") {
        (
            StoreErrorKind::Denied,
            "the server asks for a password, or in a way that this client does not know; check the URL",
        )
    } else if text.starts_with("error performing TLS handshake") {
        (
            StoreErrorKind::Denied,
            "the connection cannot be encrypted as the URL says; check `sslmode` and `sslrootcert`, and the server's \
             certificate",
        )
    } else {
        (StoreErrorKind::NotApplied, UNREACHABLE)
    }
}

fn of_code(code: &SqlState) -> (StoreErrorKind, &'static str) {
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            (StoreErrorKind::Denied, UNAUTHORIZED)
        }
        SqlState::INVALID_CATALOG_NAME => (
            StoreErrorKind::Denied,
            "the server has no database of this name; create it, or name another in the URL",
        ),
        SqlState::INSUFFICIENT_PRIVILEGE => (
            StoreErrorKind::Denied,
            "the role lacks a permission; grant it what `PostgresStore` tells",
        ),
        SqlState::UNDEFINED_TABLE
        | SqlState::UNDEFINED_FUNCTION
        | SqlState::INVALID_SCHEMA_NAME => (
            StoreErrorKind::Denied,
            "the schema was dropped or changed; connect anew to make it again",
        ),
        SqlState::TOO_MANY_CONNECTIONS => (
            StoreErrorKind::NotApplied,
            "the server has as many connections as it takes; raise `max_connections`, or the role's or database's \
             limit",
        ),
        SqlState::READ_ONLY_SQL_TRANSACTION => (
            StoreErrorKind::NotApplied,
            "the server is a replica, or read-only; connect to the primary",
        ),
        SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => (
            StoreErrorKind::NotApplied,
            "the server is starting or stopping",
        ),
        SqlState::LOCK_NOT_AVAILABLE => (StoreErrorKind::NotApplied, LOCKED),
        SqlState::QUERY_CANCELED => (
            StoreErrorKind::NotApplied,
            "it took longer than the response timeout, or was cancelled by somebody",
        ),
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => (
            StoreErrorKind::NotApplied,
            "other transactions kept coming in between",
        ),
        SqlState::DISK_FULL | SqlState::OUT_OF_MEMORY | SqlState::INSUFFICIENT_RESOURCES => (
            StoreErrorKind::NotApplied,
            "the server has no room on its disk or in its memory; make some",
        ),
        SqlState::IO_ERROR | SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => (
            StoreErrorKind::NotApplied,
            "the server cannot read or write its files; look at its log",
        ),
        SqlState::INAPPROPRIATE_ISOLATION_LEVEL_FOR_BRANCH_TRANSACTION => (
            StoreErrorKind::Denied,
            "the session is not the one that was set up, so its transactions are not `read committed`; connect to the \
             server itself, or to a pooler in session mode, not in transaction mode",
        ),
        SqlState::FEATURE_NOT_SUPPORTED => (
            StoreErrorKind::Denied,
            "the server does not know what is asked of it; use PostgreSQL 13 or later",
        ),
        _ => (
            StoreErrorKind::Rejected,
            "the server refuses it; something else may have changed our tables",
        ),
    }
}
