//! Writes and deletes that are sent again: whatever became of the first copy, the effect is there once and
//! the answer is the same.

use super::prelude::*;
use crate::testing::{Fault, Operation};

/// A write of "new" under each condition, each to a key of its own where the condition holds, and what is
/// there before.
async fn puts(f: &Fixture<'_>, name: &str) -> Result<Vec<(PutRequest, Option<Bytes>)>> {
    let old = Some(Bytes::from("old"));
    let key = |condition: &str| f.key(&format!("{name}/{condition}"));
    for condition in ["any", "version", "value"] {
        stored(f.store(), &PutRequest::new(key(condition), "old")).await?;
    }
    let version = f
        .store()
        .get_record(&key("version"))
        .await?
        .expect("it was stored")
        .version;
    let put = |condition: &str, when: Condition| {
        PutRequest::new(key(condition), "new")
            .when(when)
            .ttl(LONG)
            .listed()
    };
    Ok(vec![
        (put("any", Condition::Any), old.clone()),
        (put("absent", Condition::Absent), None),
        (put("version", Condition::Version(version)), old.clone()),
        (put("value", Condition::Value("old".into())), old),
    ])
}

/// A delete under each condition, each of a key of its own where the condition holds.
async fn deletes(f: &Fixture<'_>, name: &str) -> Result<Vec<DeleteRequest>> {
    let key = |condition: &str| f.key(&format!("{name}/{condition}"));
    for condition in ["any", "version", "value"] {
        stored(f.store(), &PutRequest::new(key(condition), "old")).await?;
    }
    let version = f
        .store()
        .get_record(&key("version"))
        .await?
        .expect("it was stored")
        .version;
    Ok(vec![
        DeleteRequest::new(key("any")),
        DeleteRequest::new(key("version")).when(Condition::Version(version)),
        DeleteRequest::new(key("value")).when(Condition::Value("old".into())),
    ])
}

pub(super) async fn a_put_cut_before_it_is_sent_is_not_done_and_can_be_sent_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for (put, before) in puts(f, "a").await? {
        cut.fail_next(Operation::Put, Fault::BeforeSend);
        failed(cut.put_record(&put).await, StoreErrorKind::NotApplied);
        assert_eq!(value(f.store(), &put.key).await?, before, "{put:?}");
        let version = stored(&cut, &put).await?;
        assert_eq!(
            f.store()
                .get_record(&put.key)
                .await?
                .map(|entry| entry.version),
            Some(version)
        );
    }
    Ok(())
}

pub(super) async fn a_put_that_never_arrives_is_done_when_sent_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for (put, _) in puts(f, "a").await? {
        cut.fail_next(Operation::Put, Fault::AfterSend);
        failed(cut.put_record(&put).await, StoreErrorKind::Unknown);
        stored(&cut, &put).await?;
        assert_eq!(
            value(f.store(), &put.key).await?,
            Some(Bytes::from("new")),
            "{put:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_put_whose_reply_is_lost_answers_the_same_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for (put, _) in puts(f, "a").await? {
        cut.fail_next(Operation::Put, Fault::AfterApply);
        failed(cut.put_record(&put).await, StoreErrorKind::Unknown);
        let version = f
            .store()
            .get_record(&put.key)
            .await?
            .map(|entry| entry.version);
        assert!(version.is_some(), "{put:?} was done");
        for _ in 0..3 {
            assert_eq!(Some(stored(&cut, &put).await?), version, "{put:?}");
        }
        let entry = f.store().get_record(&put.key).await?;
        assert_eq!(
            entry.map(|entry| (entry.value, Some(entry.version))),
            Some((Bytes::from("new"), version))
        );
    }
    Ok(())
}

pub(super) async fn a_put_sent_again_spares_what_another_writer_has_put_since(
    f: &Fixture<'_>,
) -> Result<()> {
    for (put, _) in puts(f, "a").await? {
        let version = stored(f.store(), &put).await?;
        let other = stored(f.store(), &PutRequest::new(&*put.key, "other")).await?;
        assert_eq!(stored(f.store(), &put).await?, version, "{put:?}");
        let entry = f
            .store()
            .get_record(&put.key)
            .await?
            .map(|entry| (entry.value, entry.version, entry.expires_in));
        assert_eq!(entry, Some((Bytes::from("other"), other, None)), "{put:?}");
    }
    Ok(())
}

pub(super) async fn a_put_sent_again_does_not_bring_back_what_was_deleted_since(
    f: &Fixture<'_>,
) -> Result<()> {
    for (put, _) in puts(f, "a").await? {
        let version = stored(f.store(), &put).await?;
        assert!(
            f.store()
                .delete_record(&DeleteRequest::new(&*put.key))
                .await?
        );
        assert_eq!(stored(f.store(), &put).await?, version, "{put:?}");
        assert_eq!(value(f.store(), &put.key).await?, None, "{put:?}");
    }
    Ok(())
}

