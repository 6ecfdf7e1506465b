//! Sagas that are declared by attributes, as the runtime sees them.

use coord::__private::{Definition, Registered, Saga as _};
use coord::{Error, saga};
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
    assert_eq!(steps, [("hotel", "u64"), ("flights", "Option<String>")]);
}

#[test]
fn a_declared_saga_is_found_by_its_name() {
    for name in ["BookTrip", "load-words", "load-numbers"] {
        let found = Registered::find(name).expect("it is registered");
        assert_eq!(found.name(), name);
    }
    assert!(
        Registered::find("Load").is_none(),
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
