//! Code that changes while sagas are under way.

use coord::__private::{
    Call, Error, Failed, Finished, InputCodec, Key, Saga, SagaInput, Step, StepResult, Stored,
    run_saga, start_saga,
};
use coord::saga::{ClosureSaga, SagaState};
use coord::{Coordinator, SagaError};
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};

use crate::running::{dies, faulty};
use crate::shop::{Does, Door, Returned, Shop, does, order, process};

/// An order as another version of the code has it. Only one version is registered, as in any program: that in
/// `shop`.
#[derive(Clone, Serialize, Deserialize)]
struct Version<const CHANGE: u8> {
    id: String,
    total: u64,
}

const STEP_RENAMED: u8 = 0;
const STEPS_EXCHANGED: u8 = 1;
const STEP_INSERTED: u8 = 2;
const BEGUN_STEP_REMOVED: u8 = 3;
const OUTPUT_OF_ANOTHER_TYPE: u8 = 4;
const OUTPUT_OF_EACH: u8 = 5;
const LATER_STEPS_CHANGED: u8 = 6;
const CHARGE_LEFT_OUT: u8 = 7;
const TWO_ITEMS: u8 = 8;
const ONE_ITEM: u8 = 9;
const NO_ITEM: u8 = 10;
const LAST_STEP_REMOVED: u8 = 11;
const SIDE_BY_SIDE: u8 = 12;
const ONE_BY_ONE: u8 = 13;

impl<const CHANGE: u8> Saga for Version<CHANGE> {
    const NAME: &'static str = "Order";
    type Outputs = ();

    fn codec() -> InputCodec<Self> {
        SagaInput::codec()
    }

    fn key(&self) -> Result<Key, Error> {
        Key::new(self.id.as_str())
    }

    fn steps() -> Vec<Step<Self>> {
        let reserve = || {
            Step::new(
                <Returned as StepResult>::into_result,
                "reserve",
                does!("reserve"),
            )
        };
        let charge = || {
            Step::new(
                <Returned as StepResult>::into_result,
                "charge",
                does!("charge"),
            )
        };
        let ship = || Step::new(<Returned as StepResult>::into_result, "ship", does!("ship"));
        let tell = || Step::new(<Returned as StepResult>::into_result, "tell", does!("tell"));
        match CHANGE {
            STEP_RENAMED => vec![
                Step::new(
                    <Returned as StepResult>::into_result,
                    "book",
                    does!("reserve"),
                ),
                charge(),
                ship(),
            ],
            STEPS_EXCHANGED => vec![charge(), reserve(), ship()],
            STEP_INSERTED => vec![tell(), reserve(), charge(), ship()],
            BEGUN_STEP_REMOVED => vec![reserve(), ship()],
            OUTPUT_OF_ANOTHER_TYPE => vec![
                Step::new(
                    <Result<Vec<String>, String> as StepResult>::into_result,
                    "reserve",
                    does!("reserve"),
                ),
                charge(),
                ship(),
            ],
            OUTPUT_OF_EACH => vec![reserve().each(|_| 2), charge(), ship()],
            LATER_STEPS_CHANGED => vec![reserve(), charge(), tell()],
            TWO_ITEMS => vec![charge().each(|_| 2), ship()],
            ONE_ITEM => vec![charge().each(|_| 1), ship()],
            NO_ITEM => vec![charge().each(|_| 0), ship()],
            LAST_STEP_REMOVED => vec![reserve(), charge()],
            SIDE_BY_SIDE => vec![
                reserve().parallel(),
                charge().parallel().undo(does!("refund")),
                ship(),
            ],
            ONE_BY_ONE => vec![reserve(), charge().undo(does!("refund")), ship()],
            _ => vec![reserve(), charge().when(|_, _| Ok(false)), ship()],
        }
    }

    fn outputs(_: &Finished<'_>) -> Result<(), Error> {
        Ok(())
    }
}

fn version<const CHANGE: u8>() -> Version<CHANGE> {
    let order = order();
    Version {
        id: order.id,
        total: order.total,
    }
}

/// What code with this change says of a saga that the code in `shop` has begun.
async fn refusal<const CHANGE: u8>(coord: &Coordinator) -> String {
    refused(run_saga(Some(coord), version::<CHANGE>()).await)
}

