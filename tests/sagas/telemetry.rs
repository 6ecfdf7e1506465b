//! What sagas tell metrics and tracing, with templates in the place of keys.

use std::time::Duration;

use coord::saga::ClosureSaga;
use coord::testing::{Fault, FaultStore, Rule};
use coord::{Context, Coordinator, SagaError, saga};
use coord_tests::fleet::{Fleet, LONG};
use coord_tests::recording::{Recording, Span};
use coord_tests::until;
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshot};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::crashing::let_all_lapse;
use crate::shop::{Does, Door, Shop, process, retries};

/// What is in every rendered key here and in no template.
const SECRET: &str = "customer-4711";
const TEMPLATE: &str = "delivery:<customer>";

#[saga("delivery:<customer>")]
#[derive(Serialize, Deserialize)]
struct Deliver {
    customer: String,
}

#[saga(name = "telemetry.Deliver")]
impl Deliver {
    #[step(compensate = release, retry = retries())]
    async fn reserve(&self, #[dep] shop: &Shop) -> Result<String, String> {
        let reserved = shop.does("reserve", 1).await;
        reserved.map_err(|error| error.to_string())
    }

    async fn release(&self, reserve: &String, #[dep] shop: &Shop) -> Result<(), String> {
        let _ = reserve;
        let released = shop.does("release", 1).await;
        released.map(drop).map_err(|error| error.to_string())
    }

    /// Puts out the correlation id that it sees.
    #[step]
    async fn ship(&self, #[dep] shop: &Shop) -> Result<String, String> {
        let shipped = shop.does("ship", 1).await;
        shipped.map_err(|error| error.to_string())?;
        Ok(correlation_id())
    }
}

fn correlation_id() -> String {
    let context = Context::current().expect("a step is inside of a context");
    context.correlation_id().to_owned()
}

fn deliver(what: &str) -> Deliver {
    Deliver {
        customer: format!("{SECRET} {what}"),
    }
}

/// A process that stands in the shipment and that nobody hears from any more.
async fn dies_shipping(fleet: &Fleet, shop: &Shop, saga: impl AsyncFnOnce(Coordinator, &Door)) {
    let store = FaultStore::new(fleet.own_store().await);
    let coord = Coordinator::builder()
        .store(store.clone())
        .namespace(fleet.namespace())
        .provide(shop.clone())
        .lock_ttl(LONG)
        .build();
    let door = Door::default();
    shop.order("ship", Does::Waits(door.clone()));
    saga(coord, &door).await;
    store.inject(Rule::on_everything(), Fault::BeforeSend);
    let_all_lapse(fleet, &store).await;
}

/// One that is completed, one that is undone, one that gets stuck, and one whose process dies.
async fn all_outcomes(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = process(fleet, &shop).await;
    deliver("completed").run_with(&coord).await.unwrap();

    shop.order("ship", Does::Fails(1));
    let undone = deliver("undone").run_with(&coord).await;
    assert!(matches!(undone, Err(SagaError::Compensated { .. })));

    shop.order("ship", Does::Fails(1));
    shop.order("release", Does::Fails(9));
    let stuck = deliver("stuck").run_with(&coord).await;
    assert!(matches!(stuck, Err(SagaError::Stuck { .. })));

    dies_shipping(fleet, &shop, async |dead, door| {
        deliver("taken over").start_with(&dead).unwrap();
        door.reached().await;
    })
    .await;
    deliver("taken over").run_with(&coord).await.unwrap();
}

/// How often each series of the template was told something, after a look at the labels of all.
fn counts(snapshot: Snapshot) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for (key, _, _, value) in snapshot.into_vec() {
        let (name, labels) = key.key().clone().into_parts();
        let labels: Vec<_> = labels
            .iter()
            .map(|label| (label.key().to_owned(), label.value().to_owned()))
            .collect();
        assert!(!format!("{labels:?}").contains(SECRET), "{labels:?}");
        if labels == [("template".to_owned(), TEMPLATE.to_owned())] {
            let count = match value {
                DebugValue::Counter(count) => count,
                DebugValue::Histogram(values) => values.len() as u64,
                DebugValue::Gauge(_) => panic!("{name:?} is not documented"),
            };
            found.push((name.as_str().to_owned(), count));
        }
    }
    found.sort_unstable();
    found
}

pub(crate) async fn counters_and_histograms_tell_every_outcome(fleet: &Fleet) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = set_default_local_recorder(&recorder);
    all_outcomes(fleet).await;
    let counts = counts(snapshotter.snapshot());
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    let expected = [
        ("coord_saga_compensated_total", 1),
        ("coord_saga_completed_total", 2),
        ("coord_saga_duration_seconds", 2),
        ("coord_saga_failed_total", 2),
        ("coord_saga_recovered_total", 1),
        ("coord_saga_started_total", 4),
        ("coord_saga_step_duration_seconds", 8),
        ("coord_saga_stuck_total", 1),
    ];
    assert_eq!(counts, expected);
}

/// The values of these fields.
fn fields<'s, const N: usize>(span: &'s Span, names: [&str; N]) -> [Option<&'s str>; N] {
    names.map(|name| span.field(name))
}

