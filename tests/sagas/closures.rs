//! Sagas of closures.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use coord::saga::{ClosureSaga, HistoryKind};
use coord::testing::{Fault, Operation, Rule};
use coord::{Context, Coordinator, Error, SagaError};
use coord_tests::fleet::Fleet;
use coord_tests::{PATIENCE, until};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::shop::{Does, Door, Shop};

const KEY: &str = "import:7";

/// Three batches, each of which is asked of the shop and can be undone.
async fn import(saga: &ClosureSaga, shop: &Shop, batches: usize) -> Result<String, SagaError> {
    let mut rows = Vec::new();
    for batch in 0..batches {
        let row = saga
            .step(format!("batch-{batch}"), async || {
                shop.does(BATCHES[batch], 1).await
            })
            .compensate(async |row| {
                assert!(row.starts_with(BATCHES[batch]), "{row}");
                shop.does(UNDOES[batch], 1).await.map(drop)
            })
            .await?;
        rows.push(row);
    }
    Ok(rows.join(", "))
}

const BATCHES: [&str; 3] = ["one", "two", "three"];
const UNDOES: [&str; 3] = ["undo one", "undo two", "undo three"];
const ROWS: &str = "one 1, two 1, three 1";

pub(crate) async fn runs(coord: &Coordinator, shop: &Shop) -> Result<String, SagaError> {
    let body = async |saga: &ClosureSaga| import(saga, shop, 3).await;
    coord.saga(KEY).run(body).await
}

pub(crate) async fn steps_run_once_however_often_the_saga_is_run(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = fleet.two().await;
    for coord in [&one, &one, &other] {
        assert_eq!(runs(coord, &shop).await.unwrap(), ROWS);
    }
    assert_eq!(shop.asked(), BATCHES);
}

/// The future can be sent to another thread.
pub(crate) async fn a_spawned_saga_runs(fleet: &Fleet) {
    let coord = fleet.process().await;
    let spawned = tokio::spawn(async move {
        let saga = coord.saga(KEY).run(async |saga| {
            let mut sum = 0;
            for i in 0..3 {
                sum += saga
                    .step(format!("batch-{i}"), async || Ok::<i32, std::io::Error>(i))
                    .compensate(async |n| {
                        let _ = (n.abs(), i);
                        Ok::<(), std::io::Error>(())
                    })
                    .await?;
            }
            Ok(sum)
        });
        saga.await
    });
    assert_eq!(spawned.await.unwrap().unwrap(), 3);
}

pub(crate) async fn a_failure_undoes_what_was_done_in_reverse_by_running_the_body(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("three", Does::Fails(1));
    shop.order("undo two", Does::Fails(2));
    let (one, other) = fleet.two().await;
    for coord in [&one, &other] {
        let error = runs(coord, &shop).await.unwrap_err();
        let SagaError::Compensated { step, source } = &error else {
            panic!("{error:?}");
        };
        assert_eq!((&**step, source.message()), ("batch-2", "no three today"));
        assert_eq!(
            shop.asked()[3..],
            ["undo two", "undo two", "undo two", "undo one"]
        );
    }
}

pub(crate) async fn a_body_that_deals_with_a_failure_goes_on(fleet: &Fleet) {
    let coord = fleet.process().await;
    let runs = AtomicUsize::new(0);
    for _ in 0..2 {
        let done = coord.saga(KEY).run(async |saga: &ClosureSaga| {
            let first = saga.step("first", || {
                runs.fetch_add(1, Ordering::SeqCst);
                std::future::ready(Err::<u32, _>("closed"))
            });
            match first.await {
                Ok(_) => Ok(1),
                Err(_) => saga.step("second", async || Ok::<_, &str>(2)).await,
            }
        });
        assert_eq!(done.await.unwrap(), 2);
    }
    assert_eq!(runs.into_inner(), 1, "the failure is stored");
}

pub(crate) async fn a_dropped_saga_is_gone_on_with_elsewhere(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = fleet.two().await;
    let door = Door::default();
    shop.order("two", Does::Waits(door.clone()));
    tokio::select! {
        ended = runs(&one, &shop) => panic!("{ended:?}"),
        () = door.reached() => {}
    }
    assert_eq!(runs(&other, &shop).await.unwrap(), ROWS);
    assert_eq!(shop.asked(), ["one", "two", "two", "three"]);
}

