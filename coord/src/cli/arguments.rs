//! What can be said on the command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// What stands over the options that every command has.
const GLOBAL: &str = "Options of all commands";

const EXIT_CODES: &str = "\
Exit codes:
  0     done
  1     there is nothing of that name, or it is not in a state for what was asked, or
        somebody said no
  2     what was said makes no sense: an unknown option, a malformed URL or key, a question
        without a terminal
  69    the store cannot be reached, has failed, or does not offer what was asked
  75    the lock is held elsewhere (coord lock)
  76    the lock was lost while the command ran (coord lock)
  77    the store refuses us: a wrong password, a missing permission
  126   the command cannot be started, 127: there is none of that name (coord lock)
  128+  ended by the signal of this number, as the command was (coord lock)
  141   nobody reads the output any more";

const AFTER_LOCK: &str = "\
The command finds the fencing token of the lock in its environment, as COORD_FENCING_TOKEN,
and the key as COORD_LOCK_KEY. Pass the token on to whatever the command changes, so that a
holder that was paused for too long is refused.

The exit code is the command's own; 128 and the number of the signal that ended it; 75 if the
lock is held elsewhere, with --skip or when --wait is over; 76 if the lock was lost.

SIGINT, SIGTERM and SIGHUP are passed on to the command and to all that it has started, and the
lock is kept until none of it is left; --kill-after the end of the command itself, what is left
is killed. What a command leaves behind when it ends by itself goes on without the lock. So does
what leaves the process group that the command starts in, as daemons do and what `timeout` runs,
unless it is `timeout --foreground`.

While the lock is given back, a signal ends this process, even if the store cannot be reached.
On Linux, a signal that this process was started to ignore, as by nohup, is neither heard nor
passed on.

In the foreground of a terminal, so that it can be read from, the command stays in the group of
this process: there an interrupt from the keyboard reaches all of it anyway, and everything else
is sent to the command alone, not to what it has started.

If the lock is lost (the store cannot be reached for the ttl, or this process stood still),
another may hold it: the command is sent SIGTERM, and SIGKILL after --kill-after. If this
process is killed itself, the command goes on, and the lock ends after --ttl.";

const AFTER_RESUME: &str = "\
This program does not know the steps of sagas, so it does not run them. It marks the saga, and
a process of the service that knows it and looks for orphans, with `coord.recover()` or
`coord.recovery()`, goes on with it. A saga of closures, `closures/...`, is known to no process:
it goes on when the service runs the saga of its key again, and is running until then.";

/// Looks at what a store has of locks, idempotent calls and sagas, sets it right, and runs commands under a lock.
#[derive(Debug, Parser)]
#[command(name = "coord", bin_name = "coord", version, after_long_help = EXIT_CODES)]
#[command(max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
pub(super) struct Global {
    /// Where everything is: `redis://…`, `postgres://…`, `zk://…`, `sqlite:coord.db`. Other users of this machine can see
    /// it in the list of processes; what is in `COORD_URL` they cannot.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "URL",
        env = "COORD_URL",
        hide_env_values = true
    )]
    pub(super) store: Option<String>,
    /// The namespace of the service, as it was given to its coordinator.
    #[arg(long, global = true, help_heading = GLOBAL, hide_env_values = true, value_name = "NAME",
        env = "COORD_NAMESPACE",
        default_value = "coord"
    )]
    pub(super) namespace: String,
    /// Answer in JSON, for programs.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the locks that are held: by whom, with which token, for how long, and who waits.
    Locks(Locks),
    /// Run a command under a lock.
    #[command(after_long_help = AFTER_LOCK)]
    Lock(Lock),
    /// Look at the records of idempotent calls, and forget them.
    #[command(subcommand)]
    Idempotency(Idempotency),
    /// Look at sagas, and set right those that are stuck.
    #[command(subcommand)]
    Saga(Saga),
    /// Connect, measure, and say what this store guarantees and which of its settings are dangerous.
    Doctor(Doctor),
    /// Work on the store itself.
    #[command(subcommand)]
    Store(Store),
    /// Print what makes a shell complete commands, to be put where that shell looks for it.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct Locks {
    /// Only keys that begin so.
    #[arg(default_value = "")]
    pub(super) prefix: String,
    /// Only those of this kind.
    #[arg(long)]
    pub(super) kind: Option<Kind>,
    /// Only those that somebody waits for.
    #[arg(long)]
    pub(super) waiting: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// Locks and read/write locks.
    Lock,
    /// Semaphores.
    Semaphore,
    /// Elections.
    Election,
}

