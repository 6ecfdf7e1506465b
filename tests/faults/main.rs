//! Locks on Redis while processes, connections and servers fail.

mod connections;
mod cost;
mod counting;
mod failover;
mod many;
mod processes;
mod restarts;
mod setup;

#[path = "../workers/counter.rs"]
mod counter;
