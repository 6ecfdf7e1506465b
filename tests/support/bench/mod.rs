//! Compares contestants in one run: they take turns, round after round, so that a machine that changes its
//! speed does so for all of them. The first one is the floor; the others are told as a ratio to it.

pub mod contention;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(600);
const TURNS: u32 = 4_000_000;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One of those that are compared: a name, and the work for a key.
#[derive(Clone)]
pub struct Contestant {
    name: &'static str,
    work: Arc<dyn Fn(String) -> Work + Send + Sync>,
}

impl Contestant {
    /// `work` does the whole of what is measured, once, for the key that it is given.
    pub fn new<F, Fut>(name: &'static str, work: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            work: Arc::new(move |key| Box::pin(work(key))),
        }
    }
}

/// How fast one of the contestants was.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Its cycles in a second: the median of all rounds.
    pub rate: f64,
    /// That rate as a part of the first one's, taken round by round.
    pub ratio: f64,
}

/// Runs the contestants in turns, each with `tasks` tasks that have a key of their own, and prints the median
/// rate of each, and its ratio to the first, taken round by round.
pub async fn compare(tasks: usize, contestants: Vec<Contestant>) {
    let measured = measure(tasks, &contestants).await;
    for (contestant, Measured { rate, ratio }) in contestants.iter().zip(measured) {
        println!(
            "  {:<28} {rate:>10.0} cycles/s   {ratio:>5.2} of the floor",
            contestant.name
        );
    }
}

/// Runs the contestants in turns, each with `tasks` tasks that have a key of their own.
pub async fn measure(tasks: usize, contestants: &[Contestant]) -> Vec<Measured> {
    let mut rates = vec![Vec::with_capacity(ROUNDS); contestants.len()];
    for round in 0..=ROUNDS {
        for (index, contestant) in contestants.iter().enumerate() {
            let rate = rate(tasks, contestant).await;
            // The first round warms up.
            if round > 0 {
                rates[index].push(rate);
            }
        }
    }
    let first = rates[0].clone();
    let measured = rates.into_iter().map(|rates| {
        let ratios = rates.iter().zip(&first).map(|(rate, floor)| rate / floor);
        Measured {
            ratio: median(ratios.collect()),
            rate: median(rates),
        }
    });
    measured.collect()
}

async fn rate(tasks: usize, contestant: &Contestant) -> f64 {
    let started = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let work = Arc::clone(&contestant.work);
            let key = format!("bench:{}:{task}", contestant.name.len());
            tokio::spawn(async move {
                let mut cycles = 0_u32;
                while started.elapsed() < ROUND {
                    work(key.clone()).await;
                    cycles += 1;
                }
                cycles
            })
        })
        .collect();
    let mut cycles = 0.0;
    for task in running {
        cycles += f64::from(task.await.expect("a task that ends"));
    }
    cycles / started.elapsed().as_secs_f64()
}

/// Something too small to be timed alone: a name, and the work to be done so many times in a row.
pub type Small<'a> = (&'static str, &'a mut dyn FnMut(u32));

/// Runs the contestants in turns, and prints the median time that each needs, and its ratio to the first,
/// taken round by round.
pub fn compare_small(contestants: &mut [Small<'_>]) {
    let mut costs = vec![Vec::with_capacity(ROUNDS); contestants.len()];
    for round in 0..=ROUNDS {
        for (index, (_, work)) in contestants.iter_mut().enumerate() {
            let started = Instant::now();
            work(TURNS);
            // The first round warms up.
            if round > 0 {
                costs[index].push(started.elapsed().as_secs_f64() * 1e9 / f64::from(TURNS));
            }
        }
    }
    for (index, (name, _)) in contestants.iter().enumerate() {
        let ratios = costs[index]
            .iter()
            .zip(&costs[0])
            .map(|(cost, first)| cost / first)
            .collect();
        println!(
            "  {name:<34} {:>7.1} ns   {:>5.2} of the first",
            median(costs[index].clone()),
            median(ratios)
        );
    }
}

/// The middle one of some values.
///
/// # Panics
///
/// If there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
