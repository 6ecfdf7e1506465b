//! A guide: what each thing is for, what it does not give, and what to do about that.
//!
//! - [`locks`]: one at a time; and the fence, without which that is a hope.
//! - [`idempotency`]: what "once" means, and how an effect elsewhere happens once.
//! - [`sagas`]: how to cut work into steps that survive a crash or are undone.
//! - [`stores`]: which backend to choose.
//! - [`operating`]: what to watch, and what to do when something is stuck.
//! - [`testing`]: tests without a server, and tests that kill.
//! - [`coming_from`]: the words of other libraries, and ours.

#![allow(
    clippy::doc_markdown,
    reason = "the names of libraries stand as their authors write them"
)]

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}
#[doc = include_str!("idempotency.md")]
pub mod idempotency {}
#[doc = include_str!("locks.md")]
pub mod locks {}
#[doc = include_str!("operating.md")]
pub mod operating {}
#[doc = include_str!("sagas.md")]
pub mod sagas {}
#[doc = include_str!("stores.md")]
pub mod stores {}
#[doc = include_str!("testing.md")]
pub mod testing {}
