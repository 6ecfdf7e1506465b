//! Logs: they grow at the end that the writer names, and by one writer at a time.

use super::prelude::*;

async fn append(f: &Fixture<'_>, name: &str, expected_len: u64, entry: &str) -> Result<Append> {
    f.store()
        .append_log(&AppendRequest::new(
            f.key(name),
            expected_len,
            entry.to_owned(),
        ))
        .await
}

async fn appended(f: &Fixture<'_>, name: &str, entries: &[&str]) -> Result<()> {
    for (len, entry) in (0..).zip(entries) {
        assert_eq!(append(f, name, len, entry).await?, Append::Appended);
    }
    Ok(())
}

async fn read(f: &Fixture<'_>, name: &str) -> Result<Vec<Bytes>> {
    f.store().read_log(&f.key(name), 0, 1_000).await
}

pub(super) async fn an_absent_log_is_empty(f: &Fixture<'_>) -> Result<()> {
    assert_eq!(read(f, "a").await?, [""; 0]);
    assert_eq!(f.store().read_log(&f.key("a"), 7, 10).await?, [""; 0]);
    Ok(())
}

pub(super) async fn an_append_at_the_expected_length_extends(f: &Fixture<'_>) -> Result<()> {
    appended(f, "a", &["one", "two", "three"]).await?;
    assert_eq!(read(f, "a").await?, ["one", "two", "three"]);
    Ok(())
}

pub(super) async fn an_append_at_another_length_conflicts_and_tells_it(
    f: &Fixture<'_>,
) -> Result<()> {
    assert_eq!(append(f, "a", 1, "x").await?, Append::Conflict { len: 0 });
    appended(f, "a", &["one", "two"]).await?;
    for wrong in [0, 1, 3, 4, 1_000, u64::from(u32::MAX) + 3] {
        assert_eq!(
            append(f, "a", wrong, "x").await?,
            Append::Conflict { len: 2 },
            "at {wrong}"
        );
    }
    assert_eq!(read(f, "a").await?, ["one", "two"]);
    Ok(())
}

pub(super) async fn a_refused_append_does_not_make_a_log(f: &Fixture<'_>) -> Result<()> {
    assert_eq!(append(f, "a", 5, "x").await?, Append::Conflict { len: 0 });
    assert_eq!(read(f, "a").await?, [""; 0]);
    assert_eq!(append(f, "a", 0, "one").await?, Append::Appended);
    Ok(())
}

pub(super) async fn the_same_entry_twice_is_two_entries(f: &Fixture<'_>) -> Result<()> {
    appended(f, "a", &["same", "same"]).await?;
    assert_eq!(
        append(f, "a", 1, "same").await?,
        Append::Conflict { len: 2 },
        "another append, though with equal content"
    );
    assert_eq!(read(f, "a").await?, ["same", "same"]);
    Ok(())
}

pub(super) async fn any_byte_survives_in_an_entry(f: &Fixture<'_>) -> Result<()> {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    for (len, entry) in (0..).zip([bytes.clone(), Vec::new(), b"\0".to_vec(), b"\r\n".to_vec()]) {
        let request = AppendRequest::new(f.key("a"), len, entry);
        assert_eq!(f.store().append_log(&request).await?, Append::Appended);
    }
    assert_eq!(read(f, "a").await?, [&bytes[..], b"", b"\0", b"\r\n"]);
    Ok(())
}

pub(super) async fn entries_are_read_from_any_index_up_to_a_limit(f: &Fixture<'_>) -> Result<()> {
    appended(f, "a", &["0", "1", "2", "3", "4"]).await?;
    for (from, limit, expected) in [
        (0, 2, &["0", "1"][..]),
        (1, 3, &["1", "2", "3"]),
        (3, 10, &["3", "4"]),
        (4, 1, &["4"]),
        (5, 10, &[]),
        (u64::MAX, 10, &[]),
        (0, usize::MAX, &["0", "1", "2", "3", "4"]),
    ] {
        assert_eq!(
            f.store().read_log(&f.key("a"), from, limit).await?,
            expected,
            "{limit} from {from}"
        );
    }
    Ok(())
}

