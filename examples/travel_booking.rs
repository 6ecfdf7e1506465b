//! A journey: flight, hotel and car are booked side by side, and all of them or none.
//!
//! `cargo run --example travel_booking`
//!
//! Until the tickets are issued everything can be cancelled. Behind that there is no way back, so what fails
//! there is tried again. Insurance is for those who want it.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coord::store::SqliteStore;
use coord::{Coordinator, SagaError, StepContext, saga};
use serde::{Deserialize, Serialize};

#[saga("journey:<number>")]
#[derive(Serialize, Deserialize)]
struct BookJourney {
    number: u64,
    city: String,
    insured: bool,
}

/// Each step is given the same key at every attempt. A compensation is given what the step put out.
#[saga]
impl BookJourney {
    #[step(parallel, compensate = cancel_flight)]
    async fn flight(&self, ctx: &StepContext, #[dep] agency: &Agency) -> Result<Booking, String> {
        agency.book("flight", &self.city, ctx).await
    }

    async fn cancel_flight(&self, flight: &Booking, #[dep] agency: &Agency) -> Result<(), String> {
        agency.cancel(flight).await
    }

    #[step(parallel, compensate = cancel_hotel)]
    async fn hotel(&self, ctx: &StepContext, #[dep] agency: &Agency) -> Result<Booking, String> {
        agency.book("hotel", &self.city, ctx).await
    }

    async fn cancel_hotel(&self, hotel: &Booking, #[dep] agency: &Agency) -> Result<(), String> {
        agency.cancel(hotel).await
    }

    #[step(parallel, compensate = cancel_car)]
    async fn car(&self, ctx: &StepContext, #[dep] agency: &Agency) -> Result<Booking, String> {
        agency.book("car", &self.city, ctx).await
    }

    async fn cancel_car(&self, car: &Booking, #[dep] agency: &Agency) -> Result<(), String> {
        agency.cancel(car).await
    }

    /// Begins when all three are booked.
    #[step(when = is_insured, compensate = cancel_insurance)]
    async fn insurance(
        &self,
        ctx: &StepContext,
        #[dep] agency: &Agency,
    ) -> Result<Booking, String> {
        agency.book("insurance", &self.city, ctx).await
    }

    fn is_insured(&self) -> bool {
        self.insured
    }

    async fn cancel_insurance(
        &self,
        insurance: &Booking,
        #[dep] agency: &Agency,
    ) -> Result<(), String> {
        agency.cancel(insurance).await
    }

    /// The point of no return: tickets are not taken back.
    #[step(pivot)]
    async fn ticketing(
        &self,
        flight: &Booking,
        ctx: &StepContext,
        #[dep] agency: &Agency,
    ) -> Result<Booking, String> {
        agency.book("ticket", &flight.0, ctx).await
    }

    /// If it fails for good, the saga is stuck: somebody mends the cause and resumes it. What was optional is
    /// an `Option`.
    #[step(retry = "fast")]
    async fn itinerary(
        &self,
        ctx: &StepContext,
        ticketing: &Booking,
        hotel: &Booking,
        car: &Booking,
        insurance: Option<&Booking>,
        #[dep] agency: &Agency,
    ) -> Result<String, String> {
        let insurance = insurance.map_or("no insurance", |insurance| &insurance.0);
        let text = [&ticketing.0, &hotel.0, &car.0, insurance].join(", ");
        agency.print(&text, ctx.attempt()).await?;
        Ok(text)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Booking(String);

/// Books what there is. There are no cars in Venice.
#[derive(Clone, Default)]
struct Agency(Arc<Mutex<Vec<String>>>);

impl Agency {
    async fn book(&self, what: &str, about: &str, ctx: &StepContext) -> Result<Booking, String> {
        // The others of the three are on their way now.
        tokio::time::sleep(Duration::from_millis(20)).await;
        if (what, about) == ("car", "Venice") {
            println!("  there is no car in Venice");
            return Err("there are no roads".to_owned());
        }
        println!("  booked: {what}, key {}", ctx.idempotency_key());
        self.note(format!("book {what}"));
        Ok(Booking(format!("{what} ({about})")))
    }

    async fn cancel(&self, booking: &Booking) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        println!("  cancelled: {}", booking.0);
        self.note(format!("cancel {}", booking.0));
        Ok(())
    }

    /// Fails at the first attempt.
    async fn print(&self, text: &str, attempt: u32) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if attempt == 1 {
            println!("  the printer has no paper");
            return Err("the printer has no paper".to_owned());
        }
        println!("  printed: {text}");
        Ok(())
    }

    fn note(&self, what: String) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(what);
    }

    /// What was done since the last look.
    fn noted(&self) -> Vec<String> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut noted)
    }
}

fn journey(number: u64, city: &str, insured: bool) -> BookJourney {
    BookJourney {
        number,
        city: city.to_owned(),
        insured,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let agency = Agency::default();
    // The agency is in memory, so this file ends with it. A service keeps its own.
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("coord.db")).await?;
    let coord = Coordinator::builder()
        .store(store)
        .provide(agency.clone())
        .build();
    coord.install()?;
    println!("{}", BookJourney::diagram());

    for (number, insured) in [(1, true), (2, false)] {
        println!("journey {number}, to Rome:");
        let done = journey(number, "Rome", insured).run().await?;
        assert_eq!(done.insurance.is_some(), insured);
        assert_eq!(agency.noted().len(), 4 + usize::from(insured));
    }

    println!("journey 3, to Venice:");
    let Err(failure @ SagaError::Compensated { .. }) = journey(3, "Venice", true).run().await
    else {
        return Err("a journey without a car must be undone".into());
    };
    println!("  {failure}");
    // The two went on until they were booked, and were then cancelled, the one written last first.
    let noted = agency.noted();
    assert_eq!(
        noted[2..],
        ["cancel hotel (Venice)", "cancel flight (Venice)"]
    );

    coord.shutdown().await;
    Ok(())
}