#[derive(Debug, Args)]
pub(super) struct Lock {
    /// The key to lock.
    pub(super) key: String,
    /// The command to run, and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
    /// How long the store keeps the lock if this process dies.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(super) ttl: Duration,
    /// How long to wait for the lock. Without it, for as long as it takes.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) wait: Option<Duration>,
    /// Do not wait: if another has the lock, end with 75 at once.
    #[arg(long, conflicts_with = "wait")]
    pub(super) skip: bool,
    /// Keep the lock for at least this long, even if the command ends sooner: for jobs that several hosts start by
    /// clocks that differ. A command that cannot be started does not keep it.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub(super) at_least: Duration,
    /// Take the reader's side of a read/write lock, together with other readers.
    #[arg(long)]
    pub(super) shared: bool,
    /// Take one permit of a semaphore that has so many. It is another lock than that of the same key without this.
    #[arg(long, value_name = "N", conflicts_with = "shared", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) permits: Option<u32>,
    /// A name of this holder for those who look. The default names the host and the process.
    #[arg(long, value_name = "NAME")]
    pub(super) label: Option<String>,
    /// How long the command has to end once the lock is lost, and what it leaves behind once a signal has ended it.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) kill_after: Duration,
}

#[derive(Debug, Subcommand)]
pub(super) enum Idempotency {
    /// List records.
    List {
        /// Only keys that begin so.
        #[arg(default_value = "")]
        prefix: String,
        /// Only those that stand so.
        #[arg(long)]
        state: Option<RecordState>,
    },
    /// Show one record, with the result.
    Show {
        /// The key.
        key: String,
    },
    /// Forget a record: the next call runs the body again. A body that is running goes on, and its result is refused.
    Forget {
        /// The key.
        key: String,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RecordState {
    /// The body is running.
    Running,
    /// There is a result.
    Finished,
    /// There is an error that is remembered.
    Failed,
    /// It has run, and its result could not be stored.
    WithoutResult,
}

#[derive(Debug, Args)]
pub(super) struct Sure {
    /// Do not ask.
    #[arg(long, short)]
    pub(super) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Saga {
    /// List sagas.
    List {
        /// Only those of this name.
        #[arg(long)]
        name: Option<String>,
        /// Only those that stand so.
        #[arg(long)]
        state: Option<SagaState>,
        /// Only those that were begun at least this long ago.
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
        older_than: Duration,
        /// How many at the most.
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
        limit: usize,
    },
    /// Show one saga, with all that happened to it.
    Show {
        /// Its name and its key, as `saga list` shows it: `PlaceOrder/order:42`.
        id: String,
    },
    /// Let a saga that is stuck go on, with one more attempt of what has failed; or one that waits for its next attempt.
    #[command(visible_alias = "retry", after_help = AFTER_RESUME)]
    Resume {
        /// Its name and its key, as `saga list` shows it: `PlaceOrder/order:42`.
        id: String,
    },
    /// Let a saga that is stuck go on as if the compensation that failed had succeeded: somebody has undone the step by
    /// other means.
    #[command(after_help = AFTER_RESUME)]
    Skip {
        /// Its name and its key, as `saga list` shows it: `PlaceOrder/order:42`.
        id: String,
        /// Why; it stands in the history.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Give a saga up as it is: nothing more is done or undone.
    Abandon {
        /// Its name and its key, as `saga list` shows it: `PlaceOrder/order:42`.
        id: String,
        /// Why; those who wait for the saga get it.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Show what happens to a saga, until it has ended: with 0 if it is completed, otherwise with 1.
    Watch {
        /// Its name and its key, as `saga list` shows it: `PlaceOrder/order:42`.
        id: String,
        /// How often to look, even if the store tells of nothing.
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
        every: Duration,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SagaState {
    /// Under way.
    Running,
    /// It waits for somebody.
    Stuck,
    /// All steps are done.
    Completed,
    /// What was done is undone.
    Compensated,
    /// It was given up.
    Abandoned,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// End with 1 if there are warnings.
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Measure how fast it is: what so many tasks of this process get done together. It writes under keys of its own,
    /// which are gone some seconds later.
    Bench {
        /// How many tasks work at once.
        #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        tasks: u32,
        /// How long each measurement takes.
        #[arg(long = "for", value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
        lasts: Duration,
        /// What to measure. Without it, everything.
        #[arg(long)]
        what: Vec<Measured>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Measured {
    /// Acquiring and releasing a free lock.
    Lock,
    /// Idempotent calls that are made for the first time.
    Idempotent,
    /// Putting a record.
    Record,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn the_arguments_make_sense() {
        Arguments::command().debug_assert();
    }
}