/// What is said to differ.
#[track_caller]
fn refused<T>(ended: Result<T, SagaError>) -> String {
    match ended {
        Err(SagaError::Incompatible { saga, difference }) if saga == "Order" => {
            difference.into_owned()
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it is done"),
    }
}

/// A process that knows nothing of this saga but what it finds: the one that began it died in this step.
async fn after_a_death(fleet: &Fleet, shop: &Shop, saga: impl Saga, step: &str) -> Coordinator {
    let (store, dead) = faulty(fleet, shop).await;
    let door = Door::default();
    shop.order(step, Does::Waits(door.clone()));
    let _started = start_saga(Some(&dead), saga).expect("it starts");
    door.reached().await;
    dies(&store);
    process(fleet, shop).await
}

pub(crate) async fn code_with_other_steps_is_refused_with_the_difference(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = after_a_death(fleet, &shop, order(), "charge").await;
    let told = [
        refusal::<STEP_RENAMED>(&coord).await,
        refusal::<STEPS_EXCHANGED>(&coord).await,
        refusal::<STEP_INSERTED>(&coord).await,
        refusal::<BEGUN_STEP_REMOVED>(&coord).await,
        refusal::<OUTPUT_OF_ANOTHER_TYPE>(&coord).await,
        refusal::<OUTPUT_OF_EACH>(&coord).await,
        refusal::<LAST_STEP_REMOVED>(&coord).await,
    ];
    assert_eq!(
        told,
        [
            "it has run the step `reserve`, and the steps are `book`, `charge` and `ship` now",
            "step 1 was `reserve` with the output `String` and is `charge` with the output `String`",
            "step 1 was `reserve` with the output `String` and is `tell` with the output `String`",
            "it has run the step `charge`, and the steps are `reserve` and `ship` now",
            "step 1 was `reserve` with the output `String` and is `reserve` with the output `Vec<String>`",
            "step 1 was `reserve` with the output `String` and is `reserve` with the output `[String]`",
            "step 3 was `ship` with the output `String` and is not there",
        ]
    );
    assert_eq!(
        shop.asked(),
        ["reserve", "charge"],
        "none of them did anything"
    );
    let done = run_saga(Some(&coord), order()).await.unwrap();
    assert_eq!(
        done.charge, "charge 2",
        "it is still there for its own code"
    );
}

pub(crate) async fn code_that_goes_on_from_what_is_done_is_accepted(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = after_a_death(fleet, &shop, order(), "charge").await;
    let changed = version::<LATER_STEPS_CHANGED>();
    run_saga(Some(&coord), changed).await.unwrap();
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "tell"]);
    let told = refused(run_saga(Some(&coord), order()).await);
    assert_eq!(
        told, "it has run the step `tell`, and the steps are `reserve`, `charge` and `ship` now",
        "what was done since counts"
    );
}

pub(crate) async fn a_step_that_was_left_out_is_not_asked_for_later(fleet: &Fleet) {
    let shop = Shop::default();
    let begun = version::<CHARGE_LEFT_OUT>();
    let coord = after_a_death(fleet, &shop, begun, "ship").await;
    let told = refused(run_saga(Some(&coord), order()).await);
    assert_eq!(
        told,
        "it has left out the step `charge`, which is not left out any more"
    );
    assert_eq!(shop.asked(), ["reserve", "ship"]);
}

pub(crate) async fn recovery_leaves_a_saga_of_other_code_to_that_code(fleet: &Fleet) {
    let shop = Shop::default();
    let begun = version::<STEP_RENAMED>();
    let coord = after_a_death(fleet, &shop, begun, "charge").await;
    let told = refused(run_saga(Some(&coord), order()).await);
    assert_eq!(
        told,
        "it has run the step `book`, and the steps are `reserve`, `charge` and `ship` now"
    );
    let recovered = coord.recover().await.unwrap();
    assert_eq!((recovered.resumed, recovered.failed), (1, 0));
    refused(run_saga(Some(&coord), order()).await);
    let history = coord.sagas().history("Order/7").await.unwrap().unwrap();
    assert_eq!(
        (history.summary.state, history.summary.takeovers),
        (SagaState::Running, 0)
    );
    let ended = run_saga(Some(&coord), version::<STEP_RENAMED>()).await;
    ended.unwrap();
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
}

pub(crate) async fn code_with_fewer_items_than_were_begun_is_refused(fleet: &Fleet) {
    let shop = Shop::default();
    let begun = version::<TWO_ITEMS>();
    let coord = after_a_death(fleet, &shop, begun, "ship").await;
    let told = [
        refusal::<ONE_ITEM>(&coord).await,
        refusal::<NO_ITEM>(&coord).await,
    ];
    assert_eq!(
        told,
        [
            "it has begun item number 2 of the step `charge`, of which there are 1 now",
            "it has begun item number 1 of the step `charge`, of which there are 0 now",
        ]
    );
    let ended = run_saga(Some(&coord), version::<TWO_ITEMS>()).await;
    ended.unwrap();
    assert_eq!(shop.asked(), ["charge", "charge", "ship", "ship"]);
}

/// Nobody knows whether what was cut off beside it was done.
pub(crate) async fn a_neighbour_that_was_cut_off_is_undone_though_it_is_none_any_more(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    let door = Door::default();
    shop.order("reserve", Does::Waits(door.clone()));
    let begun = version::<SIDE_BY_SIDE>();
    let coord = after_a_death(fleet, &shop, begun, "charge").await;
    door.reached().await;
    shop.order("reserve", Does::FailsForGood);
    let ended = run_saga(Some(&coord), version::<ONE_BY_ONE>()).await;
    assert!(
        matches!(&ended, Err(SagaError::Compensated { step, .. }) if step == "reserve"),
        "{ended:?}"
    );
    assert_eq!(shop.asked()[2..], ["reserve", "charge", "refund"]);
}

