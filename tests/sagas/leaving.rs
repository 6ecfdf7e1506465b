//! Sagas that a process leaves to others, and what it does once it could go on with one.

use std::sync::Mutex;
use std::time::Duration;

use coord::__private::{
    Call, Error, Finished, InputCodec, Key, Saga, SagaInput, Step, StepResult, run_saga,
};
use coord::saga::HistoryKind;
use coord::{Coordinator, SagaError, saga};
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};

use crate::shop::{Does, Returned, Shop, ShopError, does, order, process};

type Number = Result<u64, String>;

/// An order as code has it that expects a number of what is reserved.
#[derive(Clone, Serialize, Deserialize)]
struct Counting {
    id: String,
    total: u64,
}

impl Saga for Counting {
    const NAME: &'static str = "Order";
    type Outputs = ();

    fn codec() -> InputCodec<Self> {
        SagaInput::codec()
    }

    fn key(&self) -> Result<Key, Error> {
        Key::new(self.id.as_str())
    }

    fn steps() -> Vec<Step<Self>> {
        let step = |id, make| Step::new(<Returned as StepResult>::into_result, id, make);
        vec![
            step("reserve", does!("reserve")),
            step("charge", does!("charge")),
            step("ship", does!("ship"))
                .when(|_, call| Ok(*call.output(<Number as StepResult>::read, 0)? > 0)),
        ]
    }

    fn outputs(_: &Finished<'_>) -> Result<(), Error> {
        Ok(())
    }
}

fn counting() -> Counting {
    let order = order();
    Counting {
        id: order.id,
        total: order.total,
    }
}

#[track_caller]
fn assert_refused<T>(ended: Result<T, SagaError>) {
    let ended = ended.map(drop);
    assert!(
        matches!(ended, Err(SagaError::Incompatible { .. })),
        "{ended:?}"
    );
}

pub(crate) async fn what_is_done_before_a_condition_that_cannot_be_asked_is_not_done_again(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    assert_refused(run_saga(Some(&process(fleet, &shop).await), counting()).await);
    let done = run_saga(Some(&process(fleet, &shop).await), order()).await;
    assert_eq!(done.unwrap().charge, "charge 1");
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
}

/// How long sagas are kept here that have ended.
const KEPT: Duration = Duration::from_secs(5);

async fn forgetful(fleet: &Fleet, shop: &Shop) -> Coordinator {
    let builder = fleet.builder().await.provide(shop.clone());
    builder.saga_retention(KEPT).build()
}

/// It was of other code, and is not any more.
#[tokio::test(start_paused = true)]
async fn a_saga_that_was_left_is_gone_on_with_once_it_was_had_under_the_same_key() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (one, other) = (
        forgetful(&fleet, &shop).await,
        forgetful(&fleet, &shop).await,
    );
    assert_refused(run_saga(Some(&one), counting()).await);
    run_saga(Some(&other), order()).await.unwrap();
    fleet.let_pass(KEPT).await;

    shop.order("ship", Does::Fails(1));
    shop.order("refund", Does::Fails(3));
    let stuck = run_saga(Some(&one), order()).await;
    assert!(matches!(stuck, Err(SagaError::Stuck { .. })), "{stuck:?}");
    // Whoever resumes it cannot go on with it, as the command line cannot.
    let unable = fleet.process().await;
    assert!(unable.sagas().resume("Order/7").await.unwrap());
    assert_eq!(one.recover().await.unwrap().resumed, 1);
    let ended = run_saga(Some(&one), order()).await;
    assert!(
        matches!(ended, Err(SagaError::Compensated { .. })),
        "{ended:?}"
    );
}

/// What conditions are answered, the last one first.
struct Answers(Mutex<Vec<bool>>);

impl Answers {
    fn of(&self, posting: &Posting) -> bool {
        let answer = self.0.lock().unwrap().pop();
        answer.unwrap_or_else(|| panic!("no answer for {}", posting.id))
    }
}

#[saga("posting:<id>")]
#[derive(Serialize, Deserialize)]
struct Posting {
    id: u64,
}

#[saga]
impl Posting {
    #[step(when = is_gift)]
    async fn wrap(&self) -> Result<(), ShopError> {
        std::future::ready(Ok(())).await
    }

    fn is_gift(&self, #[dep] answers: &Answers) -> bool {
        answers.of(self)
    }

    #[step(when = is_sent)]
    async fn send(&self) -> Result<(), ShopError> {
        std::future::ready(Ok(())).await
    }

    fn is_sent(&self, #[dep] answers: &Answers) -> bool {
        assert!(answers.of(self), "it is not known");
        true
    }
}

/// Otherwise another process would ask again, and perhaps run it though what comes behind it has run.
#[tokio::test(start_paused = true)]
async fn a_step_stays_left_out_though_the_next_condition_cannot_be_asked_at_first() {
    let fleet = Fleet::on_memory();
    let answers = Answers(Mutex::new(vec![true, false, false]));
    let coord = fleet.builder().await.provide(answers).build();
    let done = Posting { id: 1 }.run_with(&coord).await.unwrap();
    assert_eq!((done.wrap, done.send), (None, Some(())));
    let history = coord.sagas().history("Posting/posting:1").await.unwrap();
    let events = history.unwrap().events;
    let events: Vec<_> = events
        .iter()
        .map(|event| (event.kind, &*event.step))
        .collect();
    assert_eq!(
        events,
        [
            (HistoryKind::Skipped, "wrap"),
            (HistoryKind::Started, "send"),
            (HistoryKind::Done, "send"),
        ]
    );
}
