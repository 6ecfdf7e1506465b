//! Locks that several can hold: readers, and permits of a semaphore.

use coord::Error;
use tokio::task::JoinSet;

use crate::fleet::{Fleet, Room};

pub(crate) async fn readers_hold_together(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let _readers = [
        one.rw_lock("a").read().acquire().await.unwrap(),
        one.rw_lock("a").read().acquire().await.unwrap(),
        other.rw_lock("a").read().acquire().await.unwrap(),
    ];
    assert_eq!(fleet.line("lock", "a").counts().await, (3, 0));
    assert!(
        other
            .rw_lock("a")
            .write()
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn a_writer_holds_alone(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let writer = one.rw_lock("a").write().acquire().await.unwrap();
    assert!(
        other
            .rw_lock("a")
            .read()
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        other
            .rw_lock("a")
            .write()
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    writer.release().await.unwrap();
    assert!(
        other
            .rw_lock("a")
            .read()
            .try_acquire()
            .await
            .unwrap()
            .is_some()
    );
}

/// The writer waits for the reader, and a later reader for the writer.
pub(crate) async fn readers_who_keep_coming_do_not_starve_a_writer(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let (one, other) = fleet.two().await;
    let first = one.rw_lock("a").read().acquire().await.unwrap();
    let writer = tokio::spawn({
        let other = other.clone();
        async move { other.rw_lock("a").write().acquire().await }
    });
    line.until(1, 1).await;
    assert!(
        one.rw_lock("a")
            .read()
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    let later = tokio::spawn(async move { one.rw_lock("a").read().acquire().await });
    line.until(1, 2).await;
    first.release().await.unwrap();
    let writer = writer.await.unwrap().unwrap();
    assert_eq!(line.counts().await, (1, 1));
    writer.release().await.unwrap();
    assert!(later.await.unwrap().unwrap().is_held());
}

pub(crate) async fn writers_who_keep_coming_do_not_starve_readers(fleet: &Fleet) {
    let line = fleet.line("lock", "a");
    let (one, other) = fleet.two().await;
    let writer = one.rw_lock("a").write().acquire().await.unwrap();
    let readers = [(); 2].map(|()| {
        let other = other.clone();
        tokio::spawn(async move { other.rw_lock("a").read().acquire().await })
    });
    line.until(1, 2).await;
    let next_writer = tokio::spawn(async move { one.rw_lock("a").write().acquire().await });
    line.until(1, 3).await;
    writer.release().await.unwrap();
    let mut leases = Vec::new();
    for reader in readers {
        leases.push(reader.await.unwrap().unwrap());
    }
    assert_eq!(line.counts().await, (2, 1));
    drop(leases);
    assert!(next_writer.await.unwrap().unwrap().is_held());
}

pub(crate) async fn a_lock_is_the_writers_side_of_its_key(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let lock = one.lock("a").acquire().await.unwrap();
    assert!(
        other
            .rw_lock("a")
            .read()
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        other
            .rw_lock("a")
            .write()
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    lock.release().await.unwrap();
    let reader = other.rw_lock("a").read().acquire().await.unwrap();
    assert!(one.lock("a").try_acquire().await.unwrap().is_none());
    assert!(
        one.lock_all(["a", "b"])
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    reader.release().await.unwrap();
    assert!(one.lock("a").try_acquire().await.unwrap().is_some());
}

pub(crate) async fn no_more_than_the_capacity_hold(fleet: &Fleet) {
    let room = Room::default();
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let coord = fleet.process().await;
        for _ in 0..4 {
            let (coord, room) = (coord.clone(), room.clone());
            tasks.spawn(async move {
                for _ in 0..6 {
                    let lease = coord.semaphore("a", 3).acquire().await.expect("a permit");
                    room.visit(3).await;
                    lease.release().await.expect("a held permit");
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no more than three inside");
    }
}

pub(crate) async fn permits_add_up(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let gateway = |permits| one.semaphore("a", 5).permits(permits);
    let heavy = gateway(3).acquire().await.unwrap();
    assert!(gateway(3).try_acquire().await.unwrap().is_none());
    let light = other.semaphore("a", 5).permits(2).acquire().await.unwrap();
    assert!(gateway(1).try_acquire().await.unwrap().is_none());
    heavy.release().await.unwrap();
    let next = gateway(3).acquire().await.unwrap();
    drop((light, next));
}

/// Four of five are wanted: lighter ones behind wait, though there is room for them.
pub(crate) async fn light_ones_do_not_starve_a_heavy_one(fleet: &Fleet) {
    let line = fleet.line("semaphore", "a");
    let (one, other) = fleet.two().await;
    let holder = one.semaphore("a", 5).permits(2).acquire().await.unwrap();
    let heavy = tokio::spawn({
        let other = other.clone();
        async move { other.semaphore("a", 5).permits(4).acquire().await }
    });
    line.until(1, 1).await;
    assert!(one.semaphore("a", 5).try_acquire().await.unwrap().is_none());
    holder.release().await.unwrap();
    let heavy = heavy.await.unwrap().unwrap();
    assert_eq!(line.counts().await, (1, 0));
    heavy.release().await.unwrap();
}

/// A rolling deploy: the old version says 5, the new one 2.
pub(crate) async fn while_versions_disagree_the_smaller_capacity_counts(fleet: &Fleet) {
    let line = fleet.line("semaphore", "a");
    let (old, new) = fleet.two().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(old.semaphore("a", 5).acquire().await.unwrap());
    }
    assert!(new.semaphore("a", 2).try_acquire().await.unwrap().is_none());
    let newcomer = tokio::spawn(async move { new.semaphore("a", 2).acquire().await });
    line.until(3, 1).await;
    held.pop().unwrap().release().await.unwrap();
    assert_eq!(
        line.counts().await,
        (2, 1),
        "two are as many as the new version allows"
    );
    held.pop().unwrap().release().await.unwrap();
    let newcomer = newcomer.await.unwrap().unwrap();
    assert!(old.semaphore("a", 5).try_acquire().await.unwrap().is_none());
    newcomer.release().await.unwrap();
    for _ in 0..4 {
        held.push(
            old.semaphore("a", 5)
                .try_acquire()
                .await
                .unwrap()
                .expect("five again"),
        );
    }
}

pub(crate) async fn permits_that_can_never_be_had_are_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    for (capacity, permits) in [(5, 0), (5, 6), (0, 1), (0, 0)] {
        let refused = coord
            .semaphore("a", capacity)
            .permits(permits)
            .acquire()
            .await;
        let Err(Error::InvalidOption { option, problem }) = refused else {
            panic!("{permits} of {capacity}: {refused:?}");
        };
        assert_eq!(option, "permits");
        assert!(
            problem.contains("at least one and at most all"),
            "{problem}"
        );
    }
    assert_eq!(fleet.line("semaphore", "a").counts().await, (0, 0));
}
