//! Leases that are shared by weight: semaphores, readers and writers, and capacities that change while a new
//! release is rolled out.

use super::prelude::*;

/// A request for some of a capacity, that queues.
fn part(f: &Fixture<'_>, weight: u32, capacity: u32) -> LeaseRequest {
    f.queueing("a").weighing(weight, capacity)
}

/// A request for some of a capacity, that does not queue.
fn attempt(f: &Fixture<'_>, weight: u32, capacity: u32) -> LeaseRequest {
    f.exclusive("a").weighing(weight, capacity)
}

async fn assert_holders<const N: usize>(
    f: &Fixture<'_>,
    expected: [&LeaseRequest; N],
) -> Result<()> {
    let expected = expected.map(|request| request.lease.owner);
    assert_eq!(holders(f.store(), &f.exclusive("a")).await?, expected);
    Ok(())
}

pub(super) async fn a_semaphore_grants_up_to_its_capacity(f: &Fixture<'_>) -> Result<()> {
    let (first, second, third) = (part(f, 1, 3), part(f, 1, 3), part(f, 1, 3));
    for request in [&first, &second, &third] {
        granted(f.store(), request).await?;
    }
    busy(f.store(), &attempt(f, 1, 3)).await?;
    let fourth = part(f, 1, 3);
    assert_eq!(waiting(f.store(), &fourth).await?.ahead, 3);

    assert!(release(f.store(), &second).await?);
    assert_holders(f, [&first, &third, &fourth]).await
}

pub(super) async fn weights_add_up(f: &Fixture<'_>) -> Result<()> {
    let (three, four) = (part(f, 3, 10), part(f, 4, 10));
    granted(f.store(), &three).await?;
    granted(f.store(), &four).await?;
    busy(f.store(), &attempt(f, 4, 10)).await?;
    let rest = attempt(f, 3, 10);
    granted(f.store(), &rest).await?;
    busy(f.store(), &attempt(f, 1, 10)).await?;
    assert_holders(f, [&three, &four, &rest]).await
}

pub(super) async fn the_greatest_weights_do_not_overflow(f: &Fixture<'_>) -> Result<()> {
    let (half, rest, more) = (
        part(f, u32::MAX - 1, u32::MAX),
        part(f, 1, u32::MAX),
        part(f, u32::MAX, u32::MAX),
    );
    granted(f.store(), &half).await?;
    granted(f.store(), &rest).await?;
    waiting(f.store(), &more).await?;
    busy(f.store(), &attempt(f, 1, u32::MAX)).await?;
    assert!(release(f.store(), &half).await?);
    assert_holders(f, [&rest]).await?;
    assert!(release(f.store(), &rest).await?);
    assert_holders(f, [&more]).await
}

pub(super) async fn readers_share_and_a_writer_waits_for_all_of_them(
    f: &Fixture<'_>,
) -> Result<()> {
    let (first, second, writer) = (part(f, 1, 100), part(f, 1, 100), part(f, 100, 100));
    granted(f.store(), &first).await?;
    granted(f.store(), &second).await?;
    waiting(f.store(), &writer).await?;
    assert!(release(f.store(), &first).await?);
    assert_holders(f, [&second]).await?;
    assert!(release(f.store(), &second).await?);
    assert_holders(f, [&writer]).await
}

pub(super) async fn a_reader_does_not_overtake_a_waiting_writer(f: &Fixture<'_>) -> Result<()> {
    let (reader, writer, late) = (part(f, 1, 100), part(f, 100, 100), part(f, 1, 100));
    granted(f.store(), &reader).await?;
    waiting(f.store(), &writer).await?;
    assert_eq!(waiting(f.store(), &late).await?.ahead, 2);
    assert_holders(f, [&reader]).await?;
    assert!(release(f.store(), &reader).await?);
    assert_holders(f, [&writer]).await?;
    assert!(release(f.store(), &writer).await?);
    assert_holders(f, [&late]).await
}

pub(super) async fn a_writer_that_leaves_lets_all_readers_in_up_to_the_next_writer(
    f: &Fixture<'_>,
) -> Result<()> {
    let writer = part(f, 100, 100);
    let (first, second, third) = (part(f, 1, 100), part(f, 1, 100), part(f, 1, 100));
    let (next, behind) = (part(f, 100, 100), part(f, 1, 100));
    granted(f.store(), &writer).await?;
    for request in [&first, &second, &third, &next, &behind] {
        waiting(f.store(), request).await?;
    }
    assert!(release(f.store(), &writer).await?);
    assert_holders(f, [&first, &second, &third]).await
}

