//! `crash_everywhere`, and sagas of every shape in it.

use coord::saga::{ClosureSaga, HistoryKind, SagaHistory, SagaState};
use coord::testing::{Effects, EndState, crash_everywhere, crash_everywhere_during};
use coord::{Coordinator, SagaError, StepContext, saga};
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize)]
enum Wrong {
    Nothing,
    Payment,
    Shipment,
    ShipmentAndRefund,
}

/// A saga with everything in it but parallel steps.
#[saga("order:<number>")]
#[derive(Serialize, Deserialize)]
struct Order {
    number: u64,
    items: Vec<String>,
    gift: bool,
    wrong: Wrong,
}

#[saga(name = "everywhere.Order")]
impl Order {
    #[step(each = items, compensate = release)]
    async fn reserve(&self, item: &str, #[dep] effects: &Effects) -> Result<(), String> {
        effects.record(format!("reserve {item}")).await;
        Ok(())
    }

    async fn release(
        &self,
        item: &str,
        reserve: Option<&()>,
        #[dep] effects: &Effects,
    ) -> Result<(), String> {
        let _ = reserve;
        effects.record(format!("release {item}")).await;
        Ok(())
    }

    #[step(when = is_gift)]
    async fn wrap(&self, #[dep] effects: &Effects) -> Result<String, String> {
        effects.record("wrap").await;
        Ok("in paper".to_owned())
    }

    fn is_gift(&self) -> bool {
        self.gift
    }

    #[step(compensate = refund)]
    async fn charge(&self, ctx: &StepContext, #[dep] effects: &Effects) -> Result<u64, String> {
        if self.wrong == Wrong::Payment {
            return Err("declined".to_owned());
        }
        effects.record_once("charge", ctx.idempotency_key()).await;
        Ok(100)
    }

    async fn refund(
        &self,
        charge: &u64,
        ctx: &StepContext,
        #[dep] effects: &Effects,
    ) -> Result<(), String> {
        assert_eq!(*charge, 100);
        if self.wrong == Wrong::ShipmentAndRefund {
            return Err("no refunds".to_owned());
        }
        effects.record_once("refund", ctx.idempotency_key()).await;
        Ok(())
    }

    #[step]
    async fn ship(
        &self,
        wrap: Option<&String>,
        #[dep] effects: &Effects,
    ) -> Result<String, String> {
        if self.wrong >= Wrong::Shipment {
            return Err("sold out".to_owned());
        }
        effects.record("ship").await;
        Ok(format!("{wrap:?}"))
    }
}

/// A step that cannot be undone, and one behind it that has to be done then.
#[saga("booking:<number>")]
#[derive(Serialize, Deserialize)]
struct Booking {
    number: u64,
    lost: bool,
}

#[saga(name = "everywhere.Booking")]
impl Booking {
    #[step(compensate = unblock)]
    async fn block(&self, #[dep] effects: &Effects) -> Result<(), String> {
        effects.record("block").await;
        Ok(())
    }

    async fn unblock(&self, block: Option<&()>, #[dep] effects: &Effects) -> Result<(), String> {
        let _ = block;
        effects.record("unblock").await;
        Ok(())
    }

    #[step(pivot)]
    async fn pay(&self, ctx: &StepContext, #[dep] effects: &Effects) -> Result<(), String> {
        effects.record_once("pay", ctx.idempotency_key()).await;
        Ok(())
    }

    #[step(retry = "fast")]
    async fn confirm(&self, ctx: &StepContext, #[dep] effects: &Effects) -> Result<u32, String> {
        if self.lost {
            return Err("no answer".to_owned());
        }
        effects.record_once("confirm", ctx.idempotency_key()).await;
        Ok(ctx.attempt())
    }
}

/// Three steps at once between two others.
#[saga("trip:<number>")]
#[derive(Serialize, Deserialize)]
struct Trip {
    number: u64,
    is_booked_out: bool,
}

macro_rules! counted {
    ($effects:ident, $name:literal) => {{
        $effects.record($name).await;
        Ok(())
    }};
}