pub(super) async fn a_long_log_is_read_in_order(f: &Fixture<'_>) -> Result<()> {
    let entries: Vec<String> = (0..250).map(|index| format!("entry {index}")).collect();
    for (len, entry) in (0..).zip(&entries) {
        assert_eq!(append(f, "a", len, entry).await?, Append::Appended);
    }
    assert_eq!(read(f, "a").await?, entries);
    assert_eq!(
        append(f, "a", 3, "late").await?,
        Append::Conflict { len: 250 }
    );

    let mut read = Vec::new();
    while let page = f
        .store()
        .read_log(&f.key("a"), read.len() as u64, 99)
        .await?
        && !page.is_empty()
    {
        read.extend(page);
    }
    assert_eq!(read, entries);
    Ok(())
}

pub(super) async fn logs_do_not_touch_each_other(f: &Fixture<'_>) -> Result<()> {
    let names = ["a", "A", "aa", "a/", "a/0", "a/000000000000", "{a}", "a\0"];
    for name in names {
        appended(f, name, &[name]).await?;
    }
    for name in names {
        assert_eq!(read(f, name).await?, [name], "{name:?}");
        assert_eq!(append(f, name, 0, "x").await?, Append::Conflict { len: 1 });
    }
    Ok(())
}

pub(super) async fn an_expired_log_is_gone_as_a_whole_and_starts_anew(
    f: &Fixture<'_>,
) -> Result<()> {
    appended(f, "a", &["one", "two", "three"]).await?;
    f.store().expire_log(&f.key("a"), f.short()).await?;
    f.outlive(f.short()).await?;
    f.store().expire_log(&f.key("a"), LONG).await?;
    assert_eq!(
        append(f, "a", 3, "late").await?,
        Append::Conflict { len: 0 }
    );
    assert_eq!(read(f, "a").await?, [""; 0]);
    appended(f, "a", &["new"]).await?;
    f.outlive(f.short()).await?;
    assert_eq!(
        read(f, "a").await?,
        ["new"],
        "what was started anew does not inherit the ttl"
    );
    Ok(())
}

pub(super) async fn a_log_that_is_to_expire_stays_until_then(f: &Fixture<'_>) -> Result<()> {
    appended(f, "a", &["one", "two"]).await?;
    f.store().expire_log(&f.key("a"), LONG).await?;
    assert_eq!(read(f, "a").await?, ["one", "two"]);
    assert_eq!(
        append(f, "a", 1, "late").await?,
        Append::Conflict { len: 2 }
    );
    Ok(())
}

pub(super) async fn an_entry_appended_to_an_expiring_log_goes_with_it(
    f: &Fixture<'_>,
) -> Result<()> {
    appended(f, "a", &["one", "two"]).await?;
    f.store().expire_log(&f.key("a"), f.short()).await?;
    // The log may be gone already on a machine that is busy; then there is nothing to go with.
    if append(f, "a", 2, "three").await? == Append::Appended {
        f.outlive(f.short()).await?;
        assert_eq!(read(f, "a").await?, [""; 0]);
        assert_eq!(append(f, "a", 0, "new").await?, Append::Appended);
    }
    Ok(())
}

pub(super) async fn expiring_a_log_again_sets_its_ttl_from_now(f: &Fixture<'_>) -> Result<()> {
    appended(f, "a", &["one", "two"]).await?;
    f.store().expire_log(&f.key("a"), LONG).await?;
    f.store().expire_log(&f.key("a"), f.short()).await?;
    f.outlive(f.short()).await?;
    assert_eq!(read(f, "a").await?, [""; 0]);
    Ok(())
}

pub(super) async fn expiring_a_log_that_is_absent_does_nothing(f: &Fixture<'_>) -> Result<()> {
    f.store().expire_log(&f.key("a"), f.short()).await?;
    appended(f, "a", &["one"]).await?;
    f.outlive(f.short()).await?;
    assert_eq!(read(f, "a").await?, ["one"]);
    Ok(())
}
