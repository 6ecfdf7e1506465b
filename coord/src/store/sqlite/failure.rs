//! What an error of SQLite means for the operation.
//!
//! Whatever fails before the commit was surely not done: the transaction is rolled back, here or by whoever opens
//! the file next. A commit is one write behind the others, to the end of the log, and then a sync. If there is no
//! room for it, it is not in the file. If the write or the sync fails otherwise, it may be: should the machine
//! fail before something else is written over it, it counts.

use rusqlite::{Error as SqliteError, ErrorCode};

use crate::error::{StoreError, StoreErrorKind};

/// An operation that failed before its transaction was committed.
pub(super) fn of_operation(operation: &'static str, error: &SqliteError) -> StoreError {
    let (kind, problem) = match error.sqlite_error_code() {
        Some(code) => of_code(code),
        // What is read is not of the type that is written.
        None => (StoreErrorKind::Rejected, NOT_OURS),
    };
    StoreError::new(kind, operation, problem)
}

/// A database that could not be opened.
pub(super) fn of_opening(error: &SqliteError) -> StoreError {
    match error.sqlite_error_code() {
        Some(_) => of_operation("open", error),
        None => StoreError::new(
            StoreErrorKind::Denied,
            "open",
            "the path cannot be used; name a file in a folder that exists",
        ),
    }
}

/// An operation whose transaction could not be committed.
pub(super) fn of_commit(operation: &'static str, error: &SqliteError) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => of_operation(operation, error),
        code => {
            let (_, problem) = code.map_or((StoreErrorKind::Unknown, NOT_OURS), of_code);
            StoreError::new(StoreErrorKind::Unknown, operation, problem)
        }
    }
}

/// An operation that was undone because sweeping behind it failed in a way that undid all.
pub(super) fn of_tidying(operation: &'static str, error: &SqliteError) -> StoreError {
    let failed = of_operation(operation, error);
    match failed.kind() {
        // It is not this one that SQLite refuses.
        StoreErrorKind::Rejected => StoreError::new(
            StoreErrorKind::NotApplied,
            operation,
            "what is swept out with it could not be, and it was undone as well; send it again",
        ),
        _ => failed,
    }
}

/// An operation that nobody answers, because the thread that should has ended.
pub(super) fn of_ended_thread(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        operation,
        "the thread that works on the database has ended; open the database anew, and send it again",
    )
}

/// A file that is in the place of the database's, or of one of those beside it.
pub(super) fn of_moved_file(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Denied,
        operation,
        "the database's file, or one of the two beside it, was moved, replaced or deleted while it was open; end all \
         processes that use it, and start them again to use what is there now",
    )
}

const NOT_OURS: &str = "a row of the database makes no sense; something else has written into it";

fn of_code(code: ErrorCode) -> (StoreErrorKind, &'static str) {
    match code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => (
            StoreErrorKind::NotApplied,
            "another process has kept the database locked for too long; look for one that stands still in the \
             middle of a transaction",
        ),
        ErrorCode::DiskFull => (
            StoreErrorKind::NotApplied,
            "the disk is full, or the database has its largest size; make room",
        ),
        ErrorCode::SystemIoFailure => (
            StoreErrorKind::NotApplied,
            "the database's files cannot be read or written; look at the disk and at the system's log",
        ),
        ErrorCode::OutOfMemory => (StoreErrorKind::NotApplied, "there is no memory left"),
        ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::SchemaChanged => (StoreErrorKind::NotApplied, "it was interrupted"),
        ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::AuthorizationForStatementDenied => (
            StoreErrorKind::Denied,
            "the database cannot be written; let this user write the file and the folder that it is in",
        ),
        ErrorCode::CannotOpen => (
            StoreErrorKind::Denied,
            "the file cannot be opened; check that its folder exists, and that this user may write into both",
        ),
        ErrorCode::DatabaseCorrupt => (
            StoreErrorKind::Denied,
            "the database is damaged; take it away, or put a sound copy in its place",
        ),
        ErrorCode::NotADatabase => (
            StoreErrorKind::Denied,
            "the file is no SQLite database; name another one",
        ),
        _ => (StoreErrorKind::Rejected, "SQLite refuses it"),
    }
}
