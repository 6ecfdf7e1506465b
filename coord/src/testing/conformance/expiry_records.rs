//! Records that expire: absent in every operation at once, and only they.
//!
//! Each case makes one operation the first that meets the expired record, because stores differ in which
//! of them clean up.

use super::prelude::*;

/// A record that has expired, and the version that it had.
async fn expired(f: &Fixture<'_>, name: &str) -> Result<Version> {
    let version = stored(
        f.store(),
        &PutRequest::new(f.key(name), "old").ttl(f.short()).listed(),
    )
    .await?;
    f.outlive(f.short()).await?;
    Ok(version)
}

pub(super) async fn an_expired_record_is_not_read(f: &Fixture<'_>) -> Result<()> {
    expired(f, "a").await?;
    assert_eq!(f.store().get_record(&f.key("a")).await?, None);
    Ok(())
}

pub(super) async fn an_expired_record_conflicts_with_nothing(f: &Fixture<'_>) -> Result<()> {
    expired(f, "a").await?;
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "new").when(Condition::Absent),
    )
    .await?;
    assert_eq!(
        value(f.store(), &f.key("a")).await?,
        Some(Bytes::from("new"))
    );
    Ok(())
}

pub(super) async fn an_expired_record_meets_no_condition(f: &Fixture<'_>) -> Result<()> {
    let version = expired(f, "a").await?;
    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "new").when(Condition::Version(version)),
    )
    .await?;
    assert_eq!(there, None);
    expired(f, "b").await?;
    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("b"), "new").when(Condition::Value("old".into())),
    )
    .await?;
    assert_eq!(there, None);
    Ok(())
}

pub(super) async fn an_expired_record_cannot_be_deleted(f: &Fixture<'_>) -> Result<()> {
    let version = expired(f, "a").await?;
    assert!(
        !f.store()
            .delete_record(&DeleteRequest::new(f.key("a")).when(Condition::Version(version)))
            .await?
    );
    expired(f, "b").await?;
    assert!(
        !f.store()
            .delete_record(&DeleteRequest::new(f.key("b")))
            .await?
    );
    expired(f, "c").await?;
    assert!(
        !f.store()
            .delete_record(&DeleteRequest::new(f.key("c")).when(Condition::Value("old".into())))
            .await?
    );
    Ok(())
}

pub(super) async fn a_version_from_before_an_expiry_is_stale(f: &Fixture<'_>) -> Result<()> {
    let old = expired(f, "a").await?;
    let new = stored(
        f.store(),
        &PutRequest::new(f.key("a"), "old").when(Condition::Absent),
    )
    .await?;
    assert_ne!(old, new);
    conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "late").when(Condition::Version(old)),
    )
    .await?;
    assert!(
        !f.store()
            .delete_record(&DeleteRequest::new(f.key("a")).when(Condition::Version(old)))
            .await?
    );
    assert_eq!(
        f.store()
            .get_record(&f.key("a"))
            .await?
            .map(|entry| entry.version),
        Some(new)
    );
    Ok(())
}

pub(super) async fn a_put_without_a_ttl_outlives_the_one_before(f: &Fixture<'_>) -> Result<()> {
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "old").ttl(f.short()),
    )
    .await?;
    stored(f.store(), &PutRequest::new(f.key("a"), "new")).await?;
    f.outlive(f.short()).await?;
    assert_eq!(
        value(f.store(), &f.key("a")).await?,
        Some(Bytes::from("new"))
    );
    Ok(())
}

pub(super) async fn a_put_counts_its_ttl_from_now(f: &Fixture<'_>) -> Result<()> {
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "old").ttl(f.short()),
    )
    .await?;
    stored(f.store(), &PutRequest::new(f.key("a"), "new").ttl(LONG)).await?;
    stored(f.store(), &PutRequest::new(f.key("b"), "old").ttl(LONG)).await?;
    stored(
        f.store(),
        &PutRequest::new(f.key("b"), "new").ttl(f.short()),
    )
    .await?;
    f.outlive(f.short()).await?;
    assert_eq!(
        value(f.store(), &f.key("a")).await?,
        Some(Bytes::from("new"))
    );
    assert_eq!(value(f.store(), &f.key("b")).await?, None);
    Ok(())
}

pub(super) async fn a_refused_put_does_not_extend_what_is_there(f: &Fixture<'_>) -> Result<()> {
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "old").ttl(f.short()),
    )
    .await?;
    let attempt = PutRequest::new(f.key("a"), "new")
        .when(Condition::Absent)
        .ttl(LONG);
    eventually("the record expires in spite of those who try", async || {
        Ok(matches!(f.store().put_record(&attempt).await?, Put::Stored(_)).then_some(()))
    })
    .await
}

pub(super) async fn the_time_that_is_left_goes_down_to_nothing(f: &Fixture<'_>) -> Result<()> {
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "old").ttl(f.short()),
    )
    .await?;
    let mut last = f.short();
    eventually("the record expires", async || {
        let Some(entry) = f.store().get_record(&f.key("a")).await? else {
            return Ok(Some(()));
        };
        let left = entry.expires_in.expect("it has a ttl");
        assert!(left <= last, "{left:?} is left after {last:?}");
        last = left;
        Ok(None)
    })
    .await
}

pub(super) async fn nobody_sees_more_time_left_than_the_ttl(f: &Fixture<'_>) -> Result<()> {
    let other = f.made_anew().await;
    for round in 0..20 {
        let key = f.key(&format!("a/{round}"));
        stored(f.store(), &PutRequest::new(&*key, "").ttl(LONG)).await?;
        let Some(entry) = other.get_record(&key).await? else {
            // What is in memory has one client.
            return Ok(());
        };
        let left = entry.expires_in.expect("it has a ttl");
        assert!(left <= LONG, "{left:?} of a record's {LONG:?}");

        let request = LeaseRequest::exclusive(key, LONG);
        granted(f.store(), &request).await?;
        let line = other.inspect_lease(&request.lease.resource).await?;
        let left = line.first().expect("it was granted").expires_in;
        assert!(left <= LONG, "{left:?} of a lease's {LONG:?}");
    }
    Ok(())
}

pub(super) async fn a_record_without_a_ttl_stays(f: &Fixture<'_>) -> Result<()> {
    stored(f.store(), &PutRequest::new(f.key("a"), "one").listed()).await?;
    f.outlive(f.short()).await?;
    assert_eq!(
        f.store()
            .get_record(&f.key("a"))
            .await?
            .map(|entry| entry.expires_in),
        Some(None)
    );
    Ok(())
}
