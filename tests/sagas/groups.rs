//! Steps that are several runs, or none: side by side, one for each item, and under a condition.

use std::time::Duration;

use coord::saga::HistoryKind;
use coord::testing::{Operation, Rule};
use coord::{Coordinator, SagaError, StepContext, saga};
use coord_tests::fleet::Fleet;
use coord_tests::until;
use serde::{Deserialize, Serialize};

use crate::crashing::at_every_operation;
use crate::running::{dies, faulty};
use crate::shop::{Does, Door, Shop, ShopError, process};

type Returned = Result<String, ShopError>;

/// A flight, a car and seats side by side, hotels one after the other, an insurance if it is wanted.
#[saga("travel:<id>")]
#[derive(Serialize, Deserialize)]
struct Travel {
    id: String,
    seats: Vec<String>,
    hotels: Vec<String>,
    insured: bool,
}

#[saga]
impl Travel {
    #[step(
        parallel,
        compensate = no_flight,
        retry(max_retries = 2, initial_delay = "10ms", if = ShopError::is_transient)
    )]
    async fn flight(&self, ctx: &StepContext, #[dep] shop: &Shop) -> Returned {
        shop.serves("flight", ctx).await
    }

    async fn no_flight(
        &self,
        flight: &String,
        ctx: &StepContext,
        #[dep] shop: &Shop,
    ) -> Result<(), ShopError> {
        assert!(flight.starts_with("flight"), "{flight}");
        shop.serves("no flight", ctx).await.map(drop)
    }

    #[step(parallel, compensate = no_car)]
    async fn car(&self, ctx: &StepContext, #[dep] shop: &Shop) -> Returned {
        shop.serves("car", ctx).await
    }

    async fn no_car(
        &self,
        car: Option<&String>,
        ctx: &StepContext,
        #[dep] shop: &Shop,
    ) -> Result<(), ShopError> {
        let what = car.map_or("perhaps no car", |_| "no car");
        shop.serves(what, ctx).await.map(drop)
    }

    #[step(parallel, each = seats)]
    async fn seat(&self, item: &String, ctx: &StepContext, #[dep] shop: &Shop) -> Returned {
        shop.serves(&format!("seat {item}"), ctx).await
    }

    #[step(each = hotels, compensate = no_hotel)]
    async fn hotel(&self, item: &String, ctx: &StepContext, #[dep] shop: &Shop) -> Returned {
        shop.serves(&format!("hotel {item}"), ctx).await
    }

    async fn no_hotel(
        &self,
        hotel: &String,
        item: &String,
        ctx: &StepContext,
        #[dep] shop: &Shop,
    ) -> Result<(), ShopError> {
        assert!(hotel.starts_with(&format!("hotel {item}")), "{hotel}");
        shop.serves(&format!("no hotel {item}"), ctx)
            .await
            .map(drop)
    }

    #[step(when = is_insured, compensate = not_insured)]
    async fn insure(&self, ctx: &StepContext, #[dep] shop: &Shop) -> Returned {
        shop.serves("insure", ctx).await
    }

    fn is_insured(&self, hotel: &[String]) -> bool {
        self.insured && !hotel.is_empty()
    }

    async fn not_insured(
        &self,
        insure: &String,
        ctx: &StepContext,
        #[dep] shop: &Shop,
    ) -> Result<(), ShopError> {
        assert!(insure.starts_with("insure"), "{insure}");
        shop.serves("not insured", ctx).await.map(drop)
    }

    #[step]
    async fn confirm(
        &self,
        seat: &[String],
        hotel: &[String],
        insure: Option<&String>,
        ctx: &StepContext,
        #[dep] shop: &Shop,
    ) -> Returned {
        shop.serves("confirm", ctx).await?;
        let insure = insure.map_or("none", |insure| insure);
        Ok([&seat.join(", "), &hotel.join(", "), insure].join("; "))
    }
}

fn travel(id: &str) -> Travel {
    Travel {
        id: id.to_owned(),
        seats: vec!["1".to_owned()],
        hotels: vec!["a".to_owned(), "b".to_owned()],
        insured: true,
    }
}

/// Somebody stands before this.
fn stands_before(shop: &Shop, what: &str) -> Door {
    let door = Door::default();
    shop.order(what, Does::Waits(door.clone()));
    door
}

