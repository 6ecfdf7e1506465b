//! Scans: the names of all that is there. A store that cannot tell says so.

use super::prelude::*;
use crate::store::{ScanPage, ScanRequest, Scanned};

/// Names under a prefix without what this case's begin with, sorted; `None` if the store cannot tell.
async fn scan(
    f: &Fixture<'_>,
    what: Scanned,
    prefix: &str,
    page_of: usize,
) -> Result<Option<Vec<String>>> {
    let begins = f.key("");
    let mut names = Vec::new();
    let mut request = ScanRequest::new(what, f.key(prefix)).limit(page_of);
    if !f.store().capabilities().scans {
        failed(f.store().scan(&request).await, StoreErrorKind::Unsupported);
        return Ok(None);
    }
    loop {
        let ScanPage { names: some, next } = f.store().scan(&request).await?;
        for name in some {
            let name = name.strip_prefix(&begins);
            names.push(name.expect("a name that begins so").to_owned());
        }
        match next {
            Some(next) => request = request.cursor(next),
            None => break,
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(Some(names))
}

fn assert_found(found: Option<Vec<String>>, expected: &[&str]) {
    if let Some(found) = found {
        assert_eq!(found, expected);
    }
}

pub(super) async fn a_scan_finds_records_that_are_not_listed(f: &Fixture<'_>) -> Result<()> {
    for name in ["s/a", "s/b", "s/\u{e9}", "other"] {
        stored(f.store(), &PutRequest::new(f.key(name), "").ttl(LONG)).await?;
    }
    stored(f.store(), &PutRequest::new(f.key("s/listed"), "").listed()).await?;
    for page_of in [1, 2, 1_000] {
        let found = scan(f, Scanned::Records, "s/", page_of).await?;
        assert_found(found, &["s/a", "s/b", "s/listed", "s/\u{e9}"]);
    }
    Ok(())
}

pub(super) async fn a_scan_of_nothing_ends(f: &Fixture<'_>) -> Result<()> {
    assert_found(scan(f, Scanned::Records, "none/", 1_000).await?, &[]);
    assert_found(scan(f, Scanned::Leases, "none/", 1_000).await?, &[]);
    Ok(())
}

pub(super) async fn what_a_scan_begins_with_is_no_pattern(f: &Fixture<'_>) -> Result<()> {
    for name in ["*", "*a", "a", "?", "[a]", "_", "%", "\\", "^"] {
        stored(f.store(), &PutRequest::new(f.key(&format!("r{name}")), "")).await?;
        granted(f.store(), &f.exclusive(&format!("l{name}"))).await?;
    }
    for (prefix, expected) in [
        ("*", &["*", "*a"][..]),
        ("?", &["?"]),
        ("[a", &["[a]"]),
        ("_", &["_"]),
        ("%", &["%"]),
        ("\\", &["\\"]),
        ("^", &["^"]),
    ] {
        for (what, kind) in [(Scanned::Records, "r"), (Scanned::Leases, "l")] {
            let expected: Vec<_> = expected
                .iter()
                .map(|name| format!("{kind}{name}"))
                .collect();
            let expected: Vec<_> = expected.iter().map(String::as_str).collect();
            let found = scan(f, what, &format!("{kind}{prefix}"), 1_000).await?;
            assert_found(found, &expected);
        }
    }
    Ok(())
}

pub(super) async fn a_scan_finds_what_is_held_and_waited_for(f: &Fixture<'_>) -> Result<()> {
    for name in ["s/alone", "s/queue", "other"] {
        granted(f.store(), &f.exclusive(name)).await?;
    }
    waiting(f.store(), &f.queueing("s/queue")).await?;
    stored(f.store(), &PutRequest::new(f.key("s/record"), "")).await?;
    for page_of in [1, 1_000] {
        let found = scan(f, Scanned::Leases, "s/", page_of).await?;
        assert_found(found, &["s/alone", "s/queue"]);
    }
    Ok(())
}

/// A name that is found tells nothing; what is behind it does.
pub(super) async fn what_is_gone_shows_as_gone_behind_its_name(f: &Fixture<'_>) -> Result<()> {
    let held = f.exclusive("l/released");
    granted(f.store(), &held).await?;
    release(f.store(), &held).await?;
    stored(f.store(), &PutRequest::new(f.key("r/deleted"), "")).await?;
    let delete = DeleteRequest::new(f.key("r/deleted"));
    assert!(f.store().delete_record(&delete).await?);
    for name in scan(f, Scanned::Leases, "l/", 100)
        .await?
        .unwrap_or_default()
    {
        let line = f.store().inspect_lease(&f.key(&name)).await?;
        assert!(line.is_empty(), "{name}: {line:?}");
    }
    for name in scan(f, Scanned::Records, "r/", 100)
        .await?
        .unwrap_or_default()
    {
        assert_eq!(value(f.store(), &f.key(&name)).await?, None, "{name}");
    }
    Ok(())
}

pub(super) async fn a_store_tells_of_itself(f: &Fixture<'_>) -> Result<()> {
    let found = f.store().examine().await?;
    assert!(found.server.is_none_or(|server| !server.is_empty()));
    assert!(found.warnings.iter().all(|warning| !warning.is_empty()));
    Ok(())
}
