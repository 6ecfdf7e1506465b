//! The table that is printed.

use std::fmt;

use coord_tests::bench::Measured;
use coord_tests::bench::contention::{PROCESSES, TASKS, Turns};

pub(super) const HEAD: &str = "\
| backend | at a time | floor/s | lock cycles/s | first runs/s | replays/s | sagas/s |
|---|---|---|---|---|---|---|";

/// What was measured on a backend with so many tasks.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) tasks: usize,
    pub(super) floor: Measured,
    pub(super) lock: Measured,
    pub(super) first: Measured,
    pub(super) replay: Measured,
    pub(super) saga: Measured,
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| {} | {} | {:.0} | {:.0} ({:.2}) | {:.0} ({:.2}) | {:.0} | {:.0} ({:.2} of three) |",
            self.name,
            self.tasks,
            self.floor.rate,
            self.lock.rate,
            self.lock.ratio,
            self.first.rate,
            self.first.ratio,
            self.replay.rate,
            self.saga.rate,
            self.saga.ratio * 3.0,
        )
    }
}

/// What processes saw that contended for one lock.
pub(super) fn contended(name: &str, turns: &Turns) -> String {
    let (fewest, _, most) = turns.per_task();
    format!(
        "{name}: {PROCESSES} processes x {TASKS} tasks contend: a hand-off takes {:.2} ms; a task had {fewest} to {most} turns",
        turns.handoff() / 1e6,
    )
}
