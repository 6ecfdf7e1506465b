//! Sagas that a process leaves to others.

use coord::__private::{
    Call, Error, Finished, InputCodec, Key, Saga, SagaInput, Step, StepResult, run_saga,
};
use coord::SagaError;
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};

use crate::shop::{Returned, Shop, does, order, process};

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
