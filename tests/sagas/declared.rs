//! Sagas that are declared by attributes, as the runtime sees them.

use std::sync::{Arc, Mutex};

use coord::__private::{Definition, Registered, Saga as _};
use coord::store::MemoryStore;
use coord::{Context, Coordinator, Error, SagaError, StepContext, saga};
use serde::{Deserialize, Serialize};

#[saga("trip:<customer>:<trip.number>")]
#[derive(Serialize, Deserialize)]
struct BookTrip {
    customer: String,
    trip: Trip,
    hotels: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Trip {
    number: u64,
}

#[saga]
impl BookTrip {
    #[step(each = hotels, compensate = cancel)]
    async fn hotel(&self, item: &str) -> Result<u64, String> {
        std::future::ready(Ok(item.len() as u64)).await
    }

    async fn cancel(&self, hotel: &u64) -> Result<(), String> {
        std::future::ready(if *hotel > 0 {
            Ok(())
        } else {
            Err("nothing to cancel".to_owned())
        })
        .await
    }

    #[step(id = "flights", pivot)]
    async fn flight(&self, hotel: &[u64]) -> Result<Option<String>, String> {
        std::future::ready(Ok(hotel.first().map(u64::to_string))).await
    }
}

#[saga("batch:<number>")]
#[derive(Serialize, Deserialize)]
struct Load<T> {
    number: u64,
    items: Vec<T>,
}

#[saga(name = "load-words")]
impl Load<String> {
    #[step]
    async fn count(&self) -> Result<usize, String> {
        std::future::ready(Ok(self.items.len())).await
    }
}

#[saga(name = "load-numbers")]
impl Load<u64> {
    #[step]
    async fn sum(&self) -> Result<u64, String> {
        std::future::ready(Ok(self.items.iter().sum())).await
    }
}

fn trip(customer: &str) -> BookTrip {
    BookTrip {
        customer: customer.to_owned(),
        trip: Trip { number: 7 },
        hotels: vec!["Ritz".to_owned()],
    }
}

#[test]
fn steps_are_those_written_in_the_order_written() {
    let definition = Definition::of::<BookTrip>();
    let steps: Vec<_> = definition.steps().collect();
    assert_eq!(definition.name(), "BookTrip");
    assert_eq!(steps, [("hotel", "[u64]"), ("flights", "Option<String>")]);
}

#[test]
fn a_declared_saga_is_found_by_its_name() {
    for name in ["BookTrip", "load-words", "load-numbers"] {
        let found = Registered::find(name).unwrap().expect("it is registered");
        assert_eq!(found.name(), name);
    }
    assert!(
        Registered::find("Load").unwrap().is_none(),
        "one of a generic struct has a name of its own"
    );
}

#[test]
fn the_key_is_made_of_fields() {
    assert_eq!(trip("Ada:1").key().unwrap().as_str(), "trip:Ada%3A1:7");
    assert!(matches!(trip("").key(), Err(Error::InvalidKey { .. })));
}

#[tokio::test]
async fn methods_can_be_called_by_hand() {
    let trip = trip("Ada");
    let hotel = trip.hotel(&trip.hotels[0]).await.unwrap();
    assert_eq!(trip.flight(&[hotel]).await.unwrap().as_deref(), Some("4"));
    trip.cancel(&hotel).await.unwrap();
    let words = Load {
        number: 1,
        items: vec!["one".to_owned()],
    };
    let numbers = Load {
        number: 1,
        items: vec![20, 22],
    };
    assert_eq!((words.count().await, numbers.sum().await), (Ok(1), Ok(42)));
}

/// The fake gateway: it writes down what was asked of it.
#[derive(Clone, Default)]
struct Gateway(Arc<Mutex<Vec<String>>>);

impl Gateway {
    async fn does(&self, what: String) {
        tokio::task::yield_now().await;
        self.0.lock().unwrap().push(what);
    }
}

/// An order whose shipment fails if there is nothing to ship.
#[saga("shop:<order_id>")]
#[derive(Serialize, Deserialize)]
struct Shop {
    order_id: u64,
    items: Vec<String>,
    gift: bool,
}

#[saga]
impl Shop {
    #[step(each = items, compensate = release)]
    async fn reserve(&self, item: &str, #[dep] gateway: &Gateway) -> Result<usize, String> {
        gateway.does(format!("reserve {item}")).await;
        Ok(item.len())
    }

    async fn release(
        &self,
        reserve: &usize,
        item: &String,
        #[dep] gateway: &Gateway,
    ) -> Result<(), String> {
        gateway.does(format!("release {item} of {reserve}")).await;
        Ok(())
    }

    #[step(when = is_gift)]
    async fn wrap(&self, reserve: &[usize]) -> Result<String, String> {
        std::future::ready(Ok(format!("{} in paper", reserve.len()))).await
    }

