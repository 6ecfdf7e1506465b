//! The scripts: one for each primitive operation, so that each is atomic and takes one round trip. They are
//! called by their hash; the server keeps their text. On a cluster they are the same, behind a few lines more.

use std::io::Write as _;
use std::sync::LazyLock;

use redis::{RedisWrite, Value};

use super::failure;
use crate::store::Result;

/// The most bytes of a value that is sent together with others, which have to wait for it.
pub(super) const LARGEST_IN_COMPANY: usize = 4_096;

/// A script, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Lineage,
    LeaseAcquire,
    LeaseRenew,
    LeaseRelease,
    LeaseReleaseLate,
    LeaseInspect,
    RecordGet,
    RecordPut,
    RecordDelete,
    RecordUnlist,
    LogAppend,
}

/// Where scripts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// On a server that has everything.
    Alone,
    /// On a node of a cluster.
    #[cfg(feature = "redis-cluster")]
    Cluster,
}

/// A script of leases: what is done with one alone, a function for those that have a line, and what is done for
/// those that have none.
macro_rules! lease_script {
    ($parameters:literal, $contended:literal, $script:literal $(, $alone:literal)?) => {
        concat!(
            include_str!("lua/effects.lua"),
            $(include_str!($alone),)?
            include_str!("lua/attempt.lua"),
            "local function contended(",
            $parameters,
            ")\n",
            include_str!("lua/line.lua"),
            include_str!($contended),
            "end\n",
            include_str!($script)
        )
    };
}

const ALL: [(Script, &str); 11] = [
    (
        Script::Lineage,
        concat!(
            include_str!("lua/effects.lua"),
            include_str!("lua/epoch.lua"),
            include_str!("lua/lineage.lua")
        ),
    ),
    (
        Script::LeaseAcquire,
        lease_script!(
            "LEASE, there, at",
            "lua/lease_acquire_line.lua",
            "lua/lease_acquire.lua",
            "lua/lease_acquire_alone.lua"
        ),
    ),
    (
        Script::LeaseRenew,
        lease_script!(
            "LEASE, at",
            "lua/lease_renew_line.lua",
            "lua/lease_renew.lua"
        ),
    ),
    (
        Script::LeaseRelease,
        lease_script!(
            "LEASE, owner",
            "lua/lease_release_line.lua",
            "lua/lease_release.lua",
            "lua/lease_release_alone.lua"
        ),
    ),
    (
        Script::LeaseReleaseLate,
        lease_script!(
            "LEASE, owner",
            "lua/lease_release_line.lua",
            "lua/lease_release_late.lua"
        ),
    ),
    (
        Script::LeaseInspect,
        lease_script!(
            "LEASE",
            "lua/lease_inspect_line.lua",
            "lua/lease_inspect.lua"
        ),
    ),
    (Script::RecordGet, include_str!("lua/record_get.lua")),
    (
        Script::RecordPut,
        concat!(
            include_str!("lua/effects.lua"),
            include_str!("lua/record_put_alone.lua"),
            include_str!("lua/attempt.lua"),
            include_str!("lua/record_put.lua")
        ),
    ),
    (Script::RecordDelete, include_str!("lua/record_delete.lua")),
    (Script::RecordUnlist, include_str!("lua/record_unlist.lua")),
    (
        Script::LogAppend,
        concat!(
            include_str!("lua/attempt.lua"),
            include_str!("lua/log_append.lua")
        ),
    ),
];

static ALONE: LazyLock<Vec<redis::Script>> = LazyLock::new(|| compiled(Form::Alone));
#[cfg(feature = "redis-cluster")]
static ON_CLUSTER: LazyLock<Vec<redis::Script>> = LazyLock::new(|| compiled(Form::Cluster));

fn compiled(form: Form) -> Vec<redis::Script> {
    let text = |(script, text): &(Script, &str)| redis::Script::new(&(form.head(*script) + text));
    ALL.iter().map(text).collect()
}

impl Form {
    /// What stands before a script: how messages are sent, and on a cluster, what makes up for not being told of failovers.
    fn head(self, script: Script) -> String {
        let _ = script;
        match self {
            Self::Alone => "local PUBLISH, begin_epoch = 'PUBLISH'\n".to_owned(),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster => {
                let mut head = "local PUBLISH = 'SPUBLISH'\n".to_owned();
                if script.is_of_leases() {
                    head += include_str!("lua/epoch.lua");
                    head += include_str!("lua/cluster_lease.lua");
                }
                if script == Script::LeaseAcquire {
                    head += include_str!("lua/cluster_grant.lua");
                }
                head
            }
        }
    }

    fn scripts(self) -> &'static [redis::Script] {
        match self {
            Self::Alone => &ALONE,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster => &ON_CLUSTER,
        }
    }

    /// A call of a script, to which `keys` and about as many `arguments` are appended.
    pub(super) fn call(self, script: Script, keys: usize, arguments: usize) -> redis::Cmd {
        self.call_with(script, keys, arguments, 0)
    }

    /// The same, with so many bytes more than arguments usually have.
    pub(super) fn call_with(
        self,
        script: Script,
        keys: usize,
        arguments: usize,
        bytes: usize,
    ) -> redis::Cmd {
        let count = 3 + keys + arguments;
        let mut command = redis::Cmd::with_capacity(count, 64 + 32 * count + bytes);
        command.arg("EVALSHA").arg(self.hash(script)).arg(keys);
        command
    }

    fn hash(self, script: Script) -> &'static str {
        // `ALL` is in the order of the variants.
        self.scripts()[script as usize].get_hash()
    }

    /// What makes the server know all of them.
    pub(super) fn load_all(self) -> redis::Pipeline {
        let mut pipeline = redis::Pipeline::new();
        for (script, text) in ALL {
            let text = self.head(script) + text;
            pipeline.cmd("SCRIPT").arg("LOAD").arg(text).ignore();
        }
        pipeline
    }
}

#[cfg(feature = "redis-cluster")]
impl Script {
    fn is_of_leases(self) -> bool {
        match self {
            Self::LeaseAcquire
            | Self::LeaseRenew
            | Self::LeaseRelease
            | Self::LeaseReleaseLate
            | Self::LeaseInspect => true,
            Self::Lineage
            | Self::RecordGet
            | Self::RecordPut
            | Self::RecordDelete
            | Self::RecordUnlist
            | Self::LogAppend => false,
        }
    }
}

/// The answers of a script, which can come without an array around them where there is one.
pub(super) fn several(reply: Value) -> Vec<Value> {
    match reply {
        Value::Array(replies) => replies,
        alone => vec![alone],
    }
}

/// The answer to the only call.
pub(super) fn only<A>(answers: Vec<Result<A>>, operation: &'static str) -> Result<A> {
    let mut answers = answers.into_iter();
    answers
        .next()
        .unwrap_or_else(|| Err(failure::of_reply(operation)))
}

/// Writes one argument from its pieces, without putting them together first.
pub(super) fn write_pieces<'a, W: RedisWrite + ?Sized>(
    out: &mut W,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) {
    let mut argument = out.writer_for_next_arg();
    for piece in pieces {
        // Writing to memory does not fail.
        let _ = argument.write_all(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_found_where_its_name_says() {
        for (index, (script, _)) in ALL.iter().enumerate() {
            assert_eq!(*script as usize, index);
        }
    }
}