/// What makes the saga this call's is on its way, or stored, when nobody wants to know any more.
pub(crate) async fn a_saga_whose_call_is_dropped_as_it_becomes_its_own_is_run_elsewhere(
    fleet: &Fleet,
) {
    for is_stored in [false, true] {
        let shop = Shop::default();
        let runs = async |coord: &Coordinator| {
            let body = async |saga: &ClosureSaga| import(saga, &shop, 3).await;
            coord.saga(is_stored.to_string()).run(body).await
        };
        let dropped = async |puts_before| {
            let (store, coord) = fleet.faulty().await;
            let head = Rule::on(Operation::Put).skipping(puts_before);
            let held = if is_stored {
                store.hold_reply(head)
            } else {
                store.hold(head)
            };
            tokio::select! {
                ended = runs(&coord) => panic!("{ended:?}"),
                () = held.reached() => {}
            }
            (store, coord)
        };
        let _begins = dropped(0).await;
        let other = fleet.process().await;
        let door = Door::default();
        shop.order("two", Does::Waits(door.clone()));
        let stands = async {
            tokio::select! {
                ended = runs(&other) => panic!("{ended:?}"),
                () = door.reached() => {}
            }
        };
        timeout(PATIENCE, stands).await.expect("it is not begun");
        // Behind the one that would begin it.
        let takes_over = timeout(PATIENCE, dropped(1)).await;
        let _takes_over = takes_over.expect("it is nobody's");
        let done = timeout(PATIENCE, runs(&fleet.process().await)).await;
        assert_eq!(done.expect("it is nobody's").unwrap(), ROWS);
        assert_eq!(shop.asked(), ["one", "two", "two", "three"]);
    }
}

pub(crate) async fn two_calls_take_turns(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = fleet.two().await;
    let (first, second, third) =
        tokio::join!(runs(&one, &shop), runs(&one, &shop), runs(&other, &shop));
    for done in [first, second, third] {
        assert_eq!(done.unwrap(), ROWS);
    }
    assert_eq!(shop.asked(), BATCHES);
}

pub(crate) async fn other_steps_than_those_stored_are_refused_by_name(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = fleet.process().await;
    runs(&coord, &shop).await.unwrap();
    for (batches, told) in [
        (2, "`batch-2`, which the body did not come to"),
        (0, "`batch-0`"),
    ] {
        let body = async |saga: &ClosureSaga| import(saga, &shop, batches).await;
        let refused = coord.saga(KEY).run(body).await.unwrap_err();
        assert!(
            matches!(refused, SagaError::Incompatible { .. }) && refused.to_string().contains(told),
            "{refused}"
        );
    }
    let other = coord.saga(KEY).run(async |saga: &ClosureSaga| {
        saga.step("check", async || shop.does("check", 1).await)
            .await
    });
    let refused = other.await.unwrap_err().to_string();
    assert!(
        refused.contains("step 1 was `batch-0` and is `check`"),
        "{refused}"
    );
    assert_eq!(shop.asked(), BATCHES);
}

pub(crate) async fn two_steps_of_one_name_are_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    let runs = AtomicUsize::new(0);
    let saga = coord.saga(KEY).run(async |saga: &ClosureSaga| {
        for _ in 0..2 {
            let step = async || Ok::<_, &str>(runs.fetch_add(1, Ordering::SeqCst));
            saga.step("same", step).await?;
        }
        Ok(())
    });
    let refused = saga.await.unwrap_err().to_string();
    assert!(refused.contains("two steps are called `same`"), "{refused}");
    assert_eq!(runs.into_inner(), 1);
}

