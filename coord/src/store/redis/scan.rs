//! The names of all that is stored in Redis, as `SCAN` finds them.

use std::sync::Arc;

use super::failure;
use super::link::Link;
use crate::store::{Result, ScanPage, ScanRequest, Scanned, scan};

/// How many names the server looks at for one page, at least and at most.
const LEAST: usize = 250;
const MOST: usize = 10_000;

/// One round trip. The server looks at all names of the database, whoever's they are.
pub(super) async fn scan(link: &Arc<Link>, request: &ScanRequest) -> Result<ScanPage> {
    let (begins, ends) = around(request.what);
    let cursor: u64 = match &request.cursor {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| scan::foreign_cursor())?,
    };
    let pattern = [begins, &literally(&request.prefix), "*", ends].concat();
    let mut command = redis::cmd("SCAN");
    command
        .arg(cursor)
        .arg("MATCH")
        .arg(pattern)
        .arg("COUNT")
        .arg(request.limit.clamp(LEAST, MOST));
    let (next, keys): (u64, Vec<Vec<u8>>) = link.send("scan", &command).await?;
    let name = |key: Vec<u8>| {
        let key = String::from_utf8(key).ok()?;
        let name = key.strip_prefix(begins)?.strip_suffix(ends)?;
        Some(name.to_owned())
    };
    // What is no text is none of ours.
    let names = keys.into_iter().filter_map(name).collect();
    if request.cursor.is_some() && next == cursor && next != 0 {
        return Err(failure::of_reply("scan"));
    }
    let next = (next != 0).then(|| next.to_string());
    Ok(ScanPage { names, next })
}

/// What stands around a name in the key.
fn around(what: Scanned) -> (&'static str, &'static str) {
    match what {
        Scanned::Records => ("{coord:", "}:record"),
        Scanned::Leases => ("{", "}"),
    }
}

/// A pattern that fits the text and nothing else.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for one in text.chars() {
        if matches!(one, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(one);
    }
    pattern
}
