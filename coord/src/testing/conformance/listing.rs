//! Listings: what begins with a prefix, in order, page by page.

use super::prelude::*;

async fn put_listed(f: &Fixture<'_>, names: &[&'static str]) -> Result<()> {
    for name in names {
        stored(f.store(), &PutRequest::new(f.key(name), *name).listed()).await?;
    }
    Ok(())
}

/// The values of everything under a prefix, collected a page at a time. The cases store names as values.
async fn list(f: &Fixture<'_>, prefix: &str, page_of: usize) -> Result<Vec<Bytes>> {
    let mut values = Vec::new();
    let mut request = ListRequest::new(f.key(prefix)).limit(page_of);
    loop {
        let page = f.store().list_records(&request).await?;
        assert!(
            page.entries.len() <= page_of,
            "a page of {page_of} has {} records",
            page.entries.len()
        );
        values.extend(page.entries.into_iter().map(|(_, entry)| entry.value));
        match page.next {
            Some(next) => request = request.after(next),
            None => return Ok(values),
        }
    }
}

pub(super) async fn an_empty_listing_ends_at_once(f: &Fixture<'_>) -> Result<()> {
    let page = f
        .store()
        .list_records(&ListRequest::new(f.key("none/")))
        .await?;
    assert_eq!((page.entries.len(), page.next), (0, None));
    Ok(())
}

pub(super) async fn a_listing_is_in_the_order_of_the_bytes(f: &Fixture<'_>) -> Result<()> {
    let mut names = [
        "l/b",
        "l/a",
        "l/B",
        "l/10",
        "l/9",
        "l/é",
        "l/e",
        "l/\u{10000}",
        "l/\u{ffff}",
        "l/~",
        "l/ ",
    ];
    put_listed(f, &names).await?;
    names.sort_unstable();
    assert_eq!(list(f, "l/", 100).await?, names);
    assert_eq!(list(f, "l/", 2).await?, names);
    Ok(())
}

pub(super) async fn a_listing_goes_page_by_page_without_gaps_or_repeats(
    f: &Fixture<'_>,
) -> Result<()> {
    let names: Vec<String> = (0..23).map(|index| format!("l/{index:02}")).collect();
    for name in names.iter().rev() {
        stored(
            f.store(),
            &PutRequest::new(f.key(name), name.clone()).listed(),
        )
        .await?;
    }
    for page_of in [1, 7, 22, 23, 24] {
        assert_eq!(
            list(f, "l/", page_of).await?,
            names,
            "in pages of {page_of}"
        );
    }
    Ok(())
}

pub(super) async fn a_listing_stays_within_its_prefix(f: &Fixture<'_>) -> Result<()> {
    put_listed(f, &["k", "l", "l.", "l/", "l/a", "l/b/c", "l0", "m"]).await?;
    assert_eq!(list(f, "l/", 100).await?, ["l/", "l/a", "l/b/c"]);
    assert_eq!(
        list(f, "l", 3).await?,
        ["l", "l.", "l/", "l/a", "l/b/c", "l0"]
    );
    Ok(())
}

pub(super) async fn a_prefix_is_text_and_no_pattern(f: &Fixture<'_>) -> Result<()> {
    put_listed(f, &["l*", "l*a", "la", "l?", "l[a]", "l_", "l%", "l\\"]).await?;
    for (prefix, expected) in [
        ("l*", &["l*", "l*a"][..]),
        ("l?", &["l?"]),
        ("l[a", &["l[a]"]),
        ("l_", &["l_"]),
        ("l%", &["l%"]),
    ] {
        assert_eq!(list(f, prefix, 100).await?, expected, "{prefix:?}");
    }
    Ok(())
}

pub(super) async fn a_listing_carries_what_is_stored_now(f: &Fixture<'_>) -> Result<()> {
    let first = stored(f.store(), &PutRequest::new(f.key("l/a"), "one").listed()).await?;
    let request = PutRequest::new(f.key("l/a"), "two")
        .when(Condition::Version(first))
        .ttl(LONG)
        .listed();
    let second = stored(f.store(), &request).await?;

    let page = f
        .store()
        .list_records(&ListRequest::new(f.key("l/")))
        .await?;
    let [(key, entry)] = &page.entries[..] else {
        panic!("expected one record, got {page:?}")
    };
    assert_eq!(
        (key, &entry.value, entry.version),
        (&f.key("l/a"), &Bytes::from("two"), second)
    );
    assert!(
        entry.expires_in.is_some_and(|left| left <= LONG),
        "{:?}",
        entry.expires_in
    );
    Ok(())
}

pub(super) async fn a_refused_put_is_not_listed(f: &Fixture<'_>) -> Result<()> {
    conflict(
        f.store(),
        &PutRequest::new(f.key("l/a"), "l/a")
            .when(Condition::Value("x".into()))
            .listed(),
    )
    .await?;
    assert_eq!(list(f, "l/", 10).await?, [""; 0]);
    Ok(())
}

pub(super) async fn a_deleted_record_leaves_the_listing(f: &Fixture<'_>) -> Result<()> {
    put_listed(f, &["l/a", "l/b", "l/c"]).await?;
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("l/b")))
            .await?
    );
    assert_eq!(list(f, "l/", 10).await?, ["l/a", "l/c"]);

    put_listed(f, &["l/b"]).await?;
    assert_eq!(list(f, "l/", 10).await?, ["l/a", "l/b", "l/c"]);
    Ok(())
}

pub(super) async fn an_expired_record_leaves_the_listing(f: &Fixture<'_>) -> Result<()> {
    put_listed(f, &["l/a", "l/c"]).await?;
    stored(
        f.store(),
        &PutRequest::new(f.key("l/b"), "l/b").ttl(f.short()).listed(),
    )
    .await?;
    f.outlive(f.short()).await?;
    assert_eq!(list(f, "l/", 1).await?, ["l/a", "l/c"]);
    assert_eq!(list(f, "l/", 10).await?, ["l/a", "l/c"]);
    Ok(())
}

pub(super) async fn a_page_goes_on_behind_a_key_that_is_gone(f: &Fixture<'_>) -> Result<()> {
    put_listed(f, &["l/a", "l/b", "l/c", "l/d"]).await?;
    let first = f
        .store()
        .list_records(&ListRequest::new(f.key("l/")).limit(2))
        .await?;
    assert_eq!(first.entries.len(), 2);
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("l/b")))
            .await?
    );

    let rest = f
        .store()
        .list_records(&ListRequest::new(f.key("l/")).after(first.next))
        .await?;
    let values: Vec<_> = rest
        .entries
        .into_iter()
        .map(|(_, entry)| entry.value)
        .collect();
    assert_eq!(values, ["l/c", "l/d"]);
    Ok(())
}
