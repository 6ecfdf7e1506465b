//! Many processes add to one counter under one lock, while they are killed and paused at random.

use coord_tests::{RedisServer, Worker, until};
use rand::seq::IndexedRandom as _;
use tempfile::TempDir;

use crate::counter::{Counter, Record};
use crate::setup::NAMESPACE;

const WORKERS: usize = 8;
const GOAL: u64 = 20_000;
/// How often somebody is killed or paused.
const ACCIDENTS: u64 = 24;

struct Crew {
    url: String,
    folder: TempDir,
    counter: Counter,
    working: Vec<Worker>,
    paused: Option<Worker>,
}

impl Crew {
    fn hire(&mut self) {
        let file = self.folder.path().join("counter");
        let file = file.to_str().expect("a path of plain text");
        let arguments = [&*self.url, NAMESPACE, file, &GOAL.to_string()];
        self.working.push(Worker::spawn(
            env!("CARGO_BIN_EXE_counter_worker"),
            arguments,
        ));
    }

    /// Takes one out: the one that was in last, which is likely to be in still, or any.
    fn pick(&mut self, record: Record, last: bool) -> Worker {
        let was_in = |worker: &Worker| u64::from(worker.id()) == record.process;
        let all: Vec<_> = (0..self.working.len()).collect();
        let any = *all.choose(&mut rand::rng()).expect("somebody works");
        let index = self
            .working
            .iter()
            .position(|worker| last && was_in(worker));
        self.working.swap_remove(index.unwrap_or(any))
    }

    /// Kills one and hires another, or pauses one and lets go on who was paused before.
    fn accident(&mut self, number: u64, record: Record) {
        let victim = self.pick(record, number % 4 < 2);
        if number.is_multiple_of(2) {
            victim.kill();
            self.hire();
        } else {
            // Not while it is inside of the file, where it would hold up everybody for good.
            self.counter.alone(|| victim.pause());
            self.resume();
            self.paused = Some(victim);
        }
    }

    fn resume(&mut self) {
        if let Some(worker) = self.paused.take() {
            worker.resume();
            self.working.push(worker);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_while_processes_are_killed_and_paused() {
    let server = RedisServer::start().await;
    let folder = TempDir::with_prefix("coord-counter-").expect("a temporary folder");
    let mut crew = Crew {
        url: server.url(),
        counter: Counter::at(&folder.path().join("counter")),
        folder,
        working: Vec::new(),
        paused: None,
    };
    for _ in 0..WORKERS {
        crew.hire();
    }
    for number in 0..ACCIDENTS {
        let milestone = (number + 1) * GOAL / (ACCIDENTS + 1);
        let record = until("the count to grow", async || {
            let record = crew.counter.look();
            (record.count >= milestone).then_some(record)
        })
        .await;
        crew.accident(number, record);
    }
    crew.resume();
    for worker in &mut crew.working {
        worker.expect_line("done ").await;
    }
    let record = crew.counter.look();
    assert_eq!(record.count, GOAL);
    assert_eq!(record.accepted, GOAL, "an update was lost: {record:?}");
}

/// What the test above relies on: without this, a paused worker would write over what came after it.
#[test]
fn the_counter_refuses_a_token_smaller_than_one_it_was_shown() {
    let folder = TempDir::with_prefix("coord-counter-").expect("a temporary folder");
    let path = folder.path().join("counter");
    let (paused, next) = (Counter::at(&path), Counter::at(&path));
    assert_eq!(paused.read(1), Some(0));
    assert_eq!(next.read(2), Some(0), "a look is enough");
    assert!(!paused.write(1, 1));
    assert!(next.write(2, 1));
    assert_eq!(paused.read(1), None);
    let record = next.look();
    assert_eq!(
        (record.count, record.accepted, record.refused, record.token),
        (1, 1, 2, 2)
    );
}
