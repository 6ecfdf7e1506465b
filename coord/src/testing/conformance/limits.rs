//! Sizes and times: what is within the limits works, what is not is refused as such, and has done nothing.

use super::prelude::*;
use crate::store::{
    LARGEST_TTL, MAX_STORE_KEY_BYTES, MAX_STORE_NAME_BYTES, MAX_VALUE_BYTES, Renewal,
};

/// A key of this many bytes that no other case uses.
fn key_of(f: &Fixture<'_>, bytes: usize) -> String {
    let mut key = f.key("");
    key.push_str(&"k".repeat(bytes - key.len()));
    key
}

const REFUSED: StoreErrorKind = StoreErrorKind::Rejected;

pub(super) async fn the_largest_value_fits(f: &Fixture<'_>) -> Result<()> {
    let large = Bytes::from(vec![0xa5; f.largest_value()]);
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), large.clone()).ttl(LONG),
    )
    .await?;
    assert!(
        value(f.store(), &f.key("a"))
            .await?
            .is_some_and(|value| value == large)
    );
    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "").when(Condition::Absent),
    )
    .await?;
    assert!(
        there.is_some_and(|entry| entry.value == large),
        "a conflict carries all of it"
    );
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "").when(Condition::Value(large)),
    )
    .await?;
    Ok(())
}

pub(super) async fn the_largest_log_entry_fits(f: &Fixture<'_>) -> Result<()> {
    let large = Bytes::from(vec![0xa5; f.largest_value()]);
    assert_eq!(
        f.store()
            .append_log(&AppendRequest::new(f.key("a"), 0, large.clone()))
            .await?,
        Append::Appended
    );
    let read = f.store().read_log(&f.key("a"), 0, 10).await?;
    assert!(read == [large], "{} entries", read.len());
    Ok(())
}

pub(super) async fn a_value_that_is_too_large_is_refused_and_changes_nothing(
    f: &Fixture<'_>,
) -> Result<()> {
    let version = stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    let large = Bytes::from(vec![0; f.largest_value() + 1]);
    failed(
        f.store()
            .put_record(&PutRequest::new(f.key("a"), large.clone()))
            .await,
        REFUSED,
    );
    failed(
        f.store()
            .append_log(&AppendRequest::new(f.key("a"), 0, large))
            .await,
        REFUSED,
    );
    assert_eq!(
        f.store()
            .get_record(&f.key("a"))
            .await?
            .map(|entry| entry.version),
        Some(version)
    );
    assert_eq!(f.store().read_log(&f.key("a"), 0, 10).await?, [""; 0]);
    Ok(())
}

pub(super) async fn the_longest_key_works_for_records(f: &Fixture<'_>) -> Result<()> {
    let key = key_of(f, MAX_STORE_KEY_BYTES);
    stored(f.store(), &PutRequest::new(&*key, "one").listed()).await?;
    assert_eq!(value(f.store(), &key).await?, Some(Bytes::from("one")));
    let page = f.store().list_records(&ListRequest::new(&*key)).await?;
    assert_eq!(page.entries.len(), 1);
    assert!(f.store().delete_record(&DeleteRequest::new(key)).await?);
    Ok(())
}

pub(super) async fn the_longest_name_works_for_leases(f: &Fixture<'_>) -> Result<()> {
    let resource: Arc<str> = key_of(f, MAX_STORE_NAME_BYTES).into();
    let holder = LeaseRequest::exclusive(Arc::clone(&resource), LONG).queue(LONG);
    let waiter = LeaseRequest::exclusive(resource, LONG).queue(LONG);
    granted(f.store(), &holder).await?;
    waiting(f.store(), &waiter).await?;
    assert!(release(f.store(), &holder).await?);
    assert!(matches!(
        renewed(f.store(), &waiter).await?,
        Renewed::Granted(_)
    ));
    Ok(())
}

pub(super) async fn the_longest_name_works_for_logs(f: &Fixture<'_>) -> Result<()> {
    let log = key_of(f, MAX_STORE_NAME_BYTES);
    assert_eq!(
        f.store()
            .append_log(&AppendRequest::new(&*log, 0, "one"))
            .await?,
        Append::Appended
    );
    assert_eq!(f.store().read_log(&log, 0, 10).await?, ["one"]);
    Ok(())
}

