//! Leases under contention: nobody is in who should not be, and everybody gets in.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::prelude::*;
use crate::store::FencingToken;

/// How long a waiter goes without looking, in case a wake-up is lost.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(250);

/// Waits in line as a client does, until granted.
async fn enter(store: &dyn Store, request: &LeaseRequest) -> Result<FencingToken> {
    let Place {
        mut wake,
        mut look_again_in,
        ..
    } = match store.acquire_lease(request).await? {
        Acquired::Granted(token) => return Ok(token),
        Acquired::Waiting {
            token,
            ahead,
            look_again_in,
            wake,
        } => Place {
            token,
            ahead,
            look_again_in,
            wake,
        },
        Acquired::Busy => panic!("one who queues is never turned away"),
    };
    loop {
        let park = look_again_in
            .unwrap_or(LOOK_AT_LEAST_EVERY)
            .min(LOOK_AT_LEAST_EVERY);
        let _ = tokio::time::timeout(park, wake.changed()).await;
        match renewed(store, request).await? {
            Renewed::Granted(token) => return Ok(token),
            Renewed::Waiting {
                look_again_in: next,
                ..
            } => look_again_in = next,
            Renewed::Gone => panic!("its place lasts for long"),
        }
    }
}

/// What happens inside, watched over by counting weights.
#[derive(Default)]
struct Room {
    weight: AtomicU32,
    entries: AtomicU32,
    last_token: AtomicU64,
}

impl Room {
    /// Is inside for a while, and asserts that the room is not overfull meanwhile.
    async fn stay(&self, store: &dyn Store, weight: u32, capacity: u32) -> Result<()> {
        let inside = self.weight.fetch_add(weight, Ordering::SeqCst) + weight;
        assert!(
            inside <= capacity,
            "weights of {inside} are inside, and {capacity} are allowed"
        );
        self.entries.fetch_add(1, Ordering::SeqCst);
        for _ in 0..3 {
            store.get_record("conformance/what is done inside").await?;
            tokio::task::yield_now().await;
        }
        self.weight.fetch_sub(weight, Ordering::SeqCst);
        Ok(())
    }

    /// Asserts that tokens increase, where only one can be inside at a time.
    fn present(&self, token: FencingToken) {
        let before = self.last_token.swap(u64::from(token), Ordering::SeqCst);
        assert!(u64::from(token) > before, "{token} follows {before}");
    }
}

/// Tasks that each enter a number of times, with a request made anew for each.
async fn crowd(
    f: &Fixture<'_>,
    room: &Arc<Room>,
    tasks: u32,
    each: u32,
    request: impl Fn(u32) -> LeaseRequest + Clone + Send + 'static,
) -> Result<()> {
    let crowd: JoinSet<Result<()>> = (0..tasks)
        .map(|index| {
            let (store, room, request) = (f.shared(), Arc::clone(room), request.clone());
            async move {
                for _ in 0..each {
                    let request = request(index);
                    let token = enter(&*store, &request).await?;
                    if request.weight == request.capacity {
                        room.present(token);
                    }
                    room.stay(&*store, request.weight, request.capacity).await?;
                    assert!(
                        release(&*store, &request).await?,
                        "it was held for less than its ttl"
                    );
                }
                Ok(())
            }
        })
        .collect();
    crowd.join_all().await.into_iter().collect()
}

pub(super) async fn one_at_a_time_is_inside_and_everybody_gets_in(f: &Fixture<'_>) -> Result<()> {
    let (room, resource) = (Arc::new(Room::default()), f.key("a"));
    crowd(f, &room, 8, 4, move |_| {
        LeaseRequest::exclusive(&*resource, LONG).queue(LONG)
    })
    .await?;
    assert_eq!(room.entries.load(Ordering::SeqCst), 32);
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    Ok(())
}

