//! What sagas cost, however long they are.

use coord::__private::run_saga;
use coord::Coordinator;
use coord::store::Store as _;
use coord::testing::{FaultStore, Operation};
use coord_tests::fleet::Fleet;
use coord_tests::unique;
use metrics::{Label, set_default_local_recorder};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshot};

use crate::running::until_cleaned_up;
use crate::shop::{Does, Long, Order, Shop, order, process};

/// A process of its own, whose requests are counted.
struct Counted {
    store: FaultStore,
    coord: Coordinator,
    namespace: String,
}

/// What a saga has cost, from its start until it is cleaned up behind.
struct Cost {
    round_trips: usize,
    /// In its head and its log, when it has ended.
    bytes: usize,
}

impl Counted {
    /// It has run a saga before, so that it is a member.
    async fn new(fleet: &Fleet, shop: &Shop) -> Self {
        let store = FaultStore::new(fleet.own_store().await);
        let namespace = unique("cost");
        let coord = Coordinator::builder()
            .store(store.clone())
            .namespace(&namespace)
            .provide(shop.clone())
            .build();
        let counted = Self {
            store,
            coord,
            namespace,
        };
        let first = run_saga(Some(&counted.coord), order());
        until_cleaned_up(&counted.store, first).await.unwrap();
        counted
    }

    async fn cost(&self, run: impl AsyncFnOnce(&Coordinator)) -> Cost {
        self.store.forget_operations();
        until_cleaned_up(&self.store, run(&self.coord)).await;
        let mut asked = self.store.operations();
        // How many there are depends on how long it takes.
        asked.retain(|seen| seen.operation != Operation::Renew);
        let appended = asked
            .iter()
            .find(|seen| seen.operation == Operation::Append);
        let log = &appended.expect("it has a log").keys[0];
        let head = asked.iter().rfind(|seen| seen.operation == Operation::Put);
        let head = &head.expect("it has a head").keys[0];
        assert!(head.starts_with(&self.namespace), "{head}");
        let entries = self.store.read_log(log, 0, usize::MAX).await.unwrap();
        let head = self.store.get_record(head).await.unwrap();
        Cost {
            round_trips: asked.len(),
            bytes: head.expect("it is stored").value.len()
                + entries.iter().map(bytes::Bytes::len).sum::<usize>(),
        }
    }
}

async fn cost_of_items(fleet: &Fleet, items: usize) -> Cost {
    let counted = Counted::new(fleet, &Shop::default()).await;
    counted
        .cost(async |coord| {
            let outputs = run_saga(Some(coord), Long(items)).await;
            assert_eq!(outputs.unwrap().len(), items);
        })
        .await
}

pub(crate) async fn every_step_costs_one_round_trip_and_a_saga_three_however_long_it_is(
    fleet: &Fleet,
) {
    for items in [1, 10, 100, 1000] {
        let cost = cost_of_items(fleet, items).await;
        // One step for each of the items, and a last one.
        let steps = items + 1;
        assert!(
            cost.round_trips <= steps + 3,
            "{} for {steps} steps",
            cost.round_trips
        );
    }
}

pub(crate) async fn what_is_asked_and_stored_grows_as_the_steps_do(fleet: &Fleet) {
    let (some, many) = (
        cost_of_items(fleet, 100).await,
        cost_of_items(fleet, 1000).await,
    );
    assert!(many.round_trips <= 12 * some.round_trips);
    assert!(
        many.bytes <= 12 * some.bytes,
        "{} and {} bytes",
        some.bytes,
        many.bytes
    );
}

/// How often the store was asked for what ends within the run.
fn asked(snapshot: Snapshot, operation: &str) -> usize {
    let label = Label::new("operation", operation.to_owned());
    let times = |value: DebugValue| match value {
        DebugValue::Histogram(times) => times.len(),
        _ => 0,
    };
    snapshot
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "coord_store_operation_duration_seconds")
        .filter(|(key, ..)| key.key().labels().any(|other| *other == label))
        .map(|(.., value)| times(value))
        .sum()
}

/// The first put lists the saga and stores its head, the last one stores how it ended.
pub(crate) async fn a_saga_of_three_steps_is_two_puts_and_two_appends(fleet: &Fleet) {
    let coord = process(fleet, &Shop::default()).await;
    // So that it is a member.
    run_saga(Some(&coord), Long(1)).await.unwrap();
    for operation in ["put", "append"] {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _guard = set_default_local_recorder(&recorder);
        let saga = Order {
            id: operation.to_owned(),
            total: 100,
        };
        run_saga(Some(&coord), saga).await.unwrap();
        assert_eq!(asked(snapshotter.snapshot(), operation), 2, "{operation}");
    }
}

/// The two that were done, and what says why.
pub(crate) async fn undoing_a_step_costs_one_round_trip(fleet: &Fleet) {
    let shop = Shop::default();
    let counted = Counted::new(fleet, &shop).await;
    shop.order("last", Does::Fails(1));
    let cost = counted
        .cost(async |coord| {
            run_saga(Some(coord), Long(10)).await.unwrap_err();
        })
        .await;
    let (steps, undone) = (11, 10);
    assert!(
        cost.round_trips <= steps + undone + 3,
        "{}",
        cost.round_trips
    );
}
