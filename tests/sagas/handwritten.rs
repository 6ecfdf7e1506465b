//! A saga as `#[saga]` expands to it, written by hand.
//!
//! What stands between the two lines is what the attributes are to emit for this, besides methods that are one
//! call each: `run(self)` is `run_saga(None, self)`, `run_with(self, coord: &Coordinator)` is
//! `run_saga(Some(coord), self)`, and `start` and `start_with` are `start_saga`.
//!
//!
//! ```ignore
//! #[saga("order:<order_id>")]
//! #[derive(Serialize, Deserialize)]
//! struct PlaceOrder { order_id: u64, items: Vec<String>, gift: bool }
//!
//! #[saga]
//! impl PlaceOrder {
//!     #[step(each = items, compensate = release)]
//!     async fn reserve(&self, item: &str, ctx: &StepContext, #[dep] shop: &Shop) -> Result<Reservation, ShopError>;
//!     async fn release(&self, item: &str, reserve: Option<&Reservation>, #[dep] shop: &Shop) -> Result<(), ShopError>;
//!
//!     #[step(when = is_gift)]
//!     async fn wrap(&self, reserve: &[Reservation]) -> Result<String, ShopError>;
//!     fn is_gift(&self) -> bool;
//!
//!     #[step(compensate = refund, retry = …, timeout = "10s")]
//!     async fn charge(&self, wrap: Option<&String>, ctx: &StepContext, #[dep] shop: &Shop) -> Result<Charge, ShopError>;
//!     async fn refund(&self, charge: &Charge, #[dep] shop: &Shop) -> Result<(), ShopError>;
//! }
//! ```

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use coord::StepContext;
use serde::{Deserialize, Serialize};

/// The fake services: they write down what was asked of them.
#[derive(Debug, Default)]
struct Shop(Mutex<Vec<String>>);

impl Shop {
    async fn does(&self, what: impl Into<String>) {
        tokio::task::yield_now().await;
        self.0.lock().unwrap().push(what.into());
    }
}

#[derive(Debug)]
struct ShopError(&'static str);

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation(String);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Charge(u64);

#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
    gift: bool,
}

impl PlaceOrder {
    async fn reserve(
        &self,
        item: &str,
        ctx: &StepContext,
        shop: &Shop,
    ) -> Result<Reservation, ShopError> {
        shop.does(format!("reserve {item} {}", ctx.attempt())).await;
        Ok(Reservation(item.to_owned()))
    }

    async fn release(
        &self,
        item: &str,
        reserve: Option<&Reservation>,
        shop: &Shop,
    ) -> Result<(), ShopError> {
        shop.does(format!("release {item} {}", reserve.is_some()))
            .await;
        Ok(())
    }

    async fn wrap(&self, reserve: &[Reservation]) -> Result<String, ShopError> {
        tokio::task::yield_now().await;
        Ok(format!("{} in paper", reserve.len()))
    }

    fn is_gift(&self) -> bool {
        self.gift
    }

    async fn charge(
        &self,
        wrap: Option<&String>,
        ctx: &StepContext,
        shop: &Shop,
    ) -> Result<Charge, ShopError> {
        shop.does(format!("charge {wrap:?} {}", ctx.attempt()))
            .await;
        if self.items.is_empty() {
            return Err(ShopError("nothing to pay for"));
        }
        Ok(Charge(self.order_id))
    }

    async fn refund(&self, charge: &Charge, shop: &Shop) -> Result<(), ShopError> {
        shop.does(format!("refund {}", charge.0)).await;
        Ok(())
    }
}

// ------------------------------------------------------------------------------------------ what is emitted

/// What the steps of [`PlaceOrder`] have put out.
#[derive(Debug)]
#[allow(dead_code, reason = "public in a library")]
struct PlaceOrderOutputs {
    /// A step with `each`.
    reserve: Vec<::coord::__private::OutputOf<Result<Reservation, ShopError>>>,
    /// A step with `when`.
    wrap: Option<::coord::__private::OutputOf<Result<String, ShopError>>>,
    charge: ::coord::__private::OutputOf<Result<Charge, ShopError>>,
}

