//! Puts one after the other, asked for as one: the second is never there without the first.

use super::prelude::*;
use crate::store::MAX_STORE_KEY_BYTES;

const TASKS: usize = 24;

/// Stores both, and returns the version of the second.
async fn stored_after(
    store: &dyn Store,
    first: &PutRequest,
    second: &PutRequest,
) -> Result<Version> {
    match store.put_after(first, second).await? {
        Put::Stored(version) => Ok(version),
        Put::Conflict(there) => panic!("{second:?} conflicts with {there:?}"),
    }
}

pub(super) async fn a_put_after_another_stores_both(f: &Fixture<'_>) -> Result<()> {
    for round in ["one", "two"] {
        let first = PutRequest::new(f.key("a/first"), round).listed().quiet();
        let second = PutRequest::new(f.key("a/second"), round).ttl(LONG).listed();
        stored_after(f.store(), &first, &second).await?;
    }
    let prefix = f.key("a/");
    let page = f
        .store()
        .list_records(&ListRequest::new(&*prefix).limit(10))
        .await?;
    let there = page
        .entries
        .into_iter()
        .map(|(key, entry)| (key, entry.value, entry.expires_in.is_some()))
        .collect::<Vec<_>>();
    let entry = |name: &str, expires| (f.key(name), Bytes::from("two"), expires);
    assert_eq!(there, [entry("a/first", false), entry("a/second", true)]);
    Ok(())
}

pub(super) async fn after_a_put_that_conflicts_nothing_is_stored(f: &Fixture<'_>) -> Result<()> {
    let there = stored(f.store(), &PutRequest::new(f.key("a"), "old")).await?;
    let first = PutRequest::new(f.key("a"), "new").when(Condition::Absent);
    let second = PutRequest::new(f.key("b"), "new");
    let Put::Conflict(Some(entry)) = f.store().put_after(&first, &second).await? else {
        panic!("the first is there already");
    };
    assert_eq!((entry.value, entry.version), (Bytes::from("old"), there));
    assert_eq!(value(f.store(), &f.key("b")).await?, None);
    Ok(())
}

pub(super) async fn a_put_after_another_that_conflicts_leaves_the_first(
    f: &Fixture<'_>,
) -> Result<()> {
    let there = stored(f.store(), &PutRequest::new(f.key("b"), "old")).await?;
    let first = PutRequest::new(f.key("a"), "new");
    let second = PutRequest::new(f.key("b"), "new").when(Condition::Absent);
    let Put::Conflict(Some(entry)) = f.store().put_after(&first, &second).await? else {
        panic!("the second is there already");
    };
    assert_eq!((entry.value, entry.version), (Bytes::from("old"), there));
    assert_eq!(value(f.store(), &f.key("a")).await?, Some("new".into()));
    assert_eq!(value(f.store(), &f.key("b")).await?, Some("old".into()));
    Ok(())
}

pub(super) async fn a_put_after_another_sees_it(f: &Fixture<'_>) -> Result<()> {
    let first = PutRequest::new(f.key("a"), "one");
    let second = PutRequest::new(f.key("a"), "two").when(Condition::Value("one".into()));
    stored_after(f.store(), &first, &second).await?;
    assert_eq!(value(f.store(), &f.key("a")).await?, Some("two".into()));
    Ok(())
}

pub(super) async fn puts_one_after_the_other_that_are_sent_again_spare_what_came_since(
    f: &Fixture<'_>,
) -> Result<()> {
    let first = PutRequest::new(f.key("a"), "new");
    let second = PutRequest::new(f.key("b"), "new").when(Condition::Absent);
    let version = stored_after(f.store(), &first, &second).await?;
    for key in ["a", "b"] {
        stored(f.store(), &PutRequest::new(f.key(key), "other")).await?;
    }
    for _ in 0..2 {
        let again = stored_after(f.store(), &first, &second).await?;
        assert_eq!(again, version);
    }
    for key in ["a", "b"] {
        assert_eq!(value(f.store(), &f.key(key)).await?, Some("other".into()));
    }
    Ok(())
}

pub(super) async fn of_many_that_put_after_another_one_is_done(f: &Fixture<'_>) -> Result<()> {
    let answers = at_once(TASKS, |index| {
        let first = PutRequest::new(f.key(&format!("first/{index}")), index.to_string());
        let second = PutRequest::new(f.key("second"), index.to_string()).when(Condition::Absent);
        let store = f.shared();
        async move { store.put_after(&first, &second).await }
    })
    .await?;
    let winners = (0..TASKS).filter(|index| matches!(answers[*index], Put::Stored(_)));
    let winners: Vec<_> = winners.collect();
    let [winner] = winners[..] else {
        panic!("{winners:?} were told that they were first")
    };
    let winner = Some(Bytes::from(winner.to_string()));
    assert_eq!(value(f.store(), &f.key("second")).await?, winner);
    for index in 0..TASKS {
        let first = value(f.store(), &f.key(&format!("first/{index}"))).await?;
        assert_eq!(first, Some(index.to_string().into()));
    }
    Ok(())
}

pub(super) async fn of_puts_one_after_the_other_both_are_within_the_limits(
    f: &Fixture<'_>,
) -> Result<()> {
    let fits = |name: &str| PutRequest::new(f.key(name), "new");
    let long = || PutRequest::new("k".repeat(MAX_STORE_KEY_BYTES + 1), "new");
    for (first, second) in [(long(), fits("b")), (fits("a"), long())] {
        let put = f.store().put_after(&first, &second).await;
        failed(put, StoreErrorKind::Rejected);
    }
    assert_eq!(value(f.store(), &f.key("b")).await?, None);
    Ok(())
}