#[saga(name = "everywhere.Trip")]
impl Trip {
    #[step]
    async fn plan(&self, #[dep] effects: &Effects) -> Result<(), String> {
        counted!(effects, "plan")
    }

    #[step(parallel, compensate = cancel_flight)]
    async fn flight(&self, #[dep] effects: &Effects) -> Result<(), String> {
        counted!(effects, "flight")
    }

    async fn cancel_flight(&self, _flight: &(), #[dep] effects: &Effects) -> Result<(), String> {
        counted!(effects, "cancel flight")
    }

    #[step(parallel, compensate = cancel_hotel)]
    async fn hotel(&self, #[dep] effects: &Effects) -> Result<(), String> {
        counted!(effects, "hotel")
    }

    async fn cancel_hotel(&self, _hotel: &(), #[dep] effects: &Effects) -> Result<(), String> {
        counted!(effects, "cancel hotel")
    }

    #[step]
    async fn invoice(&self, #[dep] effects: &Effects) -> Result<(), String> {
        if self.is_booked_out {
            return Err("booked out".to_owned());
        }
        counted!(effects, "invoice")
    }
}

/// Ten steps, for the time it takes.
#[saga("ten:<number>")]
#[derive(Serialize, Deserialize)]
struct Ten {
    number: u64,
}

macro_rules! ten {
    ($($step:ident)*) => {
        #[saga(name = "everywhere.Ten")]
        impl Ten {
            $(
                #[step]
                async fn $step(&self, #[dep] effects: &Effects) -> Result<(), String> {
                    effects.record(stringify!($step)).await;
                    Ok(())
                }
            )*
        }
    };
}

ten! { a b c d e f g h i j }

fn order(wrong: Wrong) -> Order {
    Order {
        number: 7,
        items: vec!["cup".to_owned(), "pot".to_owned()],
        gift: true,
        wrong,
    }
}

/// What holds for every saga, wherever its process dies: no run is recorded twice, none is undone before it was
/// begun, and none that needs it is left out of undoing.
fn assert_sound(history: &SagaHistory, undoable: &[&str]) {
    let mut begun = Vec::new();
    let mut done = Vec::new();
    let mut undone = Vec::new();
    for event in &history.events {
        let run = (event.step.as_str(), event.item);
        let into = match event.kind {
            HistoryKind::Started => &mut begun,
            HistoryKind::Done => &mut done,
            HistoryKind::Undone => {
                // Of a step of closures it is written down only that it is done.
                let is_begun = begun.contains(&run) || done.contains(&run);
                assert!(is_begun, "{run:?} is undone before it was begun");
                &mut undone
            }
            _ => continue,
        };
        assert!(!into.contains(&run), "{:?} of {run:?} twice", event.kind);
        into.push(run);
    }
    if history.summary.state == SagaState::Compensated {
        for run in done.iter().filter(|run| undoable.contains(&run.0)) {
            assert!(undone.contains(run), "{run:?} is not undone");
        }
    }
}

/// Each of `effects` in this order, and one perhaps once more for each crash.
fn assert_order<R>(end: &EndState<R>, effects: &[&str]) {
    let asked = end.effects.all();
    let mut once = asked.clone();
    once.dedup();
    assert_eq!(once, effects, "{asked:?}");
    assert!(
        asked.len() <= effects.len() + end.crashes.len(),
        "{asked:?}"
    );
}

fn state<R>(end: &EndState<R>) -> SagaState {
    let [saga] = &end.sagas[..] else {
        panic!("one saga");
    };
    saga.summary.state
}

const FORTH: [&str; 5] = ["reserve cup", "reserve pot", "wrap", "charge", "ship"];
const BACK: [&str; 3] = ["refund", "release pot", "release cup"];

