//! Killing a saga's process everywhere, and looking at what becomes of the saga.
//!
//! 1. A process is a runtime of its own, whose clock goes on by itself when everybody waits. Killing it is dropping
//!    it: whatever ran in it does not run any more.
//! 2. It is killed at an operation of its store, before that is sent or when it is applied and the answer on its
//!    way; or at an effect of the fake services, before or after that. From that operation on the store answers
//!    nothing, so a process that dies leaves nothing in order behind it.
//!    One that is shut down there gets its answers, and ends when that is done.
//! 3. The next process finds the same store and the same fake services, at a time that has gone on until the
//!    membership of the one before has ended. It can be killed in the same way, everywhere.

mod effects;
mod process;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use self::effects::Effects;
use self::process::{Place, Run, World};
use super::fault::Operation;
use crate::coordinator::{Coordinator, CoordinatorBuilder};
use crate::saga::{Saga, SagaError, SagaHistory, run_saga};

type Provide<'t> =
    Box<dyn Fn(CoordinatorBuilder, &Effects) -> CoordinatorBuilder + Send + Sync + 't>;

/// A saga whose process is to be killed everywhere, from [`crash_everywhere`].
#[must_use = "nothing is run until `check` is called"]
pub struct CrashTest<'t, R> {
    run: Box<dyn Run<R> + Send + Sync + 't>,
    provide: Vec<Provide<'t>>,
    twice: bool,
    shuts_down: bool,
}

/// What has become of a saga whose process was killed, and which another process then recovered.
#[derive(Debug)]
#[non_exhaustive]
pub struct EndState<R> {
    /// Where processes were killed, or [shut down](CrashTest::shut_down), one after the other. It is empty in the first run
    /// of all, which nobody disturbs, and has two with [`twice`](CrashTest::twice).
    pub crashes: Vec<Crash>,
    /// What is returned to one who asks for the saga again when it has ended.
    pub result: R,
    /// What the fake services have done, in all processes together.
    pub effects: Effects,
    /// All sagas in the store, each with its history. A saga that was never stored before the crash is begun when
    /// it is asked for again.
    pub sagas: Vec<SagaHistory>,
}

/// Where a process was killed or shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    place: Place,
    /// That of the store, if it was one.
    operation: Option<Operation>,
}

/// On which side of what it does a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Runs a saga again and again, kills its process each time at another place, recovers the saga in another process,
/// and hands what became of it to a check.
///
/// The places are: before and after every operation of the store, so before a step begins, when it is done and
/// that is not stored, and when it is stored; the same of compensations, if the saga fails; and before and after
/// every effect that is [recorded](Effects). `saga` makes the input, the same each time.
///
/// Each run has a store in memory and fake services of its own, made by [`provide`](CrashTest::provide). Time is
/// virtual, so delays and timeouts cost nothing; for the same reason steps must not wait for a real network or a
/// real clock. A saga of ten steps takes some 50 runs and less than a second. With [`twice`](CrashTest::twice) the
/// process that recovers is killed everywhere, too, and with [`shut_down`](CrashTest::shut_down) the first one is also shut
/// down everywhere.
///
/// ```standalone_crate
/// # fn main() {
/// use coord::testing::{Effects, crash_everywhere};
/// use coord::{SagaError, StepContext, saga};
/// use serde::{Deserialize, Serialize};
///
/// #[saga("order:<order_id>")]
/// #[derive(Serialize, Deserialize)]
/// struct PlaceOrder { order_id: u64 }
///
/// #[saga]
/// impl PlaceOrder {
///     #[step(compensate = refund)]
///     async fn charge(&self, ctx: &StepContext, #[dep] shop: &Shop) -> Result<u64, String> {
///         shop.effects.record_once("charge", ctx.idempotency_key()).await;
///         Ok(self.order_id)
///     }
///     async fn refund(&self, charge: Option<&u64>, ctx: &StepContext, #[dep] shop: &Shop) -> Result<(), String> {
///         shop.effects.record_once("refund", ctx.idempotency_key()).await;
///         Ok(())
///     }
///
///     #[step]
///     async fn ship(&self, ctx: &StepContext, #[dep] shop: &Shop) -> Result<(), String> {
///         if shop.is_sold_out { return Err("sold out".to_owned()); }
///         shop.effects.record_once("ship", ctx.idempotency_key()).await;
///         Ok(())
///     }
/// }
///
/// /// A fake service: it honours idempotency keys, and may fail.
/// struct Shop { effects: Effects, is_sold_out: bool }
///
/// // In a test: #[test] fn an_order_is_charged_and_shipped_once_whatever_crashes() {
/// crash_everywhere(|| PlaceOrder { order_id: 7 })
///     .provide(|effects| Shop { effects: effects.clone(), is_sold_out: false })
///     .check(|end| {
///         assert!(end.result.is_ok());
///         assert_eq!(end.effects.all(), ["charge", "ship"]);
///     });
///
/// // And one that fails, so that it is killed in compensations too.
/// crash_everywhere(|| PlaceOrder { order_id: 7 })
///     .provide(|effects| Shop { effects: effects.clone(), is_sold_out: true })
///     .check(|end| {
///         assert!(matches!(end.result, Err(SagaError::Compensated { .. })));
///         assert_eq!(end.effects.times("charge"), end.effects.times("refund"));
///     });
/// # }
/// ```
///
/// See [`crash_everywhere_during`] for sagas of closures.
pub fn crash_everywhere<'t, S>(
    saga: impl Fn() -> S + Send + Sync + 't,
) -> CrashTest<'t, Result<S::Outputs, SagaError>>
where
    S: Saga<Outputs: fmt::Debug>,
{
    crash_everywhere_during(async move |coordinator: &Coordinator, _: &Effects| {
        run_saga(Some(coordinator), saga()).await
    })
}

