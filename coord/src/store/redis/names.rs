//! The names of keys and channels.
//!
//! On a server alone they begin with a hash tag of what they belong to, and in a cluster with one of the partition before that.

use std::sync::Arc;

use redis::{Pipeline, RedisWrite, ToRedisArgs, ToSingleRedisArg};

use super::script::write_pieces;

/// For how many milliseconds a server keeps a mark.
const LASTS: u64 = 60_000;

/// The names of what all share that use one link.
pub(super) struct Names {
    /// What all of them begin with: nothing, or the hash tag of a partition.
    prefix: &'static str,
    /// Where tokens are counted.
    pub(super) tokens: String,
    /// The names of the records that are listed, in order.
    pub(super) index: String,
    /// The channel on which this process's waiters are woken.
    pub(super) channel: Arc<str>,
    /// What the names of receipts begin with.
    pub(super) receipts: String,
}

impl Names {
    /// Those of a process with this id.
    pub(super) fn new(prefix: &'static str, process: u128) -> Self {
        Self {
            prefix,
            tokens: format!("{prefix}{{coord}}:tokens"),
            index: format!("{prefix}{{coord}}:index"),
            channel: format!("{prefix}coord:wake:{process:032x}").into(),
            receipts: format!("{prefix}{{coord}}:receipt:{process:032x}"),
        }
    }

    /// What is written to have replicas acknowledge what was written before.
    pub(super) fn mark(&self) -> Mark {
        Mark::of(self.prefix)
    }

    /// The key of a lease. The resource is the hash tag, so that all keys of a lease have the same.
    pub(super) fn lease<'a>(&self, resource: &'a str) -> Name<'a> {
        Name([self.prefix, "{", resource, "}"])
    }

    /// The two further keys of a lease that has a line.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn line<'a>(&self, resource: &'a str) -> [Name<'a>; 2] {
        ["}:line", "}:deadlines"].map(|end| Name([self.prefix, "{", resource, end]))
    }

    /// The key of a record.
    pub(super) fn record<'a>(&self, key: &'a str) -> Name<'a> {
        Name([self.prefix, "{coord:", key, "}:record"])
    }

    /// The key of a log.
    pub(super) fn log<'a>(&self, log: &'a str) -> Name<'a> {
        Name([self.prefix, "{coord:", log, "}:log"])
    }

    /// The channel that tells of changes of a record.
    pub(super) fn record_channel<'a>(&self, key: &'a str) -> Name<'a> {
        Name([self.prefix, "coord:record:", key, ""])
    }

    /// The channel that tells of appends to a log.
    pub(super) fn log_channel<'a>(&self, log: &'a str) -> Name<'a> {
        Name([self.prefix, "coord:log:", log, ""])
    }
}

/// What is written only so that something is.
pub(super) struct Mark {
    prefix: &'static str,
}

impl Mark {
    /// The one of a server, or of a partition with this hash tag.
    pub(super) fn of(prefix: &'static str) -> Self {
        Self { prefix }
    }

    /// Adds what writes it. Replicas are sent the messages of a server that is alone, which takes no memory; in a cluster they
    /// are not.
    pub(super) fn write(&self, commands: &mut Pipeline) {
        let Self { prefix } = self;
        if prefix.is_empty() {
            commands.cmd("PUBLISH").arg("coord:written").arg("");
        } else {
            // Its slot may be on the way to this node.
            commands.cmd("ASKING").ignore();
            let key = format!("{prefix}{{coord}}:written");
            commands.cmd("SET").arg(key).arg("").arg("PX").arg(LASTS);
        }
        commands.ignore();
    }
}

/// A name in its pieces, which are put together where it is sent.
#[derive(Clone, Copy)]
pub(super) struct Name<'a>([&'a str; 4]);

impl Name<'_> {
    pub(super) fn text(self) -> String {
        self.0.concat()
    }
}

impl ToRedisArgs for Name<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        write_pieces(out, self.0.map(str::as_bytes));
    }
}

impl ToSingleRedisArg for Name<'_> {}
