//! `coord saga`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coord::{Coordinator, Jitter, RetryPolicy, SagaError, SagaState, saga};
use coord_tests::{store_at, until};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::commands::{Place, Running};
use crate::golden::assert_golden;

const ID: &str = "Trip/trip:7";

/// What the steps ask.
#[derive(Clone, Default)]
struct Agency {
    refunds: Arc<AtomicBool>,
    opened: Arc<Notify>,
}

/// One more attempt, always after the same time.
fn once_more() -> RetryPolicy {
    let policy = RetryPolicy::builder().max_retries(1).jitter(Jitter::None);
    policy.initial_delay(Duration::from_millis(1)).build()
}

#[saga("trip:<number>")]
#[derive(Serialize, Deserialize)]
struct Trip {
    number: u64,
    flies: bool,
    waits: bool,
}

#[expect(clippy::unused_async, reason = "steps are asynchronous")]
#[saga(name = "Trip")]
impl Trip {
    #[step(compensate = refund, retry = once_more())]
    async fn charge(&self, #[dep] agency: &Agency) -> Result<String, String> {
        if self.waits {
            agency.opened.notified().await;
        }
        Ok("charged".to_owned())
    }

    async fn refund(&self, _charge: &String, #[dep] agency: &Agency) -> Result<(), String> {
        if agency.refunds.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err("the bank is \u{1b}[1mclosed".to_owned())
    }

    #[step(retry(max_retries = 0))]
    async fn fly(&self) -> Result<u32, String> {
        if self.flies {
            return Ok(12);
        }
        Err("no plane".to_owned())
    }
}

/// A visit to somebody who can be busy, and is asked again after an hour.
#[saga("visit:<number>")]
#[derive(Serialize, Deserialize)]
struct Visit {
    number: u64,
}

#[expect(clippy::unused_async, reason = "steps are asynchronous")]
#[saga]
impl Visit {
    #[step(retry(max_retries = 100, initial_delay = "1h", max_delay = "1h"))]
    async fn call(&self, #[dep] agency: &Agency) -> Result<u64, String> {
        if agency.refunds.load(Ordering::SeqCst) {
            return Ok(self.number);
        }
        Err("busy".to_owned())
    }
}

/// A process of the service, which knows the saga.
async fn service(place: &Place, agency: &Agency) -> Coordinator {
    Coordinator::builder()
        .store(store_at(&place.url).await)
        .namespace(&place.namespace)
        .provide(agency.clone())
        .build()
}

async fn travel(service: &Coordinator, number: u64, flies: bool) -> Result<(), SagaError> {
    let trip = Trip {
        number,
        flies,
        waits: false,
    };
    trip.run_with(service).await.map(drop)
}

/// A trip that was charged, does not fly, and cannot be refunded.
async fn stuck(place: &Place) -> (Coordinator, Agency) {
    let agency = Agency::default();
    let service = service(place, &agency).await;
    let error = travel(&service, 7, false).await.unwrap_err();
    assert!(matches!(error, SagaError::Stuck { .. }), "{error:?}");
    (service, agency)
}

async fn state(service: &Coordinator) -> SagaState {
    let saga = service.sagas().history(ID).await.unwrap();
    saga.expect("it is stored").summary.state
}

pub(crate) async fn sagas_are_listed_and_shown(place: &Place) {
    assert_eq!(
        place.answer(&["saga", "list"]).await,
        "There are no sagas.\n"
    );
    let (service, _) = stuck(place).await;
    travel(&service, 8, true).await.unwrap();
    assert_golden("saga_list", &place.answer(&["saga", "list"]).await);
    assert_golden("saga_show", &place.answer(&["saga", "show", ID]).await);
    let json = place.json(&["saga", "show", "Trip/trip:8"]).await;
    assert_eq!(
        json["input"],
        serde_json::json!({"number": 8, "flies": true, "waits": false})
    );
    assert_eq!(json["state"], "completed");
    let outputs = json["history"].as_array().unwrap().iter();
    let outputs: Vec<_> = outputs
        .map(|event| &event["output"])
        .filter(|one| !one.is_null())
        .collect();
    assert_eq!(
        outputs,
        [&serde_json::json!("charged"), &serde_json::json!(12)]
    );
    let json = place.json(&["saga", "list", "--state", "stuck"]).await;
    assert_eq!(json["sagas"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&json["sagas"][0]["id"], &json["more"]),
        (&ID.into(), &false.into())
    );
    assert_eq!(json["sagas"][0]["failure"]["step"], "charge");
    for (limit, listed, more) in [("1", 1, true), ("2", 2, false), ("3", 2, false)] {
        let json = place.json(&["saga", "list", "--limit", limit]).await;
        assert_eq!(
            (json["sagas"].as_array().unwrap().len(), &json["more"]),
            (listed, &more.into()),
            "at most {limit}"
        );
    }
    let json = place.json(&["saga", "list", "--name", "Other"]).await;
    assert_eq!(json["sagas"], serde_json::json!([]));
    service.shutdown().await;
}

pub(crate) async fn a_stuck_saga_is_resumed_by_a_process_of_the_service(place: &Place) {
    let (service, agency) = stuck(place).await;
    agency.refunds.store(true, Ordering::SeqCst);
    assert_golden("saga_resume", &place.answer(&["saga", "retry", ID]).await);
    assert_eq!(state(&service).await, SagaState::Running);
    assert_eq!(service.recover().await.unwrap().resumed, 1);
    until("it to be undone", async || {
        (state(&service).await == SagaState::Compensated).then_some(())
    })
    .await;
    service.shutdown().await;
}

