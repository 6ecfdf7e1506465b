//! Orders in which locks are taken, and those that contradict each other. The record is of the whole process, so each
//! test has templates of its own.

use coord::lock::{LockCycle, LockEdge};
use coord::{Coordinator, Error, key, lock_order, locked};
use coord_tests::recording::Recording;
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// What was recorded of templates that begin so.
fn edges(prefix: &str) -> Vec<LockEdge> {
    let edges = lock_order().edges.into_iter();
    edges
        .filter(|edge| edge.outer.template.starts_with(prefix))
        .collect()
}

fn cycles(prefix: &str) -> Vec<LockCycle> {
    let is_one = |cycle: &LockCycle| cycle.edges[0].outer.template.starts_with(prefix);
    lock_order().cycles.into_iter().filter(is_one).collect()
}

#[locked("once:outer:<id>")]
async fn outer(id: u64) -> Result<(), Error> {
    inner(id).await
}

#[locked("once:inner:<id>")]
async fn inner(id: u64) -> Result<(), Error> {
    let _ = id;
    Ok(())
}

#[tokio::test]
async fn what_is_locked_inside_of_what_is_recorded_with_places_and_how_often() {
    let coord = Coordinator::builder().build();
    for id in 0..3 {
        coord.scope(outer(id)).await.unwrap();
        coord.scope(inner(id)).await.unwrap();
    }
    let edges = edges("once:");
    let [edge] = &*edges else {
        panic!("one edge: {edges:?}");
    };
    assert_eq!(
        (edge.outer.template, edge.inner.template),
        ("once:outer:<id>", "once:inner:<id>")
    );
    assert_eq!(
        (edge.outer.kind, edge.inner.kind, edge.count),
        ("lock", "lock", 3)
    );
    let source: Vec<_> = include_str!("ordering.rs").lines().collect();
    for site in [edge.outer, edge.inner] {
        assert!(site.file.ends_with("ordering.rs"));
        let line = source[usize::try_from(site.line).unwrap() - 1];
        assert!(line.contains(site.template), "{line}");
    }
    assert_eq!(cycles("once:"), []);
}

/// Asks for one inside of the other.
async fn nested(coord: &Coordinator, outer: coord::Key, inner: coord::Key) {
    let within = coord
        .lock(outer)
        .run(async |_| coord.lock(inner).run(async |_| Ok::<_, Error>(())).await);
    within.await.unwrap();
}

#[tokio::test]
async fn orders_that_contradict_each_other_are_told_once_and_before_anything_happens() {
    let recording = Recording::start();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = set_default_local_recorder(&recorder);
    let coord = Coordinator::builder().build();
    let keys = |id: u64| {
        [
            key!("cycle:a:<id>"),
            key!("cycle:b:<id>"),
            key!("cycle:c:<id>"),
        ]
        .map(Result::unwrap)
    };
    for id in [1, 2] {
        let [a, b, c] = keys(id);
        nested(&coord, a.clone(), b.clone()).await;
        nested(&coord, b, c.clone()).await;
        assert_eq!(cycles("cycle:").len(), usize::from(id == 2));
        nested(&coord, c, a).await;
    }
    let cycles = cycles("cycle:");
    let [cycle] = &*cycles else {
        panic!("one cycle: {cycles:?}");
    };
    let templates: Vec<_> = cycle.edges.iter().map(|edge| edge.outer.template).collect();
    assert_eq!(templates, ["cycle:c:<id>", "cycle:a:<id>", "cycle:b:<id>"]);
    let text = cycle.to_string();
    assert_eq!(text.matches("ordering.rs:").count(), 6, "{text}");
    let said = recording.everything();
    assert_eq!(
        said.matches("locks are taken in orders that can deadlock")
            .count(),
        1,
        "{said}"
    );
    assert!(said.contains(&text), "{said}");
    let counted: u64 = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "coord_lock_order_cycles_total")
        .map(|(.., value)| {
            if let DebugValue::Counter(count) = value {
                count
            } else {
                0
            }
        })
        .sum();
    assert_eq!(counted, 1);
}

#[tokio::test]
async fn a_lock_inside_one_of_its_own_template_is_a_cycle() {
    let coord = Coordinator::builder().build();
    let account = |id: u64| key!("transfer:<id>").unwrap();
    nested(&coord, account(1), account(2)).await;
    nested(&coord, account(2), account(1)).await;
    let cycles = cycles("transfer:");
    assert_eq!(cycles.len(), 1);
    assert_eq!(cycles[0].edges.len(), 1);
    // Together, they have an order.
    let both = [1, 2].map(|id| key!("together:<id>"));
    let id = 1;
    let outer = coord.lock(key!("together:outer:<id>"));
    outer
        .run(async |_| coord.lock_all(both).run(async |_| Ok::<_, Error>(())).await)
        .await
        .unwrap();
    assert_eq!(edges("together:").len(), 1);
}

#[tokio::test]
async fn what_cannot_deadlock_or_has_no_template_is_not_recorded() {
    let coord = Coordinator::builder().build();
    let id = 1;
    let outer = || coord.lock(key!("quiet:<id>"));
    let body = outer().run(async |_| {
        drop(coord.lock(key!("quiet:tried:<id>")).try_acquire().await?);
        drop(coord.lock("some text").acquire().await?);
        Ok::<_, Error>(())
    });
    body.await.unwrap();
    // A semaphore of the same template is another thing.
    let body = outer().run(async |_| {
        let permit = coord.semaphore(key!("quiet:<id>"), 2);
        permit.run(async |_| Ok::<_, Error>(())).await
    });
    body.await.unwrap();
    let edges = edges("quiet:");
    assert_eq!(edges.len(), 1, "{edges:?}");
    assert_eq!(edges[0].inner.kind, "semaphore");
    assert_eq!(cycles("quiet:"), []);
}