pub(super) async fn a_light_contender_does_not_overtake_a_heavy_one(f: &Fixture<'_>) -> Result<()> {
    let (holder, heavy, light) = (part(f, 2, 3), part(f, 2, 3), part(f, 1, 3));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &heavy).await?;
    waiting(f.store(), &light).await?;
    assert_holders(f, [&holder]).await?;
    assert!(release(f.store(), &holder).await?);
    assert_holders(f, [&heavy, &light]).await
}

pub(super) async fn an_attempt_does_not_overtake_those_who_wait(f: &Fixture<'_>) -> Result<()> {
    granted(f.store(), &part(f, 2, 3)).await?;
    waiting(f.store(), &part(f, 3, 3)).await?;
    busy(f.store(), &attempt(f, 1, 3)).await
}

pub(super) async fn a_heavy_waiter_that_gives_up_lets_the_light_ones_in(
    f: &Fixture<'_>,
) -> Result<()> {
    let (holder, heavy, light) = (part(f, 1, 3), part(f, 3, 3), part(f, 1, 3));
    granted(f.store(), &holder).await?;
    waiting(f.store(), &heavy).await?;
    waiting(f.store(), &light).await?;
    assert!(release(f.store(), &heavy).await?);
    assert_holders(f, [&holder, &light]).await
}

pub(super) async fn a_smaller_capacity_holds_new_grants_back(f: &Fixture<'_>) -> Result<()> {
    let (old, new) = (part(f, 1, 5), part(f, 1, 2));
    granted(f.store(), &old).await?;
    granted(f.store(), &new).await?;
    busy(f.store(), &attempt(f, 1, 5)).await?;
    let waiter = part(f, 1, 5);
    waiting(f.store(), &waiter).await?;
    assert!(release(f.store(), &old).await?);
    assert_holders(f, [&new, &waiter]).await
}

pub(super) async fn a_smaller_capacity_takes_nothing_back(f: &Fixture<'_>) -> Result<()> {
    let old = [part(f, 1, 4), part(f, 1, 4), part(f, 1, 4)];
    for request in &old {
        granted(f.store(), request).await?;
    }
    let new = part(f, 1, 2);
    waiting(f.store(), &new).await?;
    assert_holders(f, [&old[0], &old[1], &old[2]]).await?;
    for request in &old {
        assert!(matches!(
            renewed(f.store(), request).await?,
            Renewed::Granted(_)
        ));
    }

    assert!(release(f.store(), &old[0]).await?);
    assert_holders(f, [&old[1], &old[2]]).await?;
    assert!(release(f.store(), &old[1]).await?);
    assert_holders(f, [&old[2], &new]).await
}

pub(super) async fn a_smaller_capacity_ends_with_the_last_who_named_it(
    f: &Fixture<'_>,
) -> Result<()> {
    let (small, first, second) = (part(f, 1, 1), part(f, 1, 3), part(f, 1, 3));
    granted(f.store(), &small).await?;
    waiting(f.store(), &first).await?;
    waiting(f.store(), &second).await?;
    assert!(release(f.store(), &small).await?);
    assert_holders(f, [&first, &second]).await
}

pub(super) async fn a_waiter_with_a_smaller_capacity_that_leaves_lets_those_behind_in(
    f: &Fixture<'_>,
) -> Result<()> {
    let (first, second, small, behind) =
        (part(f, 1, 4), part(f, 1, 4), part(f, 1, 2), part(f, 1, 4));
    granted(f.store(), &first).await?;
    granted(f.store(), &second).await?;
    waiting(f.store(), &small).await?;
    waiting(f.store(), &behind).await?;
    assert!(release(f.store(), &small).await?);
    assert_holders(f, [&first, &second, &behind]).await
}

pub(super) async fn an_attempt_with_a_smaller_capacity_leaves_none_of_it_behind(
    f: &Fixture<'_>,
) -> Result<()> {
    let (first, second) = (part(f, 1, 3), part(f, 1, 3));
    granted(f.store(), &first).await?;
    busy(f.store(), &attempt(f, 1, 1)).await?;
    granted(f.store(), &second).await?;
    assert_holders(f, [&first, &second]).await
}

pub(super) async fn one_heavier_than_the_capacity_in_force_is_granted_alone(
    f: &Fixture<'_>,
) -> Result<()> {
    let (small, heavy, behind) = (part(f, 1, 2), part(f, 5, 5), part(f, 1, 5));
    granted(f.store(), &small).await?;
    waiting(f.store(), &heavy).await?;
    waiting(f.store(), &behind).await?;
    assert_holders(f, [&small]).await?;

    let still_small = part(f, 1, 2);
    waiting(f.store(), &still_small).await?;
    assert!(release(f.store(), &small).await?);
    assert_holders(f, [&heavy]).await?;
    assert!(release(f.store(), &heavy).await?);
    assert_holders(f, [&behind, &still_small]).await
}