pub(super) async fn a_key_that_is_too_long_or_empty_is_refused(f: &Fixture<'_>) -> Result<()> {
    for key in [key_of(f, MAX_STORE_KEY_BYTES + 1), String::new()] {
        failed(f.store().get_record(&key).await, REFUSED);
        failed(
            f.store().put_record(&PutRequest::new(&*key, "")).await,
            REFUSED,
        );
        failed(
            f.store().delete_record(&DeleteRequest::new(&*key)).await,
            REFUSED,
        );
        failed(
            f.store()
                .acquire_lease(&LeaseRequest::exclusive(&*key, LONG))
                .await,
            REFUSED,
        );
        failed(
            f.store()
                .acquire_lease(&LeaseRequest::exclusive(&*key, LONG).queue(LONG))
                .await,
            REFUSED,
        );
        failed(f.store().inspect_lease(&key).await, REFUSED);
        failed(
            f.store()
                .append_log(&AppendRequest::new(&*key, 0, ""))
                .await,
            REFUSED,
        );
        failed(f.store().read_log(&key, 0, 1).await, REFUSED);
        failed(f.store().expire_log(&key, LONG).await, REFUSED);
    }
    Ok(())
}

pub(super) async fn a_name_that_is_too_long_is_refused(f: &Fixture<'_>) -> Result<()> {
    let name = key_of(f, MAX_STORE_NAME_BYTES + 1);
    let request = LeaseRequest::exclusive(&*name, LONG);
    failed(f.store().acquire_lease(&request).await, REFUSED);
    failed(f.store().inspect_lease(&name).await, REFUSED);
    let append = AppendRequest::new(&*name, 0, "");
    failed(f.store().append_log(&append).await, REFUSED);
    failed(f.store().read_log(&name, 0, 1).await, REFUSED);
    failed(f.store().expire_log(&name, LONG).await, REFUSED);
    Ok(())
}

pub(super) async fn a_ttl_of_zero_or_beyond_the_largest_is_refused(f: &Fixture<'_>) -> Result<()> {
    let version = stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    assert_eq!(
        f.store()
            .append_log(&AppendRequest::new(f.key("a"), 0, "one"))
            .await?,
        Append::Appended
    );
    for ttl in [
        Duration::ZERO,
        LARGEST_TTL + Duration::from_millis(1),
        Duration::MAX,
    ] {
        failed(
            f.store()
                .put_record(&PutRequest::new(f.key("a"), "two").ttl(ttl))
                .await,
            REFUSED,
        );
        failed(
            f.store()
                .acquire_lease(&LeaseRequest::exclusive(f.key("a"), ttl))
                .await,
            REFUSED,
        );
        failed(
            f.store().acquire_lease(&f.exclusive("a").queue(ttl)).await,
            REFUSED,
        );
        failed(f.store().expire_log(&f.key("a"), ttl).await, REFUSED);
    }
    assert_eq!(
        f.store()
            .get_record(&f.key("a"))
            .await?
            .map(|entry| entry.version),
        Some(version)
    );
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    assert_eq!(f.store().read_log(&f.key("a"), 0, 10).await?, ["one"]);
    Ok(())
}

pub(super) async fn the_largest_ttl_is_kept(f: &Fixture<'_>) -> Result<()> {
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "one").ttl(LARGEST_TTL),
    )
    .await?;
    let left = f
        .store()
        .get_record(&f.key("a"))
        .await?
        .and_then(|entry| entry.expires_in);
    assert!(
        left.is_some_and(|left| left <= LARGEST_TTL && left + LONG > LARGEST_TTL),
        "{left:?}"
    );

    let holder = LeaseRequest::exclusive(f.key("a"), LARGEST_TTL);
    granted(f.store(), &holder).await?;
    let left = contender(f.store(), &holder)
        .await?
        .map(|contender| contender.expires_in);
    assert!(
        left.is_some_and(|left| left <= LARGEST_TTL && left + LONG > LARGEST_TTL),
        "{left:?}"
    );

    assert_eq!(
        f.store()
            .append_log(&AppendRequest::new(f.key("a"), 0, "one"))
            .await?,
        Append::Appended
    );
    f.store().expire_log(&f.key("a"), LARGEST_TTL).await?;
    assert_eq!(f.store().read_log(&f.key("a"), 0, 10).await?, ["one"]);
    Ok(())
}