impl ::coord::__private::Saga for PlaceOrder {
    const NAME: &'static str = "PlaceOrder";

    type Outputs = PlaceOrderOutputs;

    fn key(&self) -> Result<::coord::__private::Key, ::coord::__private::Error> {
        ::coord::__private::Renderer::new("order:<order_id>")
            .literal("order:")
            .value("order_id", &self.order_id, "")
            .finish()
    }

    fn steps() -> Vec<::coord::__private::Step<Self>> {
        vec![
            // An argument that is an item, a context, a dependency or an output comes from `call`; so a step's
            // method is called with a list of those. The types of outputs are pinned, since they are read
            // from the store as what they are asked for.
            ::coord::__private::Step::new::<Result<Reservation, ShopError>>(
                "reserve",
                |saga: &PlaceOrder, call| {
                    Box::pin(async move {
                        call.finish(
                            saga.reserve(&saga.items[call.item()], call.context(), call.dep()?)
                                .await,
                        )
                    })
                },
            )
            .each(|saga| saga.items.len())
            .needs::<Shop>()
            .undo_unknown(|saga, call| {
                Box::pin(async move {
                    call.finish(
                        saga.release(
                            &saga.items[call.item()],
                            call.undone_if_known::<
                                ::coord::__private::OutputOf<Result<Reservation, ShopError>>,
                            >()?,
                            call.dep()?,
                        )
                        .await,
                    )
                })
            })
            .needs::<Shop>(),
            ::coord::__private::Step::new::<Result<String, ShopError>>(
                "wrap",
                |saga: &PlaceOrder, call| {
                    Box::pin(async move {
                        call.finish(
                            saga.wrap(call.outputs::<::coord::__private::OutputOf<
                                Result<Reservation, ShopError>,
                            >>(0)?)
                                .await,
                        )
                    })
                },
            )
            .when(|saga, _call| Ok(saga.is_gift())),
            ::coord::__private::Step::new::<Result<Charge, ShopError>>(
                "charge",
                |saga: &PlaceOrder, call| {
                    Box::pin(async move {
                        call.finish(
                            saga.charge(
                                call.optional::<
                                    ::coord::__private::OutputOf<Result<String, ShopError>>,
                                >(1)?,
                                call.context(),
                                call.dep()?,
                            )
                            .await,
                        )
                    })
                },
            )
            .needs::<Shop>()
            .retry(&::coord::__private::RetryPolicy::fast())
            .timeout(Duration::from_secs(10))
            .undo(|saga, call| {
                Box::pin(async move {
                    call.finish(
                        saga.refund(
                            call.undone::<::coord::__private::OutputOf<Result<Charge, ShopError>>>(
                            )?,
                            call.dep()?,
                        )
                        .await,
                    )
                })
            }),
        ]
    }

    fn outputs(
        finished: &::coord::__private::Finished<'_>,
    ) -> Result<Self::Outputs, ::coord::__private::Error> {
        Ok(PlaceOrderOutputs {
            reserve: finished.take_all(0)?,
            wrap: finished.take_optional(1)?,
            charge: finished.take(2)?,
        })
    }
}

::coord::__private::inventory::submit! { ::coord::__private::Registered::of::<PlaceOrder>() }

// ---------------------------------------------------------------------------------------------------------

#[test]
fn a_saga_that_is_compiled_in_is_found_by_its_name() {
    let found = coord::__private::Registered::find("PlaceOrder").expect("it is registered");
    assert_eq!(found.name(), "PlaceOrder");
    let steps: Vec<_> = found.steps().collect();
    assert_eq!(
        steps,
        [
            ("reserve", "[Reservation]"),
            ("wrap", "String"),
            ("charge", "Charge")
        ]
    );
    assert!(coord::__private::Registered::find("PlaceOrders").is_none());
}
