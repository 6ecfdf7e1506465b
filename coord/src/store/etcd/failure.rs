//! What an error means for the operation.

use tonic::{Code, Status};

use crate::error::{StoreError, StoreErrorKind};

/// What to do about an answer that is none.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The lease to be attached has ended; nothing was done.
    LeaseNotFound,
    /// There is such a lease already.
    LeaseExists,
    /// The server does not take our token any more, or got none; nothing was done.
    Token,
    /// It can be asked of another server; it may have been done here.
    Unanswered,
    /// It can be asked of another server; it was not done here.
    NotNow,
    /// It is no use to ask again.
    Final(StoreErrorKind, &'static str),
}

/// The server's words are compared, and not shown: they can have keys in them. `has_user` is whether we can get a token.
pub(super) fn of_status(status: &Status, has_user: bool) -> Refusal {
    let says = |words: &str| status.message().contains(words);
    match status.code() {
        _ if says("requested lease not found") => Refusal::LeaseNotFound,
        _ if says("lease already exists") => Refusal::LeaseExists,
        _ if says("invalid auth token") || says("revision in header is old") => Refusal::Token,
        // Users or roles have changed since it was given.
        _ if says("revision of auth store is old") => Refusal::Token,
        _ if says("user name is empty") && has_user => Refusal::Token,
        _ if says("authentication failed") => Refusal::Final(
            StoreErrorKind::Denied,
            "the server refuses the user or the password; check them in the URL",
        ),
        _ if says("user name is empty") => Refusal::Final(
            StoreErrorKind::Denied,
            "the server asks for a user; write the URL as `etcd://user:password@host:2379`",
        ),
        Code::PermissionDenied => Refusal::Final(
            StoreErrorKind::Denied,
            "the user has no right to our keys; grant it reading and writing of the whole prefix, which is `coord/` \
             unless the URL names another",
        ),
        Code::ResourceExhausted if says("database space exceeded") => Refusal::Final(
            // Servers do what they have agreed on also when it fills the disk, and then say so.
            StoreErrorKind::Unknown,
            "the servers' disk quota is used up; compact and defragment them, and clear the alarm with \
             `etcdctl alarm disarm`",
        ),
        Code::ResourceExhausted if says("too many requests") => Refusal::NotNow,
        Code::ResourceExhausted | Code::InvalidArgument | Code::OutOfRange => Refusal::Final(
            StoreErrorKind::Rejected,
            "the server refuses the request; check that it is etcd 3.4 or later, and its `--max-request-bytes` and \
             `--max-txn-ops`",
        ),
        Code::Unimplemented => Refusal::Final(
            StoreErrorKind::Rejected,
            "the server is no etcd, or older than 3.4",
        ),
        Code::Unavailable if says("no leader") || says("not leader") => Refusal::NotNow,
        _ => Refusal::Unanswered,
    }
}

/// The same of why a watch was ended, which comes without a code.
pub(super) fn of_reason(reason: &str, has_user: bool) -> Refusal {
    let code = if reason.contains("permission denied") {
        Code::PermissionDenied
    } else {
        Code::Unknown
    };
    of_status(&Status::new(code, reason), has_user)
}

/// An operation whose answer did not come.
pub(super) fn of_loss(operation: &'static str) -> StoreError {
    let problem =
        "the connection broke, the reply did not come in time, or the servers have no leader";
    StoreError::new(StoreErrorKind::Unknown, operation, problem)
}

/// No server took it.
pub(super) fn of_connecting(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "no server can be reached, or none of them serves now; check hosts and ports, that a majority of them runs, \
         and whether they ask for encryption (`etcds:`)",
    )
}

/// A token that was refused again and again, although each was new.
pub(super) fn of_token(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "the server does not take the tokens that it gives, as while users and roles are being changed; send it again",
    )
}

/// A server that does not encrypt as it should.
pub(super) fn of_encrypting(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Denied,
        operation,
        "the connection cannot be encrypted as the URL says; check the server's port and certificate, `sslrootcert`, \
         and `sslcert` and `sslkey` if the server asks for a certificate of ours",
    )
}

/// A reply, or a value, that is not of the form it should have.
pub(super) fn of_reply(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Rejected,
        operation,
        "what stands in etcd makes no sense; something else has written below our prefix",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_done_is_not_said_to_be_not_done() {
        let full = Status::resource_exhausted("etcdserver: mvcc: database space exceeded");
        let refusal = of_status(&full, false);
        assert!(matches!(
            refusal,
            Refusal::Final(StoreErrorKind::Unknown, _)
        ));
        let stopped = Status::unavailable("etcdserver: server stopped");
        assert!(matches!(of_status(&stopped, false), Refusal::Unanswered));
    }

    #[test]
    fn another_token_is_asked_for_only_by_who_can_get_one() {
        let old = Status::invalid_argument("etcdserver: revision of auth store is old");
        assert!(matches!(of_status(&old, true), Refusal::Token));
        let none = Status::invalid_argument("etcdserver: user name is empty");
        assert!(matches!(of_status(&none, true), Refusal::Token));
        let refusal = of_status(&none, false);
        assert!(matches!(refusal, Refusal::Final(StoreErrorKind::Denied, _)));
    }
}