pub(super) async fn a_put_sent_again_spares_what_was_deleted_and_put_anew_since(
    f: &Fixture<'_>,
) -> Result<()> {
    for (put, _) in puts(f, "a").await? {
        let version = stored(f.store(), &put).await?;
        assert!(
            f.store()
                .delete_record(&DeleteRequest::new(&*put.key))
                .await?
        );
        stored(
            f.store(),
            &PutRequest::new(&*put.key, "other").when(Condition::Absent),
        )
        .await?;
        assert_eq!(stored(f.store(), &put).await?, version, "{put:?}");
        assert_eq!(
            value(f.store(), &put.key).await?,
            Some(Bytes::from("other")),
            "{put:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_put_is_recognised_after_eight_other_writes(f: &Fixture<'_>) -> Result<()> {
    for (put, _) in puts(f, "a").await? {
        let version = stored(f.store(), &put).await?;
        for count in 0..4 {
            stored(f.store(), &PutRequest::new(&*put.key, count.to_string())).await?;
            assert!(
                f.store()
                    .delete_record(&DeleteRequest::new(&*put.key))
                    .await?
            );
        }
        assert_eq!(stored(f.store(), &put).await?, version, "{put:?}");
        assert_eq!(value(f.store(), &put.key).await?, None, "{put:?}");
    }
    Ok(())
}

pub(super) async fn a_copy_of_a_put_that_arrives_late_changes_nothing(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for (put, _) in puts(f, "a").await? {
        cut.fail_next(Operation::Put, Fault::AfterSend);
        failed(cut.put_record(&put).await, StoreErrorKind::Unknown);
        stored(&cut, &put).await?;
        stored(f.store(), &PutRequest::new(&*put.key, "other")).await?;
        assert_eq!(cut.deliver().await, 1);
        assert_eq!(
            value(f.store(), &put.key).await?,
            Some(Bytes::from("other")),
            "{put:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_put_that_conflicted_is_not_taken_for_done(f: &Fixture<'_>) -> Result<()> {
    stored(f.store(), &PutRequest::new(f.key("a"), "old")).await?;
    let put = PutRequest::new(f.key("a"), "new").when(Condition::Absent);
    for _ in 0..2 {
        let there = conflict(f.store(), &put).await?;
        assert_eq!(there.map(|entry| entry.value), Some(Bytes::from("old")));
    }
    Ok(())
}

pub(super) async fn a_put_with_the_same_content_is_another_put(f: &Fixture<'_>) -> Result<()> {
    let put = PutRequest::new(f.key("a"), "same").when(Condition::Absent);
    let version = stored(f.store(), &put).await?;
    let twin = PutRequest::new(f.key("a"), "same").when(Condition::Absent);
    let there = conflict(f.store(), &twin).await?;
    assert_eq!(
        there.map(|entry| entry.version),
        Some(version),
        "only the id makes it the same"
    );
    Ok(())
}

pub(super) async fn a_delete_cut_before_it_is_sent_is_not_done_and_can_be_sent_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for delete in deletes(f, "a").await? {
        cut.fail_next(Operation::Delete, Fault::BeforeSend);
        failed(cut.delete_record(&delete).await, StoreErrorKind::NotApplied);
        assert_eq!(
            value(f.store(), &delete.key).await?,
            Some(Bytes::from("old")),
            "{delete:?}"
        );
        assert!(cut.delete_record(&delete).await?, "{delete:?}");
        assert_eq!(value(f.store(), &delete.key).await?, None, "{delete:?}");
    }
    Ok(())
}

pub(super) async fn a_delete_whose_reply_is_lost_answers_the_same_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for delete in deletes(f, "a").await? {
        cut.fail_next(Operation::Delete, Fault::AfterApply);
        failed(cut.delete_record(&delete).await, StoreErrorKind::Unknown);
        assert_eq!(value(f.store(), &delete.key).await?, None, "{delete:?}");
        for _ in 0..3 {
            assert!(cut.delete_record(&delete).await?, "{delete:?}");
        }
    }
    Ok(())
}

pub(super) async fn a_delete_sent_again_spares_what_was_put_since(f: &Fixture<'_>) -> Result<()> {
    for delete in deletes(f, "a").await? {
        assert!(f.store().delete_record(&delete).await?);
        // The same value again, so that a condition on the value would hold.
        let version = stored(
            f.store(),
            &PutRequest::new(&*delete.key, "old").when(Condition::Absent),
        )
        .await?;
        assert!(f.store().delete_record(&delete).await?, "{delete:?}");
        assert_eq!(
            f.store()
                .get_record(&delete.key)
                .await?
                .map(|entry| entry.version),
            Some(version),
            "{delete:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_delete_is_recognised_after_eight_other_writes(f: &Fixture<'_>) -> Result<()> {
    for delete in deletes(f, "a").await? {
        assert!(f.store().delete_record(&delete).await?);
        for count in 0..4 {
            stored(f.store(), &PutRequest::new(&*delete.key, count.to_string())).await?;
            stored(f.store(), &PutRequest::new(&*delete.key, "old")).await?;
        }
        assert!(f.store().delete_record(&delete).await?, "{delete:?}");
        assert_eq!(
            value(f.store(), &delete.key).await?,
            Some(Bytes::from("old")),
            "{delete:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_copy_of_a_delete_that_arrives_late_changes_nothing(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    for delete in deletes(f, "a").await? {
        cut.fail_next(Operation::Delete, Fault::AfterSend);
        failed(cut.delete_record(&delete).await, StoreErrorKind::Unknown);
        assert!(cut.delete_record(&delete).await?);
        stored(
            f.store(),
            &PutRequest::new(&*delete.key, "old").when(Condition::Absent),
        )
        .await?;
        assert_eq!(cut.deliver().await, 1);
        assert_eq!(
            value(f.store(), &delete.key).await?,
            Some(Bytes::from("old")),
            "{delete:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_put_sent_again_leaves_the_ttl_of_another_alone(
    f: &Fixture<'_>,
) -> Result<()> {
    let put = PutRequest::new(f.key("a"), "new").ttl(LONG);
    stored(f.store(), &put).await?;
    stored(f.store(), &PutRequest::new(f.key("a"), "other")).await?;
    stored(f.store(), &put).await?;
    let entry = f.store().get_record(&f.key("a")).await?;
    let entry = entry.expect("a record that does not expire");
    assert_eq!(entry.value, "other", "the other's stays");
    assert_eq!(entry.expires_in, None, "and so does its ttl, which is none");
    Ok(())
}