/// As [`crash_everywhere`], for sagas of closures, and for whatever else is run with a coordinator: `run` is called
/// in the process that is killed, and in the next one again with the same key, as a caller does that asks again.
///
/// ```
/// use coord::Coordinator;
/// use coord::testing::{Effects, crash_everywhere_during};
///
/// async fn import(coord: &Coordinator, effects: &Effects) -> Result<(), coord::SagaError> {
///     coord.saga("import:7").run(async |saga| {
///         for batch in ["batch-1", "batch-2"] {
///             let key = saga.idempotency_key(batch);
///             saga.step(batch, async || Ok::<_, String>(effects.record_once(batch, &key).await)).await?;
///         }
///         Ok(())
///     }).await
/// }
///
/// crash_everywhere_during(import).check(|end| {
///     assert!(end.result.is_ok());
///     assert_eq!(end.effects.all(), ["batch-1", "batch-2"]);
/// });
/// ```
pub fn crash_everywhere_during<'t, R: fmt::Debug>(
    run: impl AsyncFn(&Coordinator, &Effects) -> R + Send + Sync + 't,
) -> CrashTest<'t, R> {
    CrashTest {
        run: Box::new(run),
        provide: Vec::new(),
        twice: false,
        shuts_down: false,
    }
}

impl<'t, R: fmt::Debug> CrashTest<'t, R> {
    /// Provides what steps ask for by its type, as `CoordinatorBuilder::provide` does. It is made anew for each
    /// run, and is the same in the process that is killed and in the one that recovers, as a service elsewhere is.
    pub fn provide<T: Send + Sync + 'static>(
        mut self,
        make: impl Fn(&Effects) -> T + Send + Sync + 't,
    ) -> Self {
        self.provide.push(Box::new(move |builder, effects| {
            builder.provide(make(effects))
        }));
        self
    }

    /// Kills the process that recovers, too: for each place where the first one dies, once behind each operation and
    /// each effect of its own, and a third one recovers. A saga of ten steps takes some 1 000 runs and some seconds.
    pub fn twice(mut self) -> Self {
        self.twice = true;
        self
    }

    /// Shuts the process down everywhere, too, as a deploy does, with [`Coordinator::shutdown`]: what is under way goes on
    /// until it is cut off in order, the answers of the store arrive, and another process goes on.
    pub fn shut_down(mut self) -> Self {
        self.shuts_down = true;
        self
    }

    /// Does it: `check` is given what became of the saga, first undisturbed and then after each crash. Returns how
    /// many runs there were in which somebody was killed or shut down. It blocks this thread, and can be called within a runtime and outside of one.
    ///
    /// # Panics
    ///
    /// If the check does; where the process was killed and what was recorded is then told behind the check's own
    /// message. Also if a saga has not ended a day after it was begun or recovered.
    pub fn check(self, check: impl FnMut(&EndState<R>) + Send) -> usize {
        // In a thread of its own, since this one may be that of a runtime.
        let killed = std::thread::scope(|scope| scope.spawn(|| self.everywhere(check)).join());
        killed.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn everywhere(&self, mut check: impl FnMut(&EndState<R>)) -> usize {
        let mut killed = 0;
        let mut look = |deaths: &[Place]| {
            let (end, places) = self.run_through(deaths);
            look(&end, &mut check);
            let is_new = !deaths.is_empty() && end.crashes.len() == deaths.len();
            killed += usize::from(is_new);
            places
        };
        for first in look(&[]) {
            if self.shuts_down {
                let is_shut_down = true;
                look(&[Place {
                    is_shut_down,
                    ..first
                }]);
            }
            let places = look(&[first]);
            // Before each is behind the one before.
            let behind = |place: &Place| self.twice && place.side == Side::After;
            for second in places.into_iter().filter(behind) {
                look(&[first, second]);
            }
        }
        killed
    }

    /// Runs it in a world of its own, with processes that die at these places, one after the other, and a last one
    /// that lives to its end. It also gives the places where the next one to die can do so.
    fn run_through(&self, deaths: &[Place]) -> (EndState<R>, Vec<Place>) {
        let mut world = self.world();
        let mut deaths = deaths.iter().copied();
        let mut lived = world.begin(&*self.run, deaths.next());
        let mut crashes = Vec::from_iter(lived.crash);
        let mut places: Vec<_> = lived.places().collect();
        loop {
            lived = world.recover(&*self.run, deaths.next());
            crashes.extend(lived.crash);
            if !crashes.is_empty() {
                places = lived.places().collect();
            }
            if let Some(result) = lived.end {
                return (world.end_state(crashes, result), places);
            }
        }
    }

    fn world(&self) -> World {
        World::new(|builder, effects| {
            let all = self.provide.iter();
            all.fold(builder, |builder, provide| provide(builder, effects))
        })
    }
}