/// In the log, that is what stands for no step.
pub(crate) async fn a_step_without_a_name_is_refused(fleet: &Fleet) {
    let (shop, coord) = (Shop::default(), fleet.process().await);
    let pays = async |names: [&str; 2]| {
        let body = async |saga: &ClosureSaga| {
            for name in names {
                let pay = saga.step(name, async || shop.does("pay", 1).await);
                pay.compensate(async |_| shop.does("refund", 1).await.map(drop))
                    .await?;
            }
            Ok(())
        };
        coord.saga(KEY).run(body).await
    };
    let refused = pays(["one", ""]).await.unwrap_err().to_string();
    assert!(refused.contains("step 2 has no name"), "{refused}");
    assert_eq!(shop.asked(), ["pay"]);
    pays(["one", "two"]).await.unwrap();
    assert_eq!(shop.asked(), ["pay", "pay"]);
}

pub(crate) async fn a_compensation_that_fails_for_good_is_stuck_and_resumed(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("three", Does::Fails(1));
    shop.order("undo two", Does::Fails(11));
    let coord = fleet.process().await;
    let error = runs(&coord, &shop).await.unwrap_err();
    assert!(matches!(error, SagaError::Stuck { .. }), "{error:?}");
    assert!(coord.sagas().resume("closures/import:7").await.unwrap());
    let error = runs(&coord, &shop).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    let history = coord.sagas().history("closures/import:7").await.unwrap();
    let undone = history.unwrap().events.into_iter();
    let undone = undone.filter(|event| event.kind == HistoryKind::Undone);
    let undone: Vec<_> = undone.map(|event| event.step).collect();
    assert_eq!(undone, ["batch-1", "batch-0"]);
}

pub(crate) async fn steps_of_closures_cost_one_round_trip_each_and_the_saga_three(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, coord) = fleet.faulty().await;
    runs(&coord, &shop).await.unwrap();
    store.forget_operations();
    let body = async |saga: &ClosureSaga| import(saga, &shop, 3).await;
    coord.saga("import:8").run(body).await.unwrap();
    let asked = store.operations();
    assert!(asked.len() <= 6, "{asked:?}");
}

pub(crate) async fn a_saga_inside_of_a_lock_knows_the_lock(fleet: &Fleet) {
    let coord = fleet.process().await;
    let inner = coord.clone();
    let locked = coord.lock("stock").run(async |_| {
        let saga = inner.saga(KEY).run(async |saga: &ClosureSaga| {
            let key = Context::current().and_then(|context| context.lock_key().map(str::to_owned));
            assert_eq!(key.as_deref(), Some("stock"));
            let again = async || inner.lock("stock").acquire().await.map(drop);
            saga.step("again", again).await
        });
        Ok::<_, Error>(saga.await)
    });
    let refused = Box::pin(locked).await.unwrap().unwrap_err();
    let SagaError::Compensated { source, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(
        source.downcast_ref(),
        Some(Error::WouldDeadlock { .. })
    ));
}

pub(crate) async fn answers_that_are_lost_run_no_step_twice(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, coord) = fleet.faulty().await;
    store.inject(Rule::on(Operation::Append).times(1), Fault::AfterApply);
    store.inject(Rule::on(Operation::Put).times(2), Fault::AfterApply);
    assert_eq!(runs(&coord, &shop).await.unwrap(), ROWS);
    assert_eq!(shop.asked(), BATCHES);
}

/// A step and what undoes it, another one that the body gives up when it stands before `door`, and one more.
async fn gives_up(saga: &ClosureSaga, shop: &Shop, door: &Door) -> Result<(), SagaError> {
    saga.step("one", async || shop.does("one", 1).await)
        .compensate(async |_| shop.does("undo one", 1).await.map(drop))
        .await?;
    tokio::select! {
        biased;
        ended = saga.step("two", async || shop.does("two", 1).await) => panic!("{ended:?}"),
        () = door.reached() => {}
    }
    let three = saga.step("three", async || shop.does("three", 1).await);
    assert!(three.await.is_err());
    Ok(())
}

