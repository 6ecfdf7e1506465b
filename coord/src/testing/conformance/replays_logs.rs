//! Appends that are sent again: the entry is there once, and the answer is the same.

use super::prelude::*;
use crate::testing::{Fault, Operation};

async fn append(f: &Fixture<'_>, expected_len: u64, entry: &'static str) -> Result<Append> {
    f.store()
        .append_log(&AppendRequest::new(f.key("a"), expected_len, entry))
        .await
}

async fn entries(f: &Fixture<'_>) -> Result<Vec<Bytes>> {
    f.store().read_log(&f.key("a"), 0, 1_000).await
}

pub(super) async fn an_append_cut_before_it_is_sent_is_not_done_and_can_be_sent_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let request = AppendRequest::new(f.key("a"), 0, "one");
    cut.fail_next(Operation::Append, Fault::BeforeSend);
    failed(cut.append_log(&request).await, StoreErrorKind::NotApplied);
    assert_eq!(entries(f).await?, [""; 0]);
    assert_eq!(cut.append_log(&request).await?, Append::Appended);
    assert_eq!(entries(f).await?, ["one"]);
    Ok(())
}

pub(super) async fn an_append_whose_reply_is_lost_is_there_once(f: &Fixture<'_>) -> Result<()> {
    let cut = f.faulty();
    for len in 0..3 {
        let request = AppendRequest::new(f.key("a"), len, "same");
        cut.fail_next(Operation::Append, Fault::AfterApply);
        failed(cut.append_log(&request).await, StoreErrorKind::Unknown);
        for _ in 0..3 {
            assert_eq!(cut.append_log(&request).await?, Append::Appended);
        }
    }
    assert_eq!(entries(f).await?, ["same", "same", "same"]);
    Ok(())
}

pub(super) async fn an_append_that_lost_the_race_conflicts_however_often_it_is_sent(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let request = AppendRequest::new(f.key("a"), 0, "mine");
    cut.fail_next(Operation::Append, Fault::AfterSend);
    failed(cut.append_log(&request).await, StoreErrorKind::Unknown);
    assert_eq!(append(f, 0, "theirs").await?, Append::Appended);
    assert_eq!(cut.append_log(&request).await?, Append::Conflict { len: 1 });
    assert_eq!(cut.deliver().await, 1);
    assert_eq!(cut.append_log(&request).await?, Append::Conflict { len: 1 });
    assert_eq!(entries(f).await?, ["theirs"]);
    Ok(())
}

pub(super) async fn an_append_is_recognised_after_others_went_on(f: &Fixture<'_>) -> Result<()> {
    assert_eq!(append(f, 0, "first").await?, Append::Appended);
    let request = AppendRequest::new(f.key("a"), 1, "mine");
    assert_eq!(f.store().append_log(&request).await?, Append::Appended);
    for len in 2..22 {
        assert_eq!(append(f, len, "theirs").await?, Append::Appended);
        assert_eq!(
            f.store().append_log(&request).await?,
            Append::Appended,
            "with {} behind it",
            len - 1
        );
    }
    assert_eq!(entries(f).await?.len(), 22);
    Ok(())
}

pub(super) async fn a_copy_of_an_append_that_arrives_late_changes_nothing(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    let request = AppendRequest::new(f.key("a"), 0, "one");
    cut.fail_next(Operation::Append, Fault::AfterSend);
    failed(cut.append_log(&request).await, StoreErrorKind::Unknown);
    assert_eq!(cut.append_log(&request).await?, Append::Appended);
    assert_eq!(append(f, 1, "two").await?, Append::Appended);
    assert_eq!(cut.deliver().await, 1);
    assert_eq!(entries(f).await?, ["one", "two"]);
    Ok(())
}

pub(super) async fn an_expiry_whose_reply_is_lost_can_be_asked_for_again(
    f: &Fixture<'_>,
) -> Result<()> {
    let cut = f.faulty();
    assert_eq!(append(f, 0, "one").await?, Append::Appended);
    assert_eq!(append(f, 1, "two").await?, Append::Appended);
    cut.fail_next(Operation::Expire, Fault::AfterApply);
    failed(
        cut.expire_log(&f.key("a"), f.short()).await,
        StoreErrorKind::Unknown,
    );
    cut.expire_log(&f.key("a"), f.short()).await?;
    f.outlive(f.short()).await?;
    assert_eq!(entries(f).await?, [""; 0]);
    Ok(())
}
