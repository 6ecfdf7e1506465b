//! Delays, clocks and stores in bad times, and what is too large. On a clock that goes on by itself when everybody
//! waits for it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use coord::__private::{SagaHandle, run_saga, start_saga};
use coord::saga::{ClosureSaga, HistoryKind};
use coord::store::{AppendRequest, ListRequest, PutRequest, Store};
use coord::testing::{Fault, Operation, Rule};
use coord::{Coordinator, Error, Jitter, RetryPolicy, SagaError, saga};
use coord_tests::fleet::Fleet;
use coord_tests::{SmallStore, dropped_after, until};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

use crate::running::{dies, faulty, until_cleaned_up};
use crate::shop::{Does, Order, Shop, ShopError, order, process};

const DELAY: Duration = Duration::from_secs(60);
const HOUR: i64 = 60 * 60 * 1000;

/// One step, which is tried again after a minute.
#[saga("patient:<name>")]
#[derive(Serialize, Deserialize)]
struct Patient {
    name: String,
    text: String,
}

#[saga]
impl Patient {
    #[step(retry = after_a_minute())]
    async fn ask(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("ask", 1).await
    }
}

fn after_a_minute() -> RetryPolicy {
    let policy = RetryPolicy::builder().initial_delay(DELAY).max_delay(DELAY);
    policy.jitter(Jitter::None).build()
}

fn patient() -> Patient {
    Patient {
        name: "7".to_owned(),
        text: String::new(),
    }
}

async fn happened(coord: &Coordinator, kind: HistoryKind) {
    until("it to be in the history", async || {
        let history = coord.sagas().history("Patient/patient:7").await;
        let events = history.unwrap().map(|history| history.events);
        let kinds = events.into_iter().flatten().map(|event| event.kind);
        kinds.into_iter().any(|there| there == kind).then_some(())
    })
    .await;
}

/// A process that has died after its step has failed, and before it was due again.
async fn died_between_attempts(fleet: &Fleet, shop: &Shop) {
    shop.order("ask", Does::Fails(1));
    let (store, dead) = faulty(fleet, shop).await;
    let _handle = dead.scope(async { patient().start().unwrap() }).await;
    happened(&dead, HistoryKind::Failed).await;
    dies(&store);
}

/// One that has taken it over.
async fn takes_over(fleet: &Fleet, shop: &Shop) -> SagaHandle<Patient> {
    fleet.let_pass(Duration::from_secs(3)).await;
    let coord = process(fleet, shop).await;
    assert_eq!(coord.recover().await.unwrap().resumed, 1);
    happened(&coord, HistoryKind::Takeover).await;
    start_saga(Some(&coord), patient()).unwrap()
}

