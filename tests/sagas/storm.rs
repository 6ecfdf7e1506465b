//! Many processes place many orders whose steps fail, while the processes are killed and paused at random.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coord::Coordinator;
use coord::saga::{HistoryKind, SagaFilter, SagaHistory, SagaState};
use coord_tests::fleet::Fleet;
use coord_tests::{Worker, until};
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::order::STEPS;
use crate::processes::worker;
use crate::services::ServiceHost;

/// Short, so that a process that was killed holds its sagas up for no longer.
const TTL: Duration = Duration::from_secs(1);
const WORKERS: usize = 4;
const ORDERS: u64 = 2_000;
/// How many a process works on at once.
const AT_ONCE: usize = 50;
/// How many of a hundred attempts fail.
const FAILING: u32 = 20;
/// How often somebody is killed or paused, and how often at the most, however slow the machine.
const BETWEEN_ACCIDENTS: Duration = Duration::from_millis(100);
const MOST_ACCIDENTS: usize = 100;
/// For how many accidents somebody stays paused at the most: longer than the ttl.
const LONGEST_PAUSE: usize = 15;

enum Accident {
    Kill,
    Pause,
    Resume,
}

/// Somebody who keeps one process at work: starts another when it dies, and asks for each order until a process
/// says that it began, and never again.
struct Supervisor {
    fleet: Arc<Fleet>,
    services: Arc<ServiceHost>,
    accidents: mpsc::UnboundedReceiver<Accident>,
    /// What has not begun yet.
    left: BTreeSet<u64>,
    /// How many have begun, of all supervisors.
    began: Arc<AtomicU64>,
}

impl Supervisor {
    /// Goes on until there can be no accidents any more.
    async fn supervise(mut self) {
        loop {
            let mut worker = worker(&self.fleet, &self.services, TTL, FAILING).await;
            let mut to_ask: VecDeque<_> = self.left.iter().copied().collect();
            for order in to_ask.drain(..AT_ONCE.min(to_ask.len())) {
                worker.send_line(&format!("place {order}"));
            }
            loop {
                tokio::select! {
                    accident = self.accidents.recv() => match accident {
                        Some(Accident::Kill) => worker.kill(),
                        Some(Accident::Pause) => worker.pause(),
                        Some(Accident::Resume) => worker.resume(),
                        None => return,
                    },
                    line = worker.next_line() => match line {
                        Some(line) => self.hear(&mut worker, &mut to_ask, &line),
                        None => break,
                    },
                }
            }
        }
    }

    fn hear(&mut self, worker: &mut Worker, to_ask: &mut VecDeque<u64>, line: &str) {
        let (what, order) = line.split_once(' ').unwrap_or_default();
        match what {
            "began" | "ended" => {
                // Perhaps one that is recovered, and was asked for elsewhere.
                if self.left.remove(&order.parse().expect("an order")) {
                    self.began.fetch_add(1, Ordering::SeqCst);
                }
            }
            "again" => worker.send_line(&format!("place {order}")),
            _ => panic!("the worker wrote {line:?}"),
        }
        if what == "ended"
            && let Some(next) = to_ask.pop_front()
        {
            worker.send_line(&format!("place {next}"));
        }
    }
}

/// What happens to the processes.
struct Accidents {
    orders: Vec<mpsc::UnboundedSender<Accident>>,
    /// When each of those that are paused goes on, counted in accidents.
    paused: Vec<Option<usize>>,
}

impl Accidents {
    fn happen(&mut self, number: usize) {
        for (place, until) in self.paused.iter_mut().enumerate() {
            if until.is_some_and(|until| until <= number) {
                *until = None;
                let _ = self.orders[place].send(Accident::Resume);
            }
        }
        let place = rand::random_range(0..WORKERS);
        // Somebody is to be left who works.
        let others_work = self.paused.iter().flatten().count() < WORKERS - 1;
        if others_work && self.paused[place].is_none() && rand::random() {
            self.paused[place] = Some(number + rand::random_range(1..=LONGEST_PAUSE));
            let _ = self.orders[place].send(Accident::Pause);
        } else {
            self.paused[place] = None;
            let _ = self.orders[place].send(Accident::Kill);
        }
    }

    fn end(&self) {
        for orders in &self.orders {
            let _ = orders.send(Accident::Resume);
        }
    }
}