/// Returns when this has happened so often to a saga.
async fn happens(coord: &Coordinator, id: &str, kind: HistoryKind, step: &str, times: usize) {
    let id = format!("Travel/travel:{id}");
    until("it to be stored", async || {
        let history = coord.sagas().history(&id).await.unwrap()?;
        let events = history.events.iter();
        let found = events.filter(|event| event.kind == kind && event.step == step);
        (found.count() >= times).then_some(())
    })
    .await;
}

fn count(shop: &Shop, what: &str) -> usize {
    shop.asked().iter().filter(|asked| *asked == what).count()
}

/// What was undone, in order; each once, however often that took.
fn undone(asked: &[String]) -> Vec<&str> {
    let mut undone: Vec<_> = asked
        .iter()
        .map(String::as_str)
        .filter(|asked| asked.contains("no ") || asked.starts_with("not "))
        .collect();
    undone.dedup();
    undone
}

#[track_caller]
fn assert_compensated<T>(ended: Result<T, SagaError>, by: &str) {
    match ended {
        Err(SagaError::Compensated { step, .. }) => assert_eq!(step, by),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it is done"),
    }
}

pub(crate) async fn neighbours_that_are_parallel_run_side_by_side(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = process(fleet, &shop).await;
    let mut doors = Vec::new();
    for what in ["flight", "car", "seat 1", "seat 2"] {
        doors.push(stands_before(&shop, what));
    }
    let mut travel = travel("1");
    travel.seats.push("2".to_owned());
    let started = travel.start_with(&coord).unwrap();
    for door in &doors {
        door.reached().await;
    }
    for door in &doors {
        door.open();
    }
    let done = started.wait().await.unwrap();
    assert_eq!(done.seat, ["seat 1 1", "seat 2 1"]);
    assert_eq!(
        done.confirm,
        "seat 1 1, seat 2 1; hotel a 1, hotel b 1; insure 1"
    );
    let asked = shop.asked();
    assert_eq!(asked[4..], ["hotel a", "hotel b", "insure", "confirm"]);
    let mut keys = shop.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8, "each run has a key of its own: {keys:?}");
}

pub(crate) async fn a_crash_within_a_group_repeats_what_was_under_way_alone(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let door = stands_before(&shop, "flight");
    let _started = travel("1").start_with(&dead).unwrap();
    door.reached().await;
    let coord = process(fleet, &shop).await;
    happens(&coord, "1", HistoryKind::Done, "car", 1).await;
    happens(&coord, "1", HistoryKind::Done, "seat", 1).await;
    dies(&store);
    let done = travel("1").run_with(&coord).await.unwrap();
    assert_eq!(
        (&*done.flight, &*done.car, &*done.seat[0]),
        ("flight 2", "car 1", "seat 1 1")
    );
    let counts = ["flight", "car", "seat 1", "hotel a"].map(|what| count(&shop, what));
    assert_eq!(counts, [2, 1, 1, 1]);
}

pub(crate) async fn a_failure_in_a_group_waits_for_its_neighbours_and_undoes_them(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("car", Does::Fails(9));
    let coord = process(fleet, &shop).await;
    let door = stands_before(&shop, "flight");
    let started = travel("1").start_with(&coord).unwrap();
    door.reached().await;
    happens(&coord, "1", HistoryKind::Failed, "car", 1).await;
    assert_eq!(undone(&shop.asked()), [""; 0], "the flight is under way");
    door.open();
    assert_compensated(started.wait().await, "car");
    assert_eq!(undone(&shop.asked()), ["perhaps no car", "no flight"]);
    assert_eq!(count(&shop, "hotel a"), 0);
}

pub(crate) async fn one_items_failure_undoes_the_other_items_in_reverse(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("hotel c", Does::Fails(1));
    let mut travel = travel("1");
    travel.hotels.extend(["c".to_owned(), "d".to_owned()]);
    let ended = travel.run_with(&process(fleet, &shop).await).await;
    assert_compensated(ended, "hotel");
    let asked = shop.asked();
    assert_eq!(asked[3..6], ["hotel a", "hotel b", "hotel c"]);
    assert_eq!(
        asked[6..],
        ["no hotel b", "no hotel a", "no car", "no flight"]
    );
}

pub(crate) async fn a_crash_between_items_repeats_the_one_that_was_under_way(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let door = stands_before(&shop, "hotel b");
    let _started = travel("1").start_with(&dead).unwrap();
    door.reached().await;
    dies(&store);
    let coord = process(fleet, &shop).await;
    let done = travel("1").run_with(&coord).await.unwrap();
    assert_eq!(done.hotel, ["hotel a 1", "hotel b 2"]);
    assert_eq!((count(&shop, "hotel a"), count(&shop, "flight")), (1, 1));
}