async fn ends_within(handle: &SagaHandle<Patient>, time: Duration) -> bool {
    tokio::time::timeout(time, handle.wait()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_retry_delay_survives_a_crash() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    died_between_attempts(&fleet, &shop).await;
    let handle = takes_over(&fleet, &shop).await;
    assert!(!ends_within(&handle, DELAY / 2).await);
    assert_eq!(shop.asked().len(), 1);
    assert!(ends_within(&handle, DELAY).await);
    assert_eq!(shop.asked().len(), 2);
}

/// The same store as it would be if the clock of whoever wrote it had differed by so many milliseconds from that
/// of whoever reads it.
async fn with_another_clock(fleet: &Fleet, by: i64) -> Fleet {
    let moved = Fleet::on_memory();
    let renamed = |text: &str| text.replace(fleet.namespace(), moved.namespace());
    let all = ListRequest::new(format!("{}/saga", fleet.namespace()));
    for (name, entry) in fleet.store().list_records(&all).await.unwrap().entries {
        let value = String::from_utf8(entry.value.to_vec()).unwrap();
        let put = PutRequest::new(renamed(&name), later(&renamed(&value), by)).listed();
        moved.store().put_record(&put).await.unwrap();
        let Some(run) = value.split("\"r\":").nth(1) else {
            continue;
        };
        let run: u128 = run[..run.find(',').unwrap()].parse().unwrap();
        let log = format!("{}/saga-log/{run:032x}", fleet.namespace());
        let entries = fleet.store().read_log(&log, 0, 100).await.unwrap();
        for (at, entry) in (0..).zip(entries) {
            let entry = later(std::str::from_utf8(&entry).unwrap(), by);
            let append = AppendRequest::new(renamed(&log), at, entry);
            moved.store().append_log(&append).await.unwrap();
        }
    }
    moved
}

/// All times in a text, which are its numbers of 13 digits, moved.
fn later(text: &str, by: i64) -> String {
    let mut moved = String::new();
    for piece in text.split_inclusive([',', '}']) {
        let number = piece.trim_start_matches(|c: char| !c.is_ascii_digit());
        let digits = number.trim_end_matches([',', '}']);
        match digits.parse::<i64>() {
            Ok(time) if digits.len() == 13 && piece.contains(":1") => {
                moved.push_str(&piece.replace(digits, &(time + by).to_string()));
            }
            _ => moved.push_str(piece),
        }
    }
    moved
}

/// Whether the clock was set back or forward, or that of the process that died was wrong.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_makes_no_delay_longer() {
    for (by, longest) in [(HOUR, DELAY), (-HOUR, Duration::ZERO)] {
        let (fleet, shop) = (Fleet::on_memory(), Shop::default());
        died_between_attempts(&fleet, &shop).await;
        let fleet = with_another_clock(&fleet, by).await;
        let handle = takes_over(&fleet, &shop).await;
        assert!(
            ends_within(&handle, longest + Duration::from_secs(1)).await,
            "{by}"
        );
        assert_eq!(shop.asked().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_for_a_minute_is_waited_for_whenever_it_does() {
    for at in 0.. {
        let (fleet, shop) = (Fleet::on_memory(), Shop::default());
        let (store, coord) = faulty(&fleet, &shop).await;
        store.inject(Rule::on_everything().skipping(at), Fault::BeforeSend);
        let run = async || coord::__private::run_saga(Some(&coord), order()).await;
        let comes_back = async {
            fleet.let_pass(Duration::from_secs(60)).await;
            store.heal();
        };
        let (ran, ()) = tokio::join!(run(), comes_back);
        match ran {
            Ok(_) => {}
            // It is not there yet, and whoever starts it is told so.
            Err(SagaError::Coordination(_)) => {
                assert!(at < 3 && shop.asked().is_empty(), "{at}");
                run().await.unwrap();
            }
            Err(error) => panic!("{at}: {error}"),
        }
        let mut asked = shop.asked();
        assert!(asked.len() <= 4, "{at}: {asked:?}");
        asked.dedup();
        assert_eq!(asked, ["reserve", "charge", "ship"], "{at}");
        if store.operations().len() <= at {
            assert!(at > 6);
            return;
        }
    }
}

/// It may have begun, so it has.
#[tokio::test(start_paused = true)]
async fn a_start_whose_reply_is_lost_goes_on_when_the_store_is_back() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, coord) = faulty(&fleet, &shop).await;
    store.fail_next(Operation::Put, Fault::AfterApply);
    // It becomes a member first.
    store.inject(Rule::on_everything().skipping(1), Fault::BeforeSend);
    let comes_back = async {
        fleet.let_pass(Duration::from_secs(60)).await;
        store.heal();
    };
    let run = coord::__private::run_saga(Some(&coord), order());
    let (ran, ()) = tokio::join!(run, comes_back);
    ran.unwrap();
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
}

#[tokio::test(start_paused = true)]
async fn an_input_that_is_too_large_is_refused_at_once() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    let text = "x".repeat(1 << 20);
    let too_large = Patient { text, ..patient() };
    let refused = too_large.run_with(&coord).await.unwrap_err();
    assert!(
        matches!(
            refused,
            SagaError::Coordination(Error::InvalidOption {
                option: "input",
                ..
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_store_will_never_do_ends_the_call() {
    let shop = Shop::default();
    let store = coord::store::MemoryStore::new();
    let builder = Coordinator::builder().store(store).provide(shop.clone());
    // With either key it is longer than a key in a store can be.
    let coord = builder.namespace("n".repeat(400)).build();
    let name = "k".repeat(400);
    let closures = coord.saga(&*name).run(async |_| Ok(())).await;
    let long = Patient { name, ..patient() };
    let declared = long.run_with(&coord).await.map(|done| drop(done.ask));
    for refused in [closures, declared] {
        assert!(
            matches!(refused, Err(SagaError::Coordination(Error::Store(_)))),
            "{refused:?}"
        );
    }
}

/// A step that puts out so many bytes before and behind another.
#[saga("speech:<first>:<last>")]
#[derive(Serialize, Deserialize)]
struct Speech {
    first: usize,
    last: usize,
}

#[saga]
impl Speech {
    #[step]
    async fn begin(&self) -> Result<String, String> {
        std::future::ready(Ok("x".repeat(self.first))).await
    }

    #[step]
    async fn end(&self) -> Result<String, String> {
        std::future::ready(Ok("x".repeat(self.last))).await
    }
}

/// This process cannot go on with it; another one may.
#[tokio::test(start_paused = true)]
async fn a_saga_that_the_store_refuses_on_the_way_is_left_to_others() {
    for (first, last) in [(150_000, 1), (1, 150_000)] {
        let store: Arc<dyn Store> = Arc::new(SmallStore::unaware(100_000));
        let process = || Coordinator::builder().store(Arc::clone(&store)).build();
        let (one, other) = (process(), process());
        let refused = Speech { first, last }.run_with(&one).await.map(drop);
        assert!(
            matches!(refused, Err(SagaError::Coordination(Error::Store(_)))),
            "{refused:?}"
        );
        assert_eq!(one.recover().await.unwrap().resumed, 0, "it has said so");
        assert_eq!(other.recover().await.unwrap().resumed, 1);
    }
}

/// Runs that begin together, of which the store is told in more than one entry.
#[saga("crowd:<number>")]
#[derive(Serialize, Deserialize)]
struct Crowd {
    number: u64,
    items: Vec<u8>,
}

#[saga]
impl Crowd {
    #[step(each = items, parallel)]
    async fn take_part(&self, item: &u8) -> Result<u8, String> {
        std::future::ready(Ok(*item)).await
    }

    #[step(parallel)]
    async fn speak(&self) -> Result<String, String> {
        let length = usize::try_from(self.number).unwrap();
        std::future::ready(Ok("x".repeat(length))).await
    }
}

#[tokio::test(start_paused = true)]
async fn more_events_than_an_entry_holds_are_stored_in_several() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    let crowd = || Crowd {
        number: 1_000_000,
        items: vec![7; 30_000],
    };
    let run = tokio::spawn({
        let coord = coord.clone();
        async move { crowd().run_with(&coord).await }
    });
    let done = run.await.unwrap().unwrap();
    assert_eq!(
        (done.take_part.len(), done.speak.len()),
        (30_000, 1_000_000)
    );
    // Another process reads the same.
    let again = crowd()
        .run_with(&process(&fleet, &shop).await)
        .await
        .unwrap();
    assert_eq!(again.take_part, done.take_part);
}

async fn runs(coord: &Coordinator, shop: &Shop) -> Result<String, SagaError> {
    let body = async |saga: &ClosureSaga| {
        saga.step("one", async || shop.does("one", 1).await).await?;
        saga.step("two", async || shop.does("two", 1).await).await
    };
    coord.saga("import:7").run(body).await
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_leaves_its_saga_to_the_next_call() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    shop.order("two", Does::Panics(1));
    let panics = AssertUnwindSafe(runs(&coord, &shop)).catch_unwind();
    assert!(panics.await.is_err());
    assert_eq!(runs(&coord, &shop).await.unwrap(), "two 1");
    assert_eq!(shop.asked(), ["one", "two", "two"]);
}

#[tokio::test(start_paused = true)]
async fn an_output_of_a_closure_that_is_too_large_is_a_failure() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    shop.order("two", Does::TooMuch);
    for _ in 0..2 {
        let refused = runs(&coord, &shop).await.unwrap_err();
        assert!(refused.to_string().contains("over the limit"), "{refused}");
    }
    assert_eq!(shop.asked(), ["one", "two"]);
}

/// Its compensation would need the output, so whoever looks after the saga has to.
#[tokio::test(start_paused = true)]
async fn what_a_closure_cannot_undo_for_want_of_its_output_is_stuck() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    shop.order("two", Does::TooMuch);
    let runs = async || {
        let body = async |saga: &ClosureSaga| {
            for name in ["one", "two"] {
                let undo = async |_: String| shop.does(&format!("undo {name}"), 1).await.map(drop);
                let step = saga.step(name, async || shop.does(name, 1).await);
                step.compensate(undo).await?;
            }
            Ok(())
        };
        coord.saga("import:7").run(body).await
    };
    for _ in 0..2 {
        let stuck = runs().await.unwrap_err();
        assert!(
            matches!(&stuck, SagaError::Stuck { step, .. } if step == "two"),
            "{stuck:?}"
        );
    }
    assert_eq!(shop.asked(), ["one", "two"]);
    let id = "closures/import:7";
    assert!(coord.sagas().skip(id, "undone by hand").await.unwrap());
    assert!(matches!(runs().await, Err(SagaError::Compensated { .. })));
    assert_eq!(shop.asked(), ["one", "two", "undo one"]);
}

/// A store takes less than ours do, and says so.
#[tokio::test(start_paused = true)]
async fn the_limit_of_an_output_is_that_of_the_store() {
    let shop = Shop::default();
    let coord = Coordinator::builder().store(SmallStore::new(100_000));
    let coord = coord.provide(shop.clone()).build();
    let crowd = |length| Crowd {
        number: length,
        items: vec![7; 2_000],
    };
    let done = crowd(90_000).run_with(&coord).await.unwrap();
    assert_eq!((done.take_part.len(), done.speak.len()), (2_000, 90_000));
    let refused = crowd(99_000).run_with(&coord).await.unwrap_err();
    assert!(refused.to_string().contains("limit of 95904"), "{refused}");
    let items = vec![7; 50_000];
    let refused = Crowd { number: 1, items }.run_with(&coord).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("limit is 75000"), "{refused}");
}

/// The body gives up a step while what was done before it is being stored, and that is stored all the same.
#[tokio::test(start_paused = true)]
async fn what_is_done_is_stored_when_the_step_behind_it_is_dropped() {
    for (fault, polls) in [Fault::BeforeSend, Fault::AfterApply]
        .into_iter()
        .flat_map(|fault| {
            let polls = 1..4;
            polls.map(move |polls| (fault, polls))
        })
    {
        let (fleet, shop) = (Fleet::on_memory(), Shop::default());
        let (store, coord) = fleet.faulty().await;
        store.inject(Rule::on(Operation::Append).times(1), fault);
        let ran = coord.saga("import:7").run(async |saga: &ClosureSaga| {
            saga.step("one", async || shop.does("one", 1).await).await?;
            let two = saga.step("two", std::future::pending::<Result<u8, String>>);
            assert!(dropped_after(polls, two.into_future()).await.is_none());
            Ok(())
        });
        let error = ran.await.unwrap_err();
        assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
        let history = coord.sagas().history("closures/import:7").await.unwrap();
        let done = history.unwrap().events.into_iter();
        let done = done.filter(|event| event.kind == HistoryKind::Done);
        assert_eq!(done.count(), 1, "{fault:?} {polls}");
    }
}

#[test]
fn a_runtime_that_ends_keeps_nobody_from_cleaning_up_behind_later_sagas() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let saga = |id: &str| Order {
        id: id.to_owned(),
        total: 1,
    };
    let (store, coord) = runtime().block_on(async {
        let (store, coord) = faulty(&fleet, &shop).await;
        run_saga(Some(&coord), saga("first")).await.unwrap();
        (store, coord)
    });
    assert_eq!(store.count(Operation::Expire), 0, "it gathers");
    runtime().block_on(async {
        let second = run_saga(Some(&coord), saga("second"));
        until_cleaned_up(&store, second).await.unwrap();
    });
}

/// JSON would bring it back as another value.
#[tokio::test(start_paused = true)]
async fn an_output_that_would_come_back_as_another_is_a_failure() {
    let coord = Coordinator::builder().build();
    let saga = coord
        .saga("odd:1")
        .run(async |saga: &ClosureSaga| saga.step("odd", async || Ok::<_, String>(Some(()))).await);
    let refused = saga.await.unwrap_err();
    assert!(refused.to_string().contains("`null`"), "{refused}");
}
