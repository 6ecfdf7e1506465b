//! Waiters are served in the order in which they came, and those who leave leave no gap.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coord::{Coordinator, Error};
use tokio::task::JoinHandle;

use crate::fleet::{Fleet, LONG, SHORT};

/// The numbers of those who were served, in order.
type Served = Arc<Mutex<Vec<usize>>>;

/// Queues for `a`, writes its number down when it is its turn, and gives back.
fn queue(coord: Coordinator, number: usize, served: &Served) -> JoinHandle<()> {
    let served = Arc::clone(served);
    tokio::spawn(async move {
        let lease = coord.lock("a").acquire().await.expect("a lock");
        served.lock().unwrap().push(number);
        lease.release().await.expect("a held lock");
    })
}

pub(crate) async fn grants_come_in_the_order_of_arrival_across_processes(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let processes = [
        fleet.process().await,
        fleet.process().await,
        fleet.process().await,
    ];
    let holder = processes[0].lock("a").acquire().await.unwrap();
    let (served, mut tasks) = (Served::default(), Vec::new());
    for number in 0..9 {
        tasks.push(queue(processes[number * 2 % 3].clone(), number, &served));
        line.until(1, number + 1).await;
    }
    holder.release().await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(served.lock().unwrap().iter().copied().eq(0..9));
}

pub(crate) async fn those_who_give_up_are_skipped(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let (one, other) = fleet.two().await;
    let holder = one.lock("a").acquire().await.unwrap();
    let (served, mut tasks) = (Served::default(), Vec::new());
    for number in 0..5 {
        let coord = if number % 2 == 0 { &one } else { &other };
        tasks.push(queue(coord.clone(), number, &served));
        line.until(1, number + 1).await;
    }
    tasks[0].abort();
    tasks[3].abort();
    line.until(1, 3).await;
    holder.release().await.unwrap();
    for number in [1, 2, 4] {
        (&mut tasks[number]).await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), [1, 2, 4]);
}

pub(crate) async fn a_wait_that_runs_out_leaves_no_place(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let holder = one.lock("a").acquire().await.unwrap();
    let wait = Duration::from_millis(50);
    let timed_out = other.lock("a").wait(wait).acquire().await;
    let Err(Error::LockTimeout { waited, .. }) = timed_out else {
        panic!("{timed_out:?}");
    };
    assert!(waited >= wait);
    assert_eq!(fleet.line("lock", "a").counts().await, (1, 0));
    holder.release().await.unwrap();
    drop(other.lock("a").wait(wait).acquire().await.unwrap());
}

pub(crate) async fn a_lock_that_comes_free_within_the_wait_is_got(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let holder = one.lock("a").acquire().await.unwrap();
    let waiter = tokio::spawn(async move { other.lock("a").wait(LONG).acquire().await });
    fleet.line("lock", "a").until(1, 1).await;
    holder.release().await.unwrap();
    assert!(waiter.await.unwrap().unwrap().is_held());
}

/// The place lasts for a ttl, and is renewed.
pub(crate) async fn a_place_is_kept_for_longer_than_it_lasts(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let (one, other) = fleet.two().await;
    let holder = one.lock("a").acquire().await.unwrap();
    let first = tokio::spawn(async move { other.lock("a").ttl(SHORT).acquire().await });
    line.until(1, 1).await;
    let place = line.contenders().await[1].owner;
    fleet.let_pass(SHORT * 4).await;
    assert_eq!(line.contenders().await[1].owner, place);
    holder.release().await.unwrap();
    assert!(first.await.unwrap().unwrap().is_held());
}

pub(crate) async fn a_lease_that_was_handed_over_lasts_as_long_as_any(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let holder = one.lock("a").acquire().await.unwrap();
    let next = tokio::spawn(async move { other.lock("a").ttl(SHORT).acquire().await });
    fleet.line("lock", "a").until(1, 1).await;
    holder.release().await.unwrap();
    let lease = next.await.unwrap().unwrap();
    fleet.let_pass(SHORT * 4).await;
    lease.release().await.unwrap();
}

pub(crate) async fn a_lost_wake_up_delays_a_waiter_and_no_more(fleet: &Fleet) {
    let holder = fleet.process().await.lock("a").acquire().await.unwrap();
    let (store, coord) = fleet.faulty().await;
    store.lose_wake_ups(true);
    let waiter = tokio::spawn(async move { coord.lock("a").ttl(SHORT).acquire().await });
    fleet.line("lock", "a").until(1, 1).await;
    holder.release().await.unwrap();
    assert!(waiter.await.unwrap().unwrap().is_held());
}

/// The holder has died: nobody tells, the time does.
pub(crate) async fn an_expired_holder_is_followed_by_the_first_in_line(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let (one, other) = fleet.two().await;
    let holder = one
        .lock("a")
        .ttl(SHORT)
        .renew(false)
        .acquire()
        .await
        .unwrap();
    let (served, mut tasks) = (Served::default(), Vec::new());
    for number in 0..3 {
        tasks.push(queue(other.clone(), number, &served));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(!holder.is_held());
    assert_eq!(served.lock().unwrap().len(), 3);
    assert_eq!(line.counts().await, (0, 0));
}