/// Two versions of one saga, whose first step puts out what is called the same and is not.
macro_rules! receipted {
    ($version:ident, $amount:ty) => {
        mod $version {
            use super::*;

            #[derive(Serialize, Deserialize)]
            pub(super) struct Receipt {
                amount: $amount,
            }

            #[derive(Serialize, Deserialize)]
            pub(super) struct Receipted {}

            type Charged = Result<Receipt, String>;

            impl Saga for Receipted {
                const NAME: &'static str = "Receipted";
                type Outputs = ();

                fn codec() -> InputCodec<Self> {
                    SagaInput::codec()
                }

                fn key(&self) -> Result<Key, Error> {
                    Key::new("7")
                }

                fn steps() -> Vec<Step<Self>> {
                    vec![
                        Step::new(<Charged as StepResult>::into_result, "charge", |_, call| {
                            Box::pin(charge(call))
                        })
                        .undo(does!("refund")),
                        Step::new(<Returned as StepResult>::into_result, "ship", |_, call| {
                            Box::pin(ship(call))
                        }),
                    ]
                }

                fn outputs(_: &Finished<'_>) -> Result<(), Error> {
                    Ok(())
                }
            }

            async fn charge(call: Call<'_>) -> Result<Stored, Failed> {
                let served = call.dep::<Shop>()?.serves("charge", call.context()).await;
                let amount = served.map(|_| Receipt {
                    amount: "7".parse().unwrap(),
                });
                call.finish(StepResult::into_result, amount)
            }

            async fn ship(call: Call<'_>) -> Result<Stored, Failed> {
                call.output(<Charged as StepResult>::read, 0)?;
                let served = call.dep::<Shop>()?.serves("ship", call.context()).await;
                call.finish(StepResult::into_result, served)
            }
        }
    };
}

receipted!(in_numbers, u64);
receipted!(in_text, String);

coord::__private::inventory::submit! { coord::__private::Registered::of::<in_numbers::Receipted>() }

pub(crate) async fn an_output_that_is_read_as_another_is_refused_and_left_to_its_own_code(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    let coord = after_a_death(fleet, &shop, in_numbers::Receipted {}, "ship").await;
    for _ in 0..2 {
        let ended = run_saga(Some(&coord), in_text::Receipted {}).await;
        assert!(
            matches!(&ended, Err(SagaError::Incompatible { difference, .. })
                if difference.contains("the stored output cannot be read")),
            "{ended:?}"
        );
    }
    let left = coord.recover().await.unwrap();
    assert_eq!((left.resumed, left.failed), (0, 0), "it has said so");
    let other = process(fleet, &shop).await;
    let recovered = other.recover().await.unwrap();
    assert_eq!((recovered.resumed, recovered.failed), (1, 0));
    let done = run_saga(Some(&other), in_numbers::Receipted {}).await;
    done.expect("this code reads it");
    assert_eq!(shop.asked(), ["charge", "ship", "ship"]);
}

trait FromAmount {
    fn from_amount(amount: u64) -> Self;
}

impl FromAmount for u64 {
    fn from_amount(amount: u64) -> Self {
        amount
    }
}

impl FromAmount for String {
    fn from_amount(amount: u64) -> Self {
        amount.to_string()
    }
}

/// Charges, which gives a receipt of this type, and ships.
async fn charges<R>(coord: &Coordinator, shop: &Shop) -> Result<String, SagaError>
where
    R: FromAmount + Serialize + for<'de> Deserialize<'de> + Send,
{
    let body = async |saga: &ClosureSaga| {
        let charge = async || shop.does("charge", 1).await.map(|_| R::from_amount(7));
        let refund = async |_: R| shop.does("refund", 1).await.map(drop);
        saga.step("charge", charge).compensate(refund).await?;
        saga.step("ship", async || shop.does("ship", 1).await).await
    };
    coord.saga("receipt:7").run(body).await
}

pub(crate) async fn an_output_of_a_closure_that_is_read_as_another_is_refused_and_left_to_its_own_code(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    let coord = process(fleet, &shop).await;
    let door = Door::default();
    shop.order("ship", Does::Waits(door.clone()));
    tokio::select! {
        ended = charges::<u64>(&coord, &shop) => panic!("{ended:?}"),
        () = door.reached() => {}
    }
    let refused = |ended: Result<String, SagaError>| {
        assert!(
            matches!(&ended, Err(SagaError::Incompatible { difference, .. })
                if difference.contains("the stored output of `charge` cannot be read")),
            "{ended:?}"
        );
    };
    refused(charges::<String>(&coord, &shop).await);
    let done = charges::<u64>(&process(fleet, &shop).await, &shop).await;
    assert_eq!(done.unwrap(), "ship 1");
    refused(charges::<String>(&coord, &shop).await);
    assert_eq!(shop.asked(), ["charge", "ship", "ship"]);
}
