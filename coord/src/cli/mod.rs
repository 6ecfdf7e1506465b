//! The command line: what the binary `coord` does.
//!
//! It uses the library as any program could. Answers go to the standard output, as tables or as JSON; everything else
//! goes to the standard error.

// `arguments` is what can be said, `run` does it; a file for each command. `connection` connects, `failure` says how it
// ends, `secrets` keeps passwords out of all that is shown. `output` shows, `show` makes text of things, `progress` tells
// of long work, and `confirm` asks before something is done that cannot be undone. `child` is a command under a lock, made of
// `processes` that get `signals`.

mod arguments;
mod bench;
mod child;
mod confirm;
mod connection;
mod doctor;
mod failure;
mod idempotency;
mod lock;
mod locks;
mod output;
mod processes;
mod progress;
mod run;
mod saga;
mod secrets;
mod show;
mod signals;

pub(crate) use run::main;
