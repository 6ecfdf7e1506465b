//! Processes that can be killed, what they leave behind, and those that come after them.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, advance, sleep, timeout};

use super::effects::Effects;
use super::{Crash, EndState, Side};
use crate::coordinator::{Coordinator, CoordinatorBuilder};
use crate::error::Error;
use crate::saga::{Registered, SagaFilter, SagaHistory, SagaState};
use crate::store::{MemoryStore, Store};
use crate::testing::fault::{FaultStore, gate};

/// What a process is there for.
pub(super) trait Run<R> {
    fn run<'a>(
        &'a self,
        coordinator: &'a Coordinator,
        effects: &'a Effects,
    ) -> LocalBoxFuture<'a, R>;
}

impl<R, F: AsyncFn(&Coordinator, &Effects) -> R> Run<R> for F {
    fn run<'a>(
        &'a self,
        coordinator: &'a Coordinator,
        effects: &'a Effects,
    ) -> LocalBoxFuture<'a, R> {
        Box::pin(self(coordinator, effects))
    }
}

/// Longer than any saga of a test takes, in virtual time.
const TOO_LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// After this time a process has cleaned up behind what has ended.
const CLEANED_UP: Duration = Duration::from_secs(1);
/// How often orphans are looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What outlives a process.
pub(super) struct World {
    store: Arc<dyn Store>,
    effects: Effects,
    builder: CoordinatorBuilder,
    /// How much virtual time has passed.
    age: Duration,
}

/// A place to die at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: At,
    /// Counted from 0: operations in the life of the process, effects in that of the services.
    pub(super) number: usize,
    pub(super) side: Side,
    /// Whether it is shut down there, in order, and not killed.
    pub(super) is_shut_down: bool,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Operation,
    Effect,
}

/// What there was in the life of a process.
pub(super) struct Lived<T> {
    operations: usize,
    effects: Range<usize>,
    /// Where it was killed.
    pub(super) crash: Option<Crash>,
    /// What it has come to, if it was not.
    pub(super) end: Option<T>,
}

impl World {
    pub(super) fn new(
        provide: impl FnOnce(CoordinatorBuilder, &Effects) -> CoordinatorBuilder,
    ) -> Self {
        let effects = Effects::default();
        Self {
            store: Arc::new(MemoryStore::new()),
            builder: provide(Coordinator::builder(), &effects),
            effects,
            age: Duration::ZERO,
        }
    }

    /// The life of the first process, which ends by itself or at this place.
    pub(super) fn begin<R>(&mut self, run: &dyn Run<R>, place: Option<Place>) -> Lived<R> {
        self.live(place, async |coordinator, effects| {
            let result = in_time(run.run(coordinator, effects)).await;
            sleep(CLEANED_UP).await;
            result
        })
    }

    /// The life of one that comes after a process that is gone.
    pub(super) fn recover<R>(&mut self, run: &dyn Run<R>, place: Option<Place>) -> Lived<R> {
        let bystander = self.bystander();
        self.live(place, async |coordinator, effects| {
            let recovered = in_time(recover_all(coordinator, &bystander)).await;
            recovered.unwrap_or_else(|error| panic!("nothing was recovered: {error}"));
            let result = in_time(run.run(coordinator, effects)).await;
            sleep(CLEANED_UP).await;
            result
        })
    }

    /// What is there when nobody lives any more.
    pub(super) fn end_state<R>(mut self, crashes: Vec<Crash>, result: R) -> EndState<R> {
        let bystander = self.bystander();
        let sagas = self.in_process(histories(&bystander));
        EndState {
            crashes,
            result,
            effects: self.effects,
            sagas: sagas.unwrap_or_else(|error| panic!("no saga can be looked at: {error}")),
        }
    }

    fn live<T>(
        &mut self,
        place: Option<Place>,
        life: impl AsyncFnOnce(&Coordinator, &Effects) -> T,
    ) -> Lived<T> {
        let store = FaultStore::new(Arc::clone(&self.store));
        let coordinator = self.builder.clone().store(store.clone()).build();
        let effects = self.effects.clone();
        let asked_before = effects.asked();
        // Its other end is kept until the process is gone, so that nothing goes on.
        let (gate, death) = gate();
        match place {
            Some(Place {
                at: At::Operation,
                number,
                side,
                ..
            }) => store.end_at(number, side == Side::After, &gate),
            Some(Place {
                at: At::Effect,
                number,
                side,
                ..
            }) => effects.end_at(number, side, gate.clone()),
            None => {}
        }
        let is_shut_down = place.is_some_and(|place| place.is_shut_down);
        let working = store.clone();
        let end = self.in_process(async move {
            let mut life = pin!(life(&coordinator, &effects));
            tokio::select! {
                biased;
                () = death.reached() => {}
                end = &mut life => return Some(end),
            }
            if is_shut_down {
                working.heal();
                death.release();
                // What is under way goes on for as long as it is let.
                tokio::join!(coordinator.shutdown(), life);
            }
            None
        });
        let operations = store.operations();
        Lived {
            operations: operations.len(),
            effects: asked_before..self.effects.asked(),
            crash: place.filter(|_| end.is_none()).map(|place| Crash {
                place,
                operation: (place.at == At::Operation)
                    .then(|| operations.get(place.number).map(|seen| seen.operation))
                    .flatten(),
            }),
            end,
        }
    }

    /// One that is no process of the test: what it asks of the store is not counted.
    fn bystander(&self) -> Coordinator {
        let builder = self.builder.clone();
        builder.store(Arc::clone(&self.store)).build()
    }

    /// Runs `life` in a runtime of its own, of which nothing is left then.
    fn in_process<T>(&mut self, life: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap_or_else(|error| panic!("no runtime can be built for a process: {error}"));
        let (lived, age) = runtime.block_on(async {
            let born = Instant::now();
            advance(self.age).await;
            (life.await, born.elapsed())
        });
        // Until the next one is born, everybody can see that it is dead.
        self.age = age + self.bystander().lock_ttl();
        lived
    }
}

impl<T> Lived<T> {
    /// All places where a process with such a life can die.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<T> {
        let operations = (0..self.operations).map(|number| (At::Operation, number));
        let effects = self.effects.clone().map(|number| (At::Effect, number));
        operations.chain(effects).flat_map(|(at, number)| {
            [Side::Before, Side::After].map(|side| Place {
                at,
                number,
                side,
                is_shut_down: false,
            })
        })
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(TOO_LONG, work)
        .await
        .unwrap_or_else(|_| panic!("a saga has not ended within a day of virtual time"))
}

/// Returns when no saga runs that can be recovered.
async fn recover_all(coordinator: &Coordinator, bystander: &Coordinator) -> Result<(), Error> {
    let is_known = |name: &str| Registered::all().any(|known| known.name() == name);
    loop {
        coordinator.recover().await?;
        let running = SagaFilter::new().state(SagaState::Running);
        let running = running.limit(usize::MAX);
        let running = bystander.sagas().list(running).await?.sagas;
        if !running.iter().any(|saga| is_known(&saga.name)) {
            return Ok(());
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn histories(coordinator: &Coordinator) -> Result<Vec<SagaHistory>, Error> {
    let all = SagaFilter::new().limit(usize::MAX);
    let mut histories = Vec::new();
    for saga in coordinator.sagas().list(all).await?.sagas {
        histories.extend(coordinator.sagas().history(&saga.id).await?);
    }
    Ok(histories)
}
