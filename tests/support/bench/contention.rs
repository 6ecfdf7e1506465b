//! Processes that contend for one lock: this program, started several times over.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::median;

/// How many processes there are.
pub const PROCESSES: usize = 4;
/// How many tasks each of them has.
pub const TASKS: usize = 8;
/// How long they contend.
pub const LASTS: Duration = Duration::from_secs(5);
const WORKER: &str = "COORD_BENCH_WORKER";

/// One acquisition, on the clock of the machine.
#[derive(Clone, Copy)]
pub struct Turn {
    started: u64,
    released: u64,
}

impl Turn {
    /// A turn that starts now, and is over at once: the release is to be called.
    #[must_use]
    pub fn now() -> Self {
        Self {
            started: now(),
            released: now(),
        }
    }
}

/// What all the processes did.
pub struct Turns {
    all: Vec<Turn>,
    per_task: Vec<usize>,
}

impl Turns {
    /// How many acquisitions there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The median time from the call of a release to the start of the next one's body, in nanoseconds.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        reason = "figures for people, of a few digits"
    )]
    pub fn handoff(&self) -> f64 {
        let handoffs = self.all.windows(2);
        let time = |pair: &[Turn]| pair[1].started.saturating_sub(pair[0].released) as f64;
        median(handoffs.map(time).collect())
    }

    /// The fewest, median and most acquisitions of a task.
    #[must_use]
    pub fn per_task(&self) -> (usize, usize, usize) {
        let last = self.per_task.len() - 1;
        (
            self.per_task[0],
            self.per_task[self.per_task.len() / 2],
            self.per_task[last],
        )
    }
}

/// What this process is to do, if it is one of those that contend.
#[must_use]
pub fn job() -> Option<String> {
    std::env::var(WORKER).ok()
}

/// Takes turns in all tasks of this process, from when it is told to until the time is over.
pub async fn contend<F, Fut>(turn: F)
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Turn> + Send,
{
    println!("ready");
    let mut go = String::new();
    std::io::stdin().read_line(&mut go).expect("a start");
    let until = Instant::now() + LASTS;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let turn = turn.clone();
            tokio::spawn(async move {
                let mut turns = Vec::new();
                while Instant::now() < until {
                    turns.push(turn().await);
                }
                turns
            })
        })
        .collect();
    for task in tasks {
        println!("{}", format(&task.await.expect("a task that ends")));
    }
}

/// Lets processes with that job contend while something else is done, from when all are ready.
pub async fn among_processes<T>(job: &str, meanwhile: impl AsyncFnOnce() -> T) -> (Turns, T) {
    let mut workers: Vec<Child> = (0..PROCESSES).map(|_| spawn(job)).collect();
    let mut outputs: Vec<_> = workers
        .iter_mut()
        .map(|worker| BufReader::new(worker.stdout.take().expect("its output")))
        .collect();
    for output in &mut outputs {
        let mut ready = String::new();
        output.read_line(&mut ready).expect("a ready worker");
    }
    for worker in &mut workers {
        let mut input = worker.stdin.take().expect("its input");
        input.write_all(b"go\n").expect("a start");
    }
    let seen = meanwhile().await;
    let (mut all, mut per_task) = (Vec::new(), Vec::new());
    for output in outputs {
        for line in output.lines() {
            let task = parse(&line.expect("a line"));
            per_task.push(task.len());
            all.extend(task);
        }
    }
    for mut worker in workers {
        worker.wait().expect("a worker that ends");
    }
    all.sort_unstable_by_key(|turn| turn.started);
    per_task.sort_unstable();
    (Turns { all, per_task }, seen)
}

fn spawn(job: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .env(WORKER, job)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a worker")
}

/// Nanoseconds on the clock that all processes of the machine share.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn format(turns: &[Turn]) -> String {
    turns
        .iter()
        .map(|turn| format!("{},{}", turn.started, turn.released))
        .collect::<Vec<_>>()
        .join(" ")
}

fn parse(line: &str) -> Vec<Turn> {
    let turn = |text: &str| {
        let (started, released) = text.split_once(',').expect("two times");
        Turn {
            started: started.parse().expect("a time"),
            released: released.parse().expect("a time"),
        }
    };
    line.split_whitespace().map(turn).collect()
}
