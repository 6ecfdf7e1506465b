//! The command line, as people and programs use it: through the real binary, on real servers.
//!
//! What it says is compared with the files in `golden`, which `COORD_GOLDEN=write` writes anew. Times, tokens and ids are
//! masked in them.

mod bad_input;
mod commands;
mod golden;
mod idempotency;
mod lock_command;
mod locks;
mod looks;
mod sagas;
mod stores;
mod terminal;
