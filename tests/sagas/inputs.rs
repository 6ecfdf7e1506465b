//! Inputs and outputs whose JSON is not what `serde_json` would write of most values.

use coord::saga::SagaState;
use coord::{SagaError, saga};
use coord_tests::fleet::Fleet;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::shop::{Does, Door, Shop, ShopError, process};

/// Kept as it came in.
#[saga("webhook:<id>")]
#[derive(Serialize, Deserialize)]
struct Webhook {
    id: u64,
    payload: Box<RawValue>,
}

#[saga]
impl Webhook {
    #[step]
    async fn take(&self, #[dep] shop: &Shop) -> Result<Box<RawValue>, ShopError> {
        shop.does("take", 1).await?;
        Ok(self.payload.clone())
    }
}

fn webhook() -> Webhook {
    let payload = RawValue::from_string("{\r\n  \"text\": \"a\\nb\"\r\n}".to_owned());
    Webhook {
        id: 1,
        payload: payload.unwrap(),
    }
}

fn is_payload(taken: &RawValue) -> bool {
    taken.get().replace([' ', '\r', '\n'], "") == r#"{"text":"a\nb"}"#
}

/// An amount that 64 bits do not hold.
#[saga("transfer-of:<id>")]
#[derive(Serialize, Deserialize)]
struct TransferOf {
    id: u64,
    wei: u128,
}

#[saga]
impl TransferOf {
    #[step]
    async fn pay(&self, #[dep] shop: &Shop) -> Result<u128, ShopError> {
        shop.does("pay", 1).await?;
        Ok(self.wei)
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_whose_json_has_line_breaks_is_read_again() {
    let (fleet, shop, door) = (Fleet::on_memory(), Shop::default(), Door::default());
    shop.order("take", Does::Waits(door.clone()));
    let (one, other) = (process(&fleet, &shop).await, process(&fleet, &shop).await);
    let handle = webhook().start_with(&one).unwrap();
    door.reached().await;
    one.shutdown().await;
    assert!(handle.wait().await.is_err());
    assert_eq!(other.recover().await.unwrap().resumed, 1);
    for _ in 0..2 {
        let done = webhook().run_with(&other).await.unwrap();
        assert!(is_payload(&done.take), "{}", done.take);
    }
    let third = process(&fleet, &shop).await;
    let done = webhook().run_with(&third).await.unwrap();
    assert!(is_payload(&done.take), "{}", done.take);
    assert_eq!(shop.asked(), ["take", "take"]);
    let history = third.sagas().history(handle.id()).await.unwrap().unwrap();
    assert_eq!(history.summary.state, SagaState::Completed);
}

#[tokio::test(start_paused = true)]
async fn inputs_that_differ_in_a_long_integer_are_other_inputs() {
    const WEI: u128 = 25_000_000_000_000_000_000;
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (one, other) = (process(&fleet, &shop).await, process(&fleet, &shop).await);
    let transfer = |wei| TransferOf { id: 1, wei };
    for coord in [&one, &other] {
        assert_eq!(transfer(WEI).run_with(coord).await.unwrap().pay, WEI);
        let refused = transfer(WEI + 900).run_with(coord).await;
        let refused = refused.map(|done| done.pay).unwrap_err();
        assert!(
            matches!(refused, SagaError::OtherInput { .. }),
            "{refused:?}"
        );
    }
}