#[test]
fn a_saga_that_succeeds_is_completed_wherever_it_crashes() {
    let crashes = crash_everywhere(|| order(Wrong::Nothing))
        .provide(Effects::clone)
        .shut_down()
        .check(|end| {
            let done = end.result.as_ref().unwrap();
            assert_eq!(done.ship, "Some(\"in paper\")");
            assert_order(end, &FORTH);
            assert_eq!(end.effects.times("charge"), 1);
            assert_eq!(state(end), SagaState::Completed);
            assert_sound(&end.sagas[0], &[]);
        });
    // Before and after five effects, and the appends between them.
    assert!(crashes >= 20, "{crashes}");
}

#[test]
fn a_saga_that_fails_is_undone_wherever_it_crashes() {
    crash_everywhere(|| order(Wrong::Shipment))
        .provide(Effects::clone)
        .shut_down()
        .check(|end| {
            let error = end.result.as_ref().unwrap_err();
            assert!(matches!(error, SagaError::Compensated { step, .. } if step == "ship"));
            assert_order(end, &[&FORTH[..4], &BACK].concat());
            assert_eq!(end.effects.times("refund"), 1);
            assert_eq!(state(end), SagaState::Compensated);
            assert_sound(&end.sagas[0], &["reserve", "charge"]);
        });
}

/// Whoever recovers it may die of it too.
#[test]
fn a_saga_that_fails_is_undone_wherever_it_and_its_recovery_crash() {
    let crashes = crash_everywhere(|| order(Wrong::Shipment))
        .provide(Effects::clone)
        .twice()
        .check(|end| {
            let error = end.result.as_ref().unwrap_err();
            assert!(matches!(error, SagaError::Compensated { step, .. } if step == "ship"));
            assert_order(end, &[&FORTH[..4], &BACK].concat());
            assert_eq!(end.effects.times("charge"), 1);
            assert_eq!(end.effects.times("refund"), 1);
            assert_eq!(state(end), SagaState::Compensated);
            assert_sound(&end.sagas[0], &["reserve", "charge"]);
        });
    assert!(crashes >= 200, "{crashes}");
}

#[test]
fn what_was_not_done_is_not_undone_wherever_it_crashes() {
    crash_everywhere(|| order(Wrong::Payment))
        .provide(Effects::clone)
        .check(|end| {
            assert!(matches!(end.result, Err(SagaError::Compensated { .. })));
            assert_order(end, &[&FORTH[..3], &BACK[1..]].concat());
            assert_sound(&end.sagas[0], &["reserve"]);
        });
}

#[test]
fn a_compensation_that_fails_for_good_leaves_the_saga_stuck_wherever_it_crashes() {
    crash_everywhere(|| order(Wrong::ShipmentAndRefund))
        .provide(Effects::clone)
        .shut_down()
        .check(|end| {
            let error = end.result.as_ref().unwrap_err();
            assert!(matches!(error, SagaError::Stuck { step, .. } if step == "charge"));
            assert_order(end, &FORTH[..4]);
            assert_eq!(state(end), SagaState::Stuck);
            assert_sound(&end.sagas[0], &[]);
        });
}

#[test]
fn nothing_is_undone_behind_the_pivot_wherever_it_crashes() {
    for lost in [false, true] {
        crash_everywhere(|| Booking { number: 1, lost })
            .provide(Effects::clone)
            .shut_down()
            .check(|end| {
                assert_eq!(end.effects.times("unblock"), 0);
                assert_eq!(end.effects.times("pay"), 1);
                assert_eq!(end.effects.times("confirm"), usize::from(!lost));
                let expected = if lost {
                    SagaState::Stuck
                } else {
                    SagaState::Completed
                };
                assert_eq!(state(end), expected);
                assert_sound(&end.sagas[0], &[]);
            });
    }
}

#[test]
fn parallel_steps_are_each_done_or_undone_wherever_it_crashes() {
    for is_booked_out in [false, true] {
        crash_everywhere(|| Trip {
            number: 1,
            is_booked_out,
        })
        .provide(Effects::clone)
        .shut_down()
        .check(|end| {
            assert_sound(&end.sagas[0], &["flight", "hotel"]);
            for (effect, undo) in [("flight", "cancel flight"), ("hotel", "cancel hotel")] {
                assert!((1..=2).contains(&end.effects.times(effect)), "{effect}");
                let undone = end.effects.times(undo);
                assert!(
                    if is_booked_out {
                        undone >= 1
                    } else {
                        undone == 0
                    },
                    "{undo}"
                );
            }
            let expected = if is_booked_out {
                SagaState::Compensated
            } else {
                SagaState::Completed
            };
            assert_eq!(state(end), expected);
        });
    }
}