/// Lets the check look, and tells at what, if it panics.
fn look<R: fmt::Debug>(end: &EndState<R>, check: &mut impl FnMut(&EndState<R>)) {
    let looked = catch_unwind(AssertUnwindSafe(|| check(end)));
    // What the check itself said stands above this already.
    assert!(looked.is_ok(), "that is {end}");
}

impl<R: fmt::Debug> fmt::Display for EndState<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.crashes[..] {
            [] => writeln!(f, "what became of a process that was not killed")?,
            [first, then @ ..] => {
                write!(f, "what became of a process that was {first}")?;
                for next in then {
                    write!(f, ", and of the next one, that was {next}")?;
                }
                writeln!(f)?;
            }
        }
        writeln!(f, "result: {:?}", self.result)?;
        writeln!(f, "effects: {}", self.effects.all().join(", "))?;
        for saga in &self.sagas {
            writeln!(f, "{}: {:?}", saga.summary.id, saga.summary.state)?;
            for event in &saga.events {
                let error = event.error.as_deref().unwrap_or_default();
                writeln!(f, "    {:?} {} {error}", event.kind, event.step)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.place.side {
            Side::Before => "before",
            Side::After => "after",
        };
        let how = if self.place.is_shut_down {
            "shut down"
        } else {
            "killed"
        };
        let number = self.place.number + 1;
        match self.operation {
            Some(operation) => write!(
                f,
                "{how} {side} operation {number} of its store, {}",
                operation.name()
            ),
            None => write!(f, "{how} {side} effect {number}"),
        }
    }
}

impl<R> fmt::Debug for CrashTest<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashTest").finish_non_exhaustive()
    }
}