pub(super) async fn of_many_attempts_one_gets_in(f: &Fixture<'_>) -> Result<()> {
    for round in 0..5 {
        let attempts: JoinSet<Result<bool>> = (0..8)
            .map(|_| {
                let (store, request) = (f.shared(), f.exclusive(&format!("a/{round}")));
                async move {
                    Ok(matches!(
                        store.acquire_lease(&request).await?,
                        Acquired::Granted(_)
                    ))
                }
            })
            .collect();
        let granted: Vec<_> = attempts
            .join_all()
            .await
            .into_iter()
            .collect::<Result<_>>()?;
        assert_eq!(
            granted.iter().filter(|granted| **granted).count(),
            1,
            "{granted:?}"
        );
    }
    Ok(())
}

pub(super) async fn attempts_among_those_who_queue_keep_one_inside(f: &Fixture<'_>) -> Result<()> {
    let room = Arc::new(Room::default());
    let attempts: JoinSet<Result<()>> = (0..4)
        .map(|_| {
            let (store, room, resource) = (f.shared(), Arc::clone(&room), f.key("a"));
            async move {
                for _ in 0..10 {
                    let request = LeaseRequest::exclusive(&*resource, LONG);
                    if let Acquired::Granted(token) = store.acquire_lease(&request).await? {
                        room.present(token);
                        room.stay(&*store, 1, 1).await?;
                    }
                    // Turned away or not: on a bad network a copy of the request may still get in.
                    release(&*store, &request).await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        })
        .collect();
    let resource = f.key("a");
    crowd(f, &room, 4, 4, move |_| {
        LeaseRequest::exclusive(&*resource, LONG).queue(LONG)
    })
    .await?;
    attempts
        .join_all()
        .await
        .into_iter()
        .collect::<Result<()>>()?;
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    Ok(())
}

pub(super) async fn a_capacity_is_never_exceeded_and_is_used(f: &Fixture<'_>) -> Result<()> {
    let (room, resource) = (Arc::new(Room::default()), f.key("a"));
    crowd(f, &room, 8, 4, move |index| {
        LeaseRequest::exclusive(&*resource, LONG)
            .queue(LONG)
            .weighing(1 + index % 3, 5)
    })
    .await?;
    assert_eq!(room.entries.load(Ordering::SeqCst), 32);
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    as_many_as_fit_meet_inside(f, 5).await
}

/// Nobody leaves before so many are inside, so this does not end if fewer get in.
async fn as_many_as_fit_meet_inside(f: &Fixture<'_>, capacity: u32) -> Result<()> {
    let meeting = Arc::new(Barrier::new(capacity as usize));
    let crowd: JoinSet<Result<()>> = (0..4 * capacity)
        .map(|_| {
            let (store, meeting) = (f.shared(), Arc::clone(&meeting));
            let request = f.queueing("b").weighing(1, capacity);
            async move {
                enter(&*store, &request).await?;
                meeting.wait().await;
                assert!(release(&*store, &request).await?);
                Ok(())
            }
        })
        .collect();
    crowd.join_all().await.into_iter().collect()
}

pub(super) async fn readers_and_writers_never_meet(f: &Fixture<'_>) -> Result<()> {
    const ALL: u32 = 1_000;
    let (room, resource) = (Arc::new(Room::default()), f.key("a"));
    crowd(f, &room, 8, 4, move |index| {
        let weight = if index % 4 == 0 { ALL } else { 1 };
        LeaseRequest::exclusive(&*resource, LONG)
            .queue(LONG)
            .weighing(weight, ALL)
    })
    .await?;
    assert_eq!(room.entries.load(Ordering::SeqCst), 32);
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    Ok(())
}

/// While a release with a smaller capacity is rolled out, no grant to it may see more inside than it allows;
/// those who came under the greater one may be more, but never more than that.
pub(super) async fn a_rolling_change_of_capacity_exceeds_neither(f: &Fixture<'_>) -> Result<()> {
    let old: Vec<_> = (0..4).map(|_| f.queueing("a").weighing(1, 4)).collect();
    for request in &old {
        granted(f.store(), request).await?;
    }
    let new: Vec<_> = (0..6).map(|_| f.queueing("a").weighing(1, 2)).collect();
    for request in &new {
        waiting(f.store(), request).await?;
    }
    for (index, request) in old.iter().chain(&new).enumerate() {
        assert!(release(f.store(), request).await?);
        let inside = holders(f.store(), request).await?.len();
        let left = 9 - index;
        assert_eq!(
            inside,
            3_usize.saturating_sub(index).max(2.min(left)),
            "after {} have left",
            index + 1
        );
    }
    Ok(())
}

pub(super) async fn waiters_that_leave_in_between_block_nobody(f: &Fixture<'_>) -> Result<()> {
    let room = Arc::new(Room::default());
    let quitters: JoinSet<Result<()>> = (0..4)
        .map(|_| {
            let (store, resource) = (f.shared(), f.key("a"));
            async move {
                for _ in 0..8 {
                    let request = LeaseRequest::exclusive(&*resource, LONG).queue(LONG);
                    store.acquire_lease(&request).await?;
                    tokio::task::yield_now().await;
                    assert!(
                        release(&*store, &request).await?,
                        "it is in line, waiting or holding"
                    );
                }
                Ok(())
            }
        })
        .collect();
    let resource = f.key("a");
    crowd(f, &room, 4, 4, move |_| {
        LeaseRequest::exclusive(&*resource, LONG).queue(LONG)
    })
    .await?;
    quitters
        .join_all()
        .await
        .into_iter()
        .collect::<Result<()>>()?;
    assert_eq!(room.entries.load(Ordering::SeqCst), 16);
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    Ok(())
}

pub(super) async fn many_resources_do_not_wait_for_each_other(f: &Fixture<'_>) -> Result<()> {
    let crowd: JoinSet<Result<()>> = (0..20)
        .map(|index| {
            let (store, held, free) = (
                f.shared(),
                f.exclusive("held"),
                f.queueing(&format!("a/{index}")),
            );
            async move {
                store.acquire_lease(&held).await?;
                enter(&*store, &free).await?;
                assert!(release(&*store, &free).await?);
                Ok(())
            }
        })
        .collect();
    crowd.join_all().await.into_iter().collect()
}

/// Some of what is asked for at the same time is refused, and the answers must not be mixed up.
pub(super) async fn requests_at_the_same_time_are_answered_each_by_its_own_line(
    f: &Fixture<'_>,
) -> Result<()> {
    const CROWD: usize = 24;
    let is_held = |index: usize| index.is_multiple_of(3);
    let requests: Vec<_> = (0..CROWD)
        .map(|index| f.exclusive(&format!("a/{index}")))
        .collect();
    for index in (0..CROWD).filter(|index| is_held(*index)) {
        granted(f.store(), &f.exclusive(&format!("a/{index}"))).await?;
    }
    let answers = at_once(CROWD, |index| {
        let (store, request) = (f.shared(), requests[index].clone());
        async move { store.acquire_lease(&request).await }
    })
    .await?;
    for (index, (answer, request)) in answers.iter().zip(&requests).enumerate() {
        let line = f.store().inspect_lease(&request.lease.resource).await?;
        let holder = line.first().map(|first| (first.owner, first.token));
        match answer {
            Acquired::Granted(token) => {
                assert!(!is_held(index), "resource {index} was somebody's");
                assert_eq!(holder, Some((request.lease.owner, *token)));
            }
            Acquired::Busy => assert!(is_held(index), "resource {index} was nobody's"),
            Acquired::Waiting { .. } => panic!("nobody has asked to wait"),
        }
    }
    let releases = at_once(CROWD, |index| {
        let (store, lease) = (f.shared(), requests[index].lease.clone());
        async move { store.release_lease(&lease).await }
    })
    .await?;
    for (index, was_held) in releases.into_iter().enumerate() {
        assert_eq!(was_held, !is_held(index), "of resource {index}");
    }
    Ok(())
}