/// An import of one step that can be undone only once the disk has room.
async fn import(service: &Coordinator, has_room: bool) -> Result<(), SagaError> {
    let saga = service.saga("import:7");
    saga.run(async move |saga| {
        saga.step("load", async || Ok::<_, String>(100))
            .compensate(async move |_| has_room.then_some(()).ok_or("the disk is full"))
            .await?;
        saga.step("check", async || Err::<(), _>("it is not whole"))
            .await
    })
    .await
}

pub(crate) async fn a_stuck_saga_of_closures_goes_on_with_its_next_call(place: &Place) {
    let service = place.service().await;
    let error = import(&service, false).await.unwrap_err();
    assert!(matches!(error, SagaError::Stuck { .. }), "{error:?}");
    let resume = ["saga", "resume", "closures/import:7"];
    assert_golden("saga_resume_closures", &place.answer(&resume).await);
    let recovered = service.recover().await.unwrap();
    assert_eq!(recovered.resumed, 0, "no process knows its steps");
    let error = import(&service, true).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    service.shutdown().await;
}

pub(crate) async fn a_stuck_saga_is_skipped(place: &Place) {
    let (service, _) = stuck(place).await;
    let skip = ["saga", "skip", ID, "--reason", "refunded by hand"];
    let said = place.run(&skip).await;
    assert_eq!(said.code, Some(2), "nobody is there to be asked");
    assert_eq!(state(&service).await, SagaState::Stuck);
    let json = place.json(&[&skip[..], &["--yes"]].concat()).await;
    assert_eq!(json, serde_json::json!({"id": ID, "done": "skipped"}));
    service.recover().await.unwrap();
    until("it to be undone", async || {
        (state(&service).await == SagaState::Compensated).then_some(())
    })
    .await;
    let shown = place.answer(&["saga", "show", ID]).await;
    assert!(shown.contains("refunded by hand"), "{shown}");
    service.shutdown().await;
}

pub(crate) async fn a_stuck_saga_is_abandoned(place: &Place) {
    let (service, _) = stuck(place).await;
    let abandon = ["saga", "abandon", ID, "--reason", "the bank is gone"];
    assert_eq!(place.run(&abandon).await.code, Some(2));
    let said = place.answer(&[&abandon[..], &["--yes"]].concat()).await;
    assert_eq!(said, "`Trip/trip:7` is abandoned.\n");
    assert_eq!(state(&service).await, SagaState::Abandoned);
    let json = place.json(&["saga", "show", ID]).await;
    assert_eq!(json["failure"]["error"], "the bank is gone");
    service.shutdown().await;
}

pub(crate) async fn a_saga_is_watched_to_its_end(place: &Place) {
    let agency = Agency::default();
    let service = service(place, &agency).await;
    let traveller = service.clone();
    let trip = tokio::spawn(async move {
        let trip = Trip {
            number: 7,
            flies: true,
            waits: true,
        };
        trip.run_with(&traveller).await.map(drop)
    });
    until("it to be stored", async || {
        service.sagas().history(ID).await.unwrap().map(drop)
    })
    .await;
    // It is told of what happens, and does not look by itself.
    let watch = ["saga", "watch", ID, "--every", "1h"];
    let mut watching = Running::start(place.command(&watch));
    let first = watching.line().await;
    assert!(first.ends_with("  started  charge"), "{first}");
    assert_eq!(watching.line().await, "it is running");
    agency.opened.notify_one();
    trip.await.unwrap().unwrap();
    let said = watching.end().await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_golden("saga_watch", &said.out);

    let said = place.run(&[&watch[..], &["--json"]].concat()).await;
    let lines: Vec<serde_json::Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["event"], "started");
    assert_eq!(lines.last().unwrap()["state"], "completed");
    service.shutdown().await;
}

pub(crate) async fn a_saga_that_waits_for_its_next_attempt_makes_it_when_it_is_retried(
    place: &Place,
) {
    const ID: &str = "Visit/visit:7";
    let agency = Agency::default();
    let service = service(place, &agency).await;
    let visit = Visit { number: 7 }.start_with(&service).unwrap();
    until("it to have failed", async || {
        let history = service.sagas().history(ID).await.unwrap()?;
        let mut events = history.events.iter();
        events
            .any(|event| event.retry_after.is_some())
            .then_some(())
    })
    .await;
    agency.refunds.store(true, Ordering::SeqCst);
    assert_golden("saga_retry", &place.answer(&["saga", "retry", ID]).await);
    assert_eq!(visit.wait().await.unwrap().call, 7);
    service.shutdown().await;
}

pub(crate) async fn only_what_is_stuck_is_set_right(place: &Place) {
    let agency = Agency::default();
    let service = service(place, &agency).await;
    travel(&service, 7, true).await.unwrap();
    let mut said_all = String::new();
    for (arguments, id) in [
        (&["resume"][..], ID),
        (&["skip", "--reason", "because", "--yes"], ID),
        (&["abandon", "--reason", "because", "--yes"], ID),
        (&["skip", "--reason", " ", "--yes"], ID),
        (&["resume"], "Trip/9"),
        (&["show"], "Trip/9"),
        (&["show"], "nothing"),
        (&["watch"], "Trip/9"),
    ] {
        let said = place.run(&[&["saga"], arguments, &[id]].concat()).await;
        let is_usage = arguments.contains(&" ");
        assert_eq!(
            (said.code, &*said.out),
            (Some(if is_usage { 2 } else { 1 }), ""),
            "{said:?}"
        );
        said_all += &said.err;
    }
    assert_golden("saga_refusals", &said_all);
    service.shutdown().await;
}