pub(crate) async fn every_order_is_completed_or_undone_while_processes_are_killed_and_paused(
    fleet: Fleet,
) {
    let fleet = Arc::new(fleet);
    let services = Arc::new(ServiceHost::start());
    let coord = fleet.process().await;
    let began = Arc::new(AtomicU64::new(0));
    let mut accidents = Accidents {
        orders: Vec::new(),
        paused: vec![None; WORKERS],
    };
    let mut supervisors = JoinSet::new();
    for place in 0..WORKERS as u64 {
        let (orders, ordered) = mpsc::unbounded_channel();
        accidents.orders.push(orders);
        let supervisor = Supervisor {
            fleet: Arc::clone(&fleet),
            services: Arc::clone(&services),
            accidents: ordered,
            left: (0..ORDERS)
                .filter(|order| order % WORKERS as u64 == place)
                .collect(),
            began: Arc::clone(&began),
        };
        supervisors.spawn(supervisor.supervise());
    }
    let mut ticks = tokio::time::interval(BETWEEN_ACCIDENTS);
    for number in 0..MOST_ACCIDENTS {
        ticks.tick().await;
        if have_ended(&coord, &began).await {
            break;
        }
        accidents.happen(number);
    }
    accidents.end();
    until_ended(&coord, &began, &services).await;
    drop(accidents);
    while let Some(supervised) = supervisors.join_next().await {
        supervised.expect("a supervisor who has heard nothing odd");
    }
    let told = stream::iter(0..ORDERS).map(async |order| {
        let (sagas, id) = (coord.sagas(), format!("FleetOrder/order:{order}"));
        let history = sagas.history(&id).await.expect("an answer");
        let told = Told::of(&history.expect("it is not lost"));
        told.check(&services.done_for(order));
        told.state == SagaState::Completed
    });
    let told: Vec<_> = told.buffer_unordered(50).collect().await;
    let completed = told.iter().filter(|completed| **completed).count();
    assert!(
        (1..told.len()).contains(&completed),
        "{completed} completed of {}",
        told.len()
    );
}

/// Waits until all orders have ended, for as long as it takes if the services go on being asked.
async fn until_ended(coord: &Coordinator, began: &AtomicU64, services: &ServiceHost) {
    loop {
        let before = services.done_in_all();
        let ended = until("orders to end", async || {
            if services.done_in_all() > before {
                Some(false)
            } else {
                have_ended(coord, began).await.then_some(true)
            }
        });
        if ended.await {
            return;
        }
    }
}

/// Whether all orders have begun, and none is under way.
async fn have_ended(coord: &Coordinator, began: &AtomicU64) -> bool {
    if began.load(Ordering::SeqCst) < ORDERS {
        return false;
    }
    let running = SagaFilter::new().state(SagaState::Running).limit(1);
    let running = coord.sagas().list(running).await.expect("an answer");
    running.sagas.is_empty()
}

/// What the store tells of one order, and what is to be true of it.
struct Told {
    state: SagaState,
    started: Vec<String>,
    done: Vec<String>,
    undone: Vec<String>,
    whole: String,
}

impl Told {
    fn of(history: &SagaHistory) -> Self {
        let steps = |kind| {
            let events = history.events.iter().filter(|event| event.kind == kind);
            events.map(|event| event.step.clone()).collect()
        };
        Self {
            state: history.summary.state,
            started: steps(HistoryKind::Started),
            done: steps(HistoryKind::Done),
            undone: steps(HistoryKind::Undone),
            whole: format!("{history:#?}"),
        }
    }

    /// `at_services` is what the services did for it.
    fn check(&self, at_services: &[String]) {
        let whole = &self.whole;
        // Each in its turn, and none twice.
        assert_eq!(self.started, STEPS[..self.started.len()], "{whole}");
        assert_eq!(self.done, STEPS[..self.done.len()], "{whole}");
        let mut effects = self.done.clone();
        if self.state == SagaState::Completed {
            assert_eq!(self.done.len(), STEPS.len(), "{whole}");
            assert!(self.undone.is_empty(), "{whole}");
        } else {
            assert_eq!(self.state, SagaState::Compensated, "{whole}");
            // The one that failed, of which it is not known whether it had its effect.
            let failed = STEPS[self.done.len()];
            assert_eq!(
                self.started.last().map(String::as_str),
                Some(failed),
                "{whole}"
            );
            if at_services.iter().any(|what| what == failed) {
                effects.push(failed.to_owned());
            }
            let of_unknown = ["reserve", "book"].contains(&failed);
            let to_undo = STEPS[..self.done.len() + usize::from(of_unknown)]
                .iter()
                .rev();
            assert!(self.undone.iter().eq(to_undo), "{whole}");
            let undone: Vec<_> = effects
                .iter()
                .rev()
                .map(|what| format!("undo {what}"))
                .collect();
            effects.extend(undone);
        }
        assert_eq!(at_services, effects, "{whole}");
    }
}