pub(crate) async fn a_step_that_the_body_gives_up_has_failed_and_what_was_done_is_undone(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    let (one, other) = fleet.two().await;
    let (given_up, undoing) = (Door::default(), Door::default());
    shop.order("two", Does::Waits(given_up.clone()));
    shop.order("undo one", Does::Waits(undoing.clone()));
    let body = async |saga: &ClosureSaga| gives_up(saga, &shop, &given_up).await;
    tokio::select! {
        ended = one.saga(KEY).run(body) => panic!("{ended:?}"),
        () = undoing.reached() => {}
    }
    // What is stored says all that another process needs, and those who ask later.
    for coord in [&other, &one] {
        let error = coord.saga(KEY).run(body).await.unwrap_err();
        let SagaError::Compensated { step, source } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(&**step, "two");
        assert!(source.message().contains("limit the time within the step"));
    }
    assert_eq!(shop.asked(), ["one", "two", "undo one", "undo one"]);
}

pub(crate) async fn a_saga_is_not_completed_by_a_body_that_gives_up_its_last_step(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = fleet.process().await;
    let door = Door::default();
    shop.order("one", Does::Waits(door.clone()));
    for _ in 0..2 {
        let ended = coord.saga(KEY).run(async |saga: &ClosureSaga| {
            tokio::select! {
                biased;
                ended = saga.step("one", async || shop.does("one", 1).await) => panic!("{ended:?}"),
                () = door.reached() => Ok(()),
            }
        });
        let error = ended.await.unwrap_err();
        assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    }
    assert_eq!(shop.asked(), ["one"]);
}

/// The body gives up its step as soon as it `began`, whether it runs or is undone.
async fn limits(saga: &ClosureSaga, shop: &Shop, began: &Notify) -> Result<String, SagaError> {
    let charge = saga
        .step("charge", async || shop.does("charge", 1).await)
        .compensate(async |_| {
            began.notify_one();
            shop.does("refund", 1).await.map(drop)
        });
    tokio::select! {
        biased;
        charged = charge => charged?,
        () = began.notified() => String::new(),
    };
    saga.step("ship", async || shop.does("ship", 1).await).await
}

pub(crate) async fn a_compensation_that_the_body_gives_up_is_tried_again_and_stuck_in_the_end(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    let coord = fleet.process().await;
    let began = Notify::new();
    shop.order("ship", Does::Fails(1));
    shop.order("refund", Does::Hangs);
    let body = async |saga: &ClosureSaga| limits(saga, &shop, &began).await;
    for _ in 0..2 {
        let error = coord.saga(KEY).run(body).await.unwrap_err();
        assert!(matches!(error, SagaError::Stuck { .. }), "{error:?}");
    }
    let refunds = |asked: Vec<String>| asked.iter().filter(|what| *what == "refund").count();
    let tried = refunds(shop.asked());
    assert!(tried > 1, "{tried}");
    assert!(coord.sagas().resume("closures/import:7").await.unwrap());
    let open = Door::default();
    open.open();
    shop.order("refund", Does::Waits(open));
    let error = coord.saga(KEY).run(body).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    assert_eq!(refunds(shop.asked()), tried + 1);
}

pub(crate) async fn the_log_is_to_disappear_before_a_call_returns(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, coord) = fleet.faulty().await;
    let held = store.hold_reply(Rule::on(Operation::Expire));
    let mut run = pin!(runs(&coord, &shop));
    tokio::select! {
        biased;
        ended = &mut run => panic!("{ended:?}"),
        () = held.reached() => {}
    }
    coord.shutdown().await;
    held.release();
    assert_eq!(run.await.unwrap(), ROWS);
}

pub(crate) async fn the_log_of_a_call_that_is_dropped_at_its_end_is_to_disappear(fleet: &Fleet) {
    let shop = Shop::default();
    // What ends the saga, and what is asked behind it.
    let the_last = [
        Rule::on(Operation::Put).skipping(1),
        Rule::on(Operation::Expire),
    ];
    for (number, rule) in the_last.into_iter().enumerate() {
        let (store, coord) = fleet.faulty().await;
        let held = store.hold_reply(rule);
        let body = async |saga: &ClosureSaga| import(saga, &shop, 2).await;
        tokio::select! {
            ended = coord.saga(number.to_string()).run(body) => panic!("{ended:?}"),
            () = held.reached() => store.forget_operations(),
        }
        until("the log to be told", async || {
            (store.count(Operation::Expire) > 0).then_some(())
        })
        .await;
    }
}