async fn import(coord: &Coordinator, effects: &Effects, fails: bool) -> Result<usize, SagaError> {
    let body = async |saga: &ClosureSaga| {
        let mut rows = 0;
        for batch in ["one", "two", "three"] {
            let load = async || {
                effects.record(batch).await;
                Ok::<_, String>(batch.len())
            };
            let unload = async |rows: usize| {
                assert_eq!(rows, batch.len());
                effects.record(format!("undo {batch}")).await;
                Ok::<_, String>(())
            };
            rows += saga.step(batch, load).compensate(unload).await?;
        }
        let check = async || if fails { Err("too few") } else { Ok(()) };
        saga.step("check", check).await?;
        Ok(rows)
    };
    coord.saga("import:7").run(body).await
}

#[test]
fn a_saga_of_closures_is_gone_on_with_wherever_it_crashes() {
    let crashes = crash_everywhere_during(async |coord: &Coordinator, effects: &Effects| {
        import(coord, effects, false).await
    })
    .shut_down()
    .check(|end| {
        assert_eq!(*end.result.as_ref().unwrap(), 11);
        assert_order(end, &["one", "two", "three"]);
        assert_eq!(state(end), SagaState::Completed);
    });
    assert!(crashes >= 16, "{crashes}");
}

#[test]
fn a_saga_of_closures_is_gone_on_with_wherever_it_and_its_recovery_crash() {
    let crashes = crash_everywhere_during(async |coord: &Coordinator, effects: &Effects| {
        import(coord, effects, false).await
    })
    .twice()
    .check(|end| {
        assert_eq!(*end.result.as_ref().unwrap(), 11);
        assert_order(end, &["one", "two", "three"]);
        assert_eq!(state(end), SagaState::Completed);
    });
    assert!(crashes >= 100, "{crashes}");
}

#[test]
fn a_saga_of_closures_that_fails_is_undone_wherever_it_crashes() {
    crash_everywhere_during(async |coord: &Coordinator, effects: &Effects| {
        import(coord, effects, true).await
    })
    .shut_down()
    .check(|end| {
        assert!(matches!(end.result, Err(SagaError::Compensated { .. })));
        let forth_and_back = ["one", "two", "three", "undo three", "undo two", "undo one"];
        assert_order(end, &forth_and_back);
        assert_eq!(state(end), SagaState::Compensated);
        assert_sound(&end.sagas[0], &["one", "two", "three"]);
    });
}

/// Within a runtime, as most tests are.
#[tokio::test]
async fn ten_steps_crash_everywhere_within_a_runtime() {
    let crashes = crash_everywhere(|| Ten { number: 1 })
        .provide(Effects::clone)
        .check(|end| {
            assert!(end.result.is_ok());
            assert_order(end, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        });
    assert!(crashes >= 40, "{crashes}");
}

#[test]
fn a_check_that_fails_tells_where_the_process_was_killed() {
    let failed = std::panic::catch_unwind(|| {
        crash_everywhere(|| Ten { number: 1 })
            .provide(Effects::clone)
            .check(|end| assert!(end.crashes.is_empty(), "it was killed"))
    });
    let told = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(
        told.contains("killed before operation 1 of its store, "),
        "{told}"
    );
    assert!(
        told.contains("effects: a, b, c") && told.contains("Done a"),
        "{told}"
    );
}

#[test]
fn what_steps_ask_for_is_missed_by_name() {
    crash_everywhere(|| Ten { number: 1 }).check(|end| {
        let error = end.result.as_ref().unwrap_err().to_string();
        assert!(error.contains("Effects"), "{error}");
    });
}