    fn is_gift(&self, reserve: &[usize]) -> bool {
        self.gift && !reserve.is_empty()
    }

    #[step(compensate = refund)]
    async fn charge(
        &self,
        ctx: &StepContext,
        reserve: &[usize],
        #[dep] gateway: &Gateway,
    ) -> Result<usize, String> {
        gateway.does(format!("charge {}", ctx.attempt())).await;
        Ok(reserve.iter().sum())
    }

    async fn refund(&self, charge: Option<&usize>, #[dep] gateway: &Gateway) -> Result<(), String> {
        gateway.does(format!("refund {charge:?}")).await;
        Ok(())
    }

    #[step(pivot)]
    async fn ship(&self, charge: &usize, wrap: Option<&String>) -> Result<String, String> {
        let parcel = format!("{charge} paid, {wrap:?}");
        std::future::ready(if *charge > 3 {
            Ok(parcel)
        } else {
            Err("too little".to_owned())
        })
        .await
    }
}

fn shop(items: &[&str], gift: bool) -> Shop {
    Shop {
        order_id: 1,
        items: items.iter().map(|&item| item.to_owned()).collect(),
        gift,
    }
}

fn coordinator(gateway: &Gateway) -> Coordinator {
    Coordinator::builder()
        .store(MemoryStore::new())
        .provide(gateway.clone())
        .build()
}

#[tokio::test(start_paused = true)]
async fn each_parameter_is_given_what_it_stands_for() {
    let gateway = Gateway::default();
    let coord = coordinator(&gateway);
    let done = shop(&["cup", "pot"], true).run_with(&coord).await.unwrap();
    assert_eq!((done.reserve, done.charge), (vec![3, 3], 6));
    assert_eq!(done.wrap.as_deref(), Some("2 in paper"));
    assert_eq!(done.ship, "6 paid, Some(\"2 in paper\")");
    let asked = gateway.0.lock().unwrap().clone();
    assert_eq!(asked, ["reserve cup", "reserve pot", "charge 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_skipped_has_no_output() {
    let coord = coordinator(&Gateway::default());
    let started = coord
        .scope(async { shop(&["kettle"], false).start() })
        .await
        .unwrap();
    let done = started.wait().await.unwrap();
    assert_eq!((done.wrap, done.ship), (None, "6 paid, None".to_owned()));
}

#[saga("known:<id>")]
#[derive(Serialize, Deserialize)]
struct Known {
    id: u64,
}

#[saga]
impl Known {
    #[step]
    async fn told(&self, ctx: &StepContext) -> Result<[Option<String>; 3], String> {
        let around = Context::current().ok_or("a step is inside of a context")?;
        let (saga, lock) = (around.saga_id(), around.lock_key());
        let told = [Some(ctx.saga_id()), saga, lock].map(|text| text.map(str::to_owned));
        std::future::ready(Ok(told)).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_and_its_context_know_the_saga() {
    let coord = coordinator(&Gateway::default());
    let started = coord.scope(async { Known { id: 7 }.start() }).await;
    let started = started.unwrap();
    let told = started.wait().await.unwrap().told;
    assert_eq!(started.id(), "Known/known:7");
    assert_eq!(
        told,
        [Some(started.id()), Some(started.id()), None].map(|id| id.map(str::to_owned))
    );
    let outside = Context::create().scope(async {
        let around = Context::current().unwrap();
        around.saga_id().map(str::to_owned)
    });
    assert_eq!(outside.await, None);
}

/// Two processes, the second of which reads what the first has stored.
#[tokio::test(start_paused = true)]
async fn an_output_of_nothing_is_an_output() {
    let store: Arc<dyn coord::store::Store> = Arc::new(MemoryStore::new());
    for _ in 0..2 {
        let coord = Coordinator::builder().store(Arc::clone(&store)).build();
        let mut trip = trip("Ada");
        trip.hotels.clear();
        assert_eq!(trip.run_with(&coord).await.unwrap().flight, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_undone_with_what_it_put_out() {
    let gateway = Gateway::default();
    let coord = coordinator(&gateway);
    let failed = coord
        .scope(shop(&["a", "b"], true).run())
        .await
        .unwrap_err();
    assert!(matches!(failed, SagaError::Compensated { step, .. } if step == "ship"));
    let asked = gateway.0.lock().unwrap().clone();
    assert_eq!(
        asked[3..],
        ["refund Some(2)", "release b of 1", "release a of 1"]
    );
}

#[tokio::test]
async fn a_dependency_that_is_not_provided_is_missed_at_the_start() {
    let coord = Coordinator::builder().store(MemoryStore::new()).build();
    let refused = shop(&[], false).start_with(&coord).unwrap_err();
    assert!(refused.to_string().contains("Gateway"), "{refused}");
}