pub(super) async fn a_ttl_below_the_smallest_is_rounded_up(f: &Fixture<'_>) -> Result<()> {
    let tiny = Duration::from_nanos(1);
    stored(f.store(), &PutRequest::new(f.key("a"), "one").ttl(tiny)).await?;
    let holder = LeaseRequest::exclusive(f.key("a"), tiny);
    granted(f.store(), &holder).await?;
    assert_eq!(
        f.store()
            .append_log(&AppendRequest::new(f.key("a"), 0, "one"))
            .await?,
        Append::Appended
    );
    f.store().expire_log(&f.key("a"), tiny).await?;

    f.outlive(f.short()).await?;
    assert_eq!(value(f.store(), &f.key("a")).await?, None);
    assert_eq!(renewed(f.store(), &holder).await?, Renewed::Gone);
    assert_eq!(f.store().read_log(&f.key("a"), 0, 10).await?, [""; 0]);
    Ok(())
}

pub(super) async fn a_ttl_with_a_fraction_of_a_millisecond_is_accepted(
    f: &Fixture<'_>,
) -> Result<()> {
    let odd = LONG + Duration::from_nanos(1_234_567);
    stored(f.store(), &PutRequest::new(f.key("a"), "one").ttl(odd)).await?;
    granted(
        f.store(),
        &LeaseRequest::exclusive(f.key("a"), odd).queue(odd),
    )
    .await?;
    assert!(value(f.store(), &f.key("a")).await?.is_some());
    Ok(())
}

pub(super) async fn a_weight_that_never_fits_is_refused(f: &Fixture<'_>) -> Result<()> {
    for (weight, capacity) in [(0, 1), (2, 1), (0, 0), (1, 0)] {
        failed(
            f.store()
                .acquire_lease(&f.exclusive("a").weighing(weight, capacity))
                .await,
            REFUSED,
        );
        failed(
            f.store()
                .acquire_lease(&f.queueing("a").weighing(weight, capacity))
                .await,
            REFUSED,
        );
    }
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    Ok(())
}

pub(super) async fn one_refused_renewal_spares_the_others(f: &Fixture<'_>) -> Result<()> {
    let (a, b) = (f.exclusive("a"), f.exclusive("b"));
    let token_a = granted(f.store(), &a).await?;
    let token_b = granted(f.store(), &b).await?;
    let too_long = Renewal {
        ttl: Duration::MAX,
        ..b.renewal()
    };
    let none = Renewal {
        wait_ttl: Duration::ZERO,
        ..b.renewal()
    };
    let mut answers = f
        .store()
        .renew_leases(&[too_long, a.renewal(), none, b.renewal()])
        .await;
    assert_eq!(answers.len(), 4);
    assert_eq!(answers.remove(3)?, Renewed::Granted(token_b));
    failed(answers.remove(2), REFUSED);
    assert_eq!(answers.remove(1)?, Renewed::Granted(token_a));
    failed(answers.remove(0), REFUSED);
    Ok(())
}

pub(super) async fn a_label_that_is_too_large_is_refused(f: &Fixture<'_>) -> Result<()> {
    let large = "l".repeat(MAX_VALUE_BYTES + 1);
    failed(
        f.store()
            .acquire_lease(&f.exclusive("a").label(large))
            .await,
        REFUSED,
    );
    assert_eq!(owners(f.store(), &f.exclusive("a")).await?, []);
    Ok(())
}

pub(super) async fn an_error_names_its_operation_and_no_key(f: &Fixture<'_>) -> Result<()> {
    let key = key_of(f, MAX_STORE_KEY_BYTES + 1);
    for (error, operation) in [
        (failed(f.store().get_record(&key).await, REFUSED), "get"),
        (
            failed(
                f.store().put_record(&PutRequest::new(&*key, "")).await,
                REFUSED,
            ),
            "put",
        ),
        (
            failed(
                f.store().delete_record(&DeleteRequest::new(&*key)).await,
                REFUSED,
            ),
            "delete",
        ),
        (
            failed(
                f.store()
                    .acquire_lease(&LeaseRequest::exclusive(&*key, LONG))
                    .await,
                REFUSED,
            ),
            "acquire",
        ),
        (
            failed(
                f.store()
                    .append_log(&AppendRequest::new(&*key, 0, ""))
                    .await,
                REFUSED,
            ),
            "append",
        ),
    ] {
        assert_eq!(error.operation(), operation);
        assert!(!error.is_retryable() && !error.may_have_applied());
        assert!(
            !format!("{error} {error:?}").contains(&key),
            "the error shows the key"
        );
    }
    Ok(())
}
