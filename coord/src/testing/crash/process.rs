//! A process that can be killed, what it leaves behind, and the one that comes after it.

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
    /// Counted from 0.
    pub(super) number: usize,
    pub(super) side: Side,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Operation,
    Effect,
}

/// What there was in the life of a process.
pub(super) struct Lived {
    operations: usize,
    effects: usize,
    /// How it ended, unless by itself.
    pub(super) crash: Option<Crash>,
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

    /// The life of a process, which ends by itself or at this place.
    pub(super) fn live<R>(&mut self, run: &dyn Run<R>, place: Option<Place>) -> Lived {
        let store = FaultStore::from(Arc::clone(&self.store));
        let coordinator = self.builder.clone().store(store.clone()).build();
        let effects = self.effects.clone();
        // Its other end is kept until the process is gone, so that nothing goes on.
        let (gate, death) = gate();
        match place {
            Some(Place {
                at: At::Operation,
                number,
                side,
            }) => store.end_at(number, side == Side::After, &gate),
            Some(Place {
                at: At::Effect,
                number,
                side,
            }) => effects.end_at(number, side, gate.clone()),
            None => {}
        }
        let is_killed = self.in_process(async move {
            tokio::select! {
                biased;
                () = death.reached() => true,
                _ = in_time(run.run(&coordinator, &effects)) => {
                    sleep(CLEANED_UP).await;
                    false
                }
            }
        });
        let operations = store.operations();
        Lived {
            operations: operations.len(),
            effects: self.effects.asked(),
            crash: place.filter(|_| is_killed).map(|place| Crash {
                place,
                operation: (place.at == At::Operation)
                    .then(|| operations.get(place.number).map(|seen| seen.operation))
                    .flatten(),
            }),
        }
    }

    /// The life of the process that comes after it.
    pub(super) fn recover<R>(mut self, run: &dyn Run<R>, crash: Option<Crash>) -> EndState<R> {
        let builder = self.builder.clone().store_arc(Arc::clone(&self.store));
        let effects = self.effects.clone();
        let (result, sagas) = self.in_process(async {
            let coordinator = builder.build();
            let recovered = in_time(recover_all(&coordinator)).await;
            recovered.unwrap_or_else(|error| panic!("nothing was recovered: {error}"));
            let result = in_time(run.run(&coordinator, &effects)).await;
            let sagas = histories(&coordinator).await;
            let sagas = sagas.unwrap_or_else(|error| panic!("no saga can be looked at: {error}"));
            (result, sagas)
        });
        EndState {
            crash,
            result,
            effects: self.effects,
            sagas,
        }
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
        self.age = age;
        lived
    }
}

impl Lived {
    /// All places where a process with such a life can die.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (operations, effects) = (self.operations, self.effects);
        let operations = (0..operations).map(|number| (At::Operation, number));
        let effects = (0..effects).map(|number| (At::Effect, number));
        operations.chain(effects).flat_map(|(at, number)| {
            [Side::Before, Side::After].map(|side| Place { at, number, side })
        })
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(TOO_LONG, work)
        .await
        .unwrap_or_else(|_| panic!("a saga has not ended within a day of virtual time"))
}

/// Returns when no saga runs that can be recovered.
async fn recover_all(coordinator: &Coordinator) -> Result<(), Error> {
    let is_known = |name: &str| Registered::all().any(|known| known.name() == name);
    loop {
        coordinator.recover().await?;
        let running = SagaFilter::new().state(SagaState::Running);
        let running = running.limit(usize::MAX);
        let running = coordinator.sagas().list(running).await?.sagas;
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