pub(crate) async fn a_step_that_is_left_out_is_none_to_later_steps_and_not_undone(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = process(fleet, &shop).await;
    let uninsured = |id| Travel {
        insured: false,
        ..travel(id)
    };
    let done = uninsured("1").run_with(&coord).await.unwrap();
    assert_eq!(done.insure, None);
    assert_eq!(done.confirm, "seat 1 1; hotel a 1, hotel b 1; none");
    shop.order("confirm", Does::Fails(2));
    assert_compensated(uninsured("2").run_with(&coord).await, "confirm");
    let without = undone(&shop.asked()).len();
    assert_compensated(travel("3").run_with(&coord).await, "confirm");
    let asked = shop.asked();
    let undone = undone(&asked);
    assert_eq!(
        undone[..without],
        ["no hotel b", "no hotel a", "no car", "no flight"]
    );
    assert_eq!(undone[without], "not insured");
}

pub(crate) async fn an_error_that_is_not_worth_a_retry_is_the_last(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = process(fleet, &shop).await;
    shop.order("flight", Does::Fails(2));
    let done = travel("1").run_with(&coord).await.unwrap();
    assert_eq!(done.flight, "flight 3");
    shop.order("flight", Does::FailsForGood);
    assert_compensated(travel("2").run_with(&coord).await, "flight");
    assert_eq!(count(&shop, "flight"), 4);
}

pub(crate) async fn groups_survive_a_crash_at_every_operation(fleet: &Fleet) {
    let run = async |coord: &Coordinator, _: &Shop, id: String| travel(&id).run_with(coord).await;
    at_every_operation(
        fleet,
        |_| {},
        run,
        |done, asked| {
            done.unwrap();
            assert_each_once(asked, &[]);
        },
    )
    .await;
}

pub(crate) async fn groups_that_fail_survive_a_crash_at_every_operation(fleet: &Fleet) {
    let run = async |coord: &Coordinator, _: &Shop, id: String| travel(&id).run_with(coord).await;
    let fails = |shop: &Shop| {
        shop.order("confirm", Does::FailsForGood);
    };
    at_every_operation(fleet, fails, run, |ended, asked| {
        assert_compensated(ended, "confirm");
        let all = [
            "not insured",
            "no hotel b",
            "no hotel a",
            "no car",
            "no flight",
        ];
        assert_each_once(asked, &all);
        assert_eq!(undone(asked), all);
    })
    .await;
}

/// All steps, then these; what was under way at the crash perhaps once more.
#[track_caller]
fn assert_each_once(asked: &[String], undone: &[&str]) {
    let steps = [
        "flight", "car", "seat 1", "hotel a", "hotel b", "insure", "confirm",
    ];
    let mut all: Vec<_> = [&steps, undone].concat();
    let mut once: Vec<_> = asked.iter().map(String::as_str).collect();
    all.sort_unstable();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once, all, "{asked:?}");
    let repeated = asked.len() - once.len();
    assert!(repeated <= 3, "{asked:?}");
}

/// Two runs side by side, of which one does two things.
#[saga("relay:<id>")]
#[derive(Serialize, Deserialize)]
struct Relay {
    id: u64,
}

#[saga]
impl Relay {
    #[step(parallel)]
    async fn sprint(&self, #[dep] shop: &Shop) -> Returned {
        shop.does("sprint", 1).await
    }

    #[step(parallel)]
    async fn jump(&self, #[dep] shop: &Shop) -> Returned {
        shop.does("start", 1).await?;
        shop.does("land", 1).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_goes_on_while_it_is_stored_what_the_other_has_put_out() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, coord) = faulty(&fleet, &shop).await;
    let stored = store.hold(Rule::on(Operation::Append));
    let (start, land) = (stands_before(&shop, "start"), stands_before(&shop, "land"));
    let started = Relay { id: 1 }.start_with(&coord).unwrap();
    stored.reached().await;
    start.open();
    let lands = tokio::time::timeout(Duration::from_secs(60), land.reached());
    lands.await.expect("it goes on");
    stored.release();
    land.open();
    assert_eq!(started.wait().await.unwrap().jump, "land 1");
    assert_eq!(shop.asked(), ["sprint", "start", "land"]);
}
