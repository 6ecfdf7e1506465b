//! Elections: one leads, everybody can see who, and the next is elected when it steps down.

use crate::fleet::{Fleet, SHORT, token};

pub(crate) async fn one_leads_and_all_see_who(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let (here, there) = (
        one.election("a").candidate("here"),
        other.election("a").candidate("there"),
    );
    assert_eq!(there.leader().await.unwrap(), None);
    let leadership = here.campaign().await.unwrap();
    assert!(there.try_lead().await.unwrap().is_none());
    for election in [&here, &there] {
        let leader = election.leader().await.unwrap().expect("somebody leads");
        assert_eq!((&*leader.name, leader.token), ("here", leadership.token()));
    }
    assert_eq!(fleet.line("election", "a").counts().await, (1, 0));
    leadership.resign().await.unwrap();
    assert_eq!(there.leader().await.unwrap(), None);
}

pub(crate) async fn candidates_are_elected_in_the_order_in_which_they_stood(fleet: &Fleet) {
    let line = fleet.line("election", "a");
    let first = fleet
        .process()
        .await
        .election("a")
        .campaign()
        .await
        .unwrap();
    let mut last = token(&first);
    let mut candidates = Vec::new();
    for number in 0..3_usize {
        let election = fleet
            .process()
            .await
            .election("a")
            .candidate(number.to_string());
        candidates.push(tokio::spawn(async move { election.campaign().await }));
        line.until(1, number + 1).await;
    }
    let mut leading = first;
    for (number, candidate) in candidates.into_iter().enumerate() {
        leading.resign().await.unwrap();
        leading = candidate.await.unwrap().unwrap();
        assert!(token(&leading) > last);
        last = token(&leading);
        let leader = fleet.process().await.election("a").leader().await.unwrap();
        assert_eq!(*leader.expect("somebody leads").name, *number.to_string());
    }
}

pub(crate) async fn a_candidate_that_withdraws_is_not_elected(fleet: &Fleet) {
    let line = fleet.line("election", "a");
    let (one, other) = fleet.two().await;
    let leadership = one.election("a").campaign().await.unwrap();
    let candidate = tokio::spawn(async move { other.election("a").campaign().await });
    line.until(1, 1).await;
    candidate.abort();
    line.until(1, 0).await;
    leadership.resign().await.unwrap();
    assert_eq!(one.election("a").leader().await.unwrap(), None);
}

pub(crate) async fn observers_see_each_leader(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let election = one.election("a").candidate("first");
    let mut observer = other.election("a").observe();
    assert_eq!(observer.changed().await.unwrap(), None);

    let leadership = election.campaign().await.unwrap();
    let seen = observer.changed().await.unwrap().expect("somebody leads");
    assert_eq!((&*seen.name, seen.token), ("first", leadership.token()));
    let own = leadership.observe().changed().await.unwrap();
    assert_eq!(own, Some(seen));

    leadership.resign().await.unwrap();
    assert_eq!(observer.changed().await.unwrap(), None);

    let second = other
        .election("a")
        .candidate("second")
        .campaign()
        .await
        .unwrap();
    let seen = observer.changed().await.unwrap().expect("somebody leads");
    assert_eq!((&*seen.name, seen.token), ("second", second.token()));
}

pub(crate) async fn a_dropped_leadership_ends(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    drop(one.election("a").campaign().await.unwrap());
    drop(other.election("a").campaign().await.unwrap());
}

pub(crate) async fn a_leader_that_the_store_has_lost_learns_of_it(fleet: &Fleet) {
    let election = fleet.process().await.election("a").ttl(SHORT);
    let leadership = election.campaign().await.unwrap();
    fleet.line("election", "a").lose_holders().await;
    leadership.lost().await;
    assert!(!leadership.is_held());
    let again = election.campaign().await.unwrap();
    assert!(again.token() > leadership.token());
}