pub(crate) async fn a_saga_is_one_trace_with_a_span_for_each_attempt(fleet: &Fleet) {
    let recording = Recording::start();
    let shop = Shop::default();
    shop.order("reserve", Does::Fails(1));
    shop.order("ship", Does::Fails(1));
    shop.order("release", Does::Fails(1));
    let coord = process(fleet, &shop).await;
    let request = Context::with_correlation_id("request-7");
    let run = request.scope(deliver("one").run_with(&coord));
    let ended = run.instrument(tracing::info_span!("request")).await;
    assert!(ended.is_err());

    let [saga] = &recording.spans("coord.saga")[..] else {
        panic!("one span");
    };
    assert!(saga.is_in(&recording.spans("request")[0]));
    assert_eq!(
        fields(saga, ["template", "saga", "takeovers", "outcome"]),
        [TEMPLATE, "telemetry.Deliver", "0", "compensated"].map(Some)
    );
    let attempts = [
        ("coord.saga.step", "reserve", "1", "failed"),
        ("coord.saga.step", "reserve", "2", "done"),
        ("coord.saga.step", "ship", "1", "failed"),
        ("coord.saga.compensation", "reserve", "1", "failed"),
        ("coord.saga.compensation", "reserve", "2", "done"),
    ];
    let mut told = recording.spans("coord.saga.step");
    told.extend(recording.spans("coord.saga.compensation"));
    assert_eq!(told.len(), attempts.len());
    for (span, (name, step, attempt, outcome)) in told.iter().zip(attempts) {
        assert!(span.is_in(saga), "{span:?}");
        let told = fields(
            span,
            ["template", "correlation_id", "step", "attempt", "outcome"],
        );
        let expected = [TEMPLATE, "request-7", step, attempt, outcome];
        assert_eq!(told, expected.map(Some), "{name}");
    }
}

/// What links the spans of one saga in two processes, and what its steps see in both.
fn assert_linked(recording: &Recording, template: &str) {
    let [first, second] = &recording.spans("coord.saga")[..] else {
        panic!("one span in each process");
    };
    let names = ["template", "correlation_id", "takeovers"];
    assert_eq!(fields(first, names), [template, "request-7", "0"].map(Some));
    assert_eq!(
        fields(second, names),
        [template, "request-7", "1"].map(Some)
    );
    assert_eq!(second.field("outcome"), Some("completed"));
    let steps = recording.spans("coord.saga.step");
    let correlated = |span: &Span| span.field("correlation_id") == Some("request-7");
    assert!(steps.iter().all(correlated), "{steps:?}");
    assert!(steps.last().unwrap().is_in(second));
}

pub(crate) async fn a_recovered_saga_has_its_correlation_id_back(fleet: &Fleet) {
    let recording = Recording::start();
    let shop = Shop::default();
    dies_shipping(fleet, &shop, async |dead, door| {
        let request = Context::with_correlation_id("request-7");
        let start = request.scope(async { deliver("two").start_with(&dead) });
        start.await.unwrap();
        door.reached().await;
    })
    .await;
    let coord = process(fleet, &shop).await;
    until("its membership to end", async || {
        fleet.let_pass(Duration::from_millis(50)).await;
        (coord.recover().await.unwrap().resumed == 1).then_some(())
    })
    .await;
    let asks = Context::with_correlation_id("request-8");
    let done = asks.scope(deliver("two").run_with(&coord)).await.unwrap();
    assert_eq!(done.ship, "request-7");
    assert_linked(&recording, TEMPLATE);
}

async fn deliver_by_closures(coord: &Coordinator, shop: &Shop) -> Result<String, SagaError> {
    let saga = coord.saga(format!("delivery:{SECRET}"));
    let body = async |saga: &ClosureSaga| {
        assert_eq!(correlation_id(), "request-7", "in the body, too");
        saga.step("reserve", async || shop.does("reserve", 1).await)
            .await?;
        let ship = async || shop.does("ship", 1).await.map(|_| correlation_id());
        saga.step("ship", ship).await
    };
    saga.run(body).await
}

pub(crate) async fn a_saga_of_closures_has_its_correlation_id_back(fleet: &Fleet) {
    let recording = Recording::start();
    let shop = Shop::default();
    dies_shipping(fleet, &shop, async |dead, door| {
        let request = Context::with_correlation_id("request-7");
        tokio::select! {
            ended = request.scope(deliver_by_closures(&dead, &shop)) => panic!("{ended:?}"),
            () = door.reached() => {}
        }
    })
    .await;
    let coord = process(fleet, &shop).await;
    let asks = Context::with_correlation_id("request-8");
    let done = asks.scope(deliver_by_closures(&coord, &shop)).await;
    assert_eq!(done.unwrap(), "request-7");
    assert_linked(&recording, "(text)");
}

pub(crate) async fn no_rendered_key_gets_into_spans_and_events(fleet: &Fleet) {
    let recording = Recording::start();
    all_outcomes(fleet).await;
    let said = recording.everything();
    for told in [
        "saga started",
        "saga taken over",
        "saga undone",
        "saga stuck",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!said.contains(SECRET), "{said}");
}
