//! Listing records: those of a server, or of all partitions of a cluster.

use std::sync::Arc;

#[cfg(feature = "redis-cluster")]
use futures_util::future::try_join_all;
use redis::{Cmd, Pipeline, Value};

use super::failure;
use super::link::Link;
use super::links::Links;
use super::records::{found, get_command};
use super::script::Script;
use crate::store::{Entry, ListRequest, Page, Result};

/// How many names are looked at in one round trip.
const PAGE: usize = 250;

/// Two round trips a page: the names, then what is stored. Names of records that have expired are taken out
/// of the index on the way.
pub(super) async fn list(links: &Links, request: &ListRequest) -> Result<Page> {
    let mut page = Page::default();
    let mut after = request
        .after
        .clone()
        .filter(|after| *after >= request.prefix);
    while page.entries.len() < request.limit {
        let wanted = (request.limit - page.entries.len()).min(PAGE);
        let range = Range {
            prefix: &request.prefix,
            after: after.as_deref(),
        };
        let (names, more) = match links {
            Links::One(link) => names_of_server(link, range, wanted).await?,
            #[cfg(feature = "redis-cluster")]
            Links::Parts(parts) => names_of_parts(&parts.all(), range, wanted).await?,
        };
        after = names.last().cloned();
        let entries = match links {
            Links::One(link) => entries_of_server(link, &names).await?,
            #[cfg(feature = "redis-cluster")]
            Links::Parts(_) => {
                try_join_all(names.iter().map(|name| entry(links.of(name), name))).await?
            }
        };
        let there = names
            .into_iter()
            .zip(entries)
            .filter_map(|(name, entry)| Some((name, entry?)));
        page.entries.extend(there);
        if !more {
            return Ok(page);
        }
    }
    page.next = after;
    Ok(page)
}

/// Names with a prefix, behind one of them.
#[derive(Clone, Copy)]
struct Range<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
}

impl Range<'_> {
    /// What asks for the first names of it.
    fn command(self, link: &Link, limit: usize) -> Cmd {
        let Self { prefix, after } = self;
        let from = after.map_or_else(|| format!("[{prefix}"), |after| format!("({after}"));
        // No UTF-8 text has this byte, so it comes after every name with the prefix.
        let to = [b"[", prefix.as_bytes(), b"\xff"].concat();
        let mut command = redis::cmd("ZRANGEBYLEX");
        command
            .arg(&link.names.index)
            .arg(from)
            .arg(to)
            .arg("LIMIT")
            .arg(0)
            .arg(limit);
        command
    }
}

/// The first names of a range, and whether there are more.
async fn names_of_server(
    link: &Arc<Link>,
    range: Range<'_>,
    wanted: usize,
) -> Result<(Vec<String>, bool)> {
    let command = range.command(link, wanted + 1);
    let mut names: Vec<String> = link.send("list", &command).await?;
    let more = names.len() > wanted;
    names.truncate(wanted);
    Ok((names, more))
}

/// The same, of all partitions. Each tells its part of what is wanted and some more; where one that has more ends, the others'
/// names are of no use yet.
#[cfg(feature = "redis-cluster")]
async fn names_of_parts(
    links: &[Arc<Link>],
    range: Range<'_>,
    wanted: usize,
) -> Result<(Vec<String>, bool)> {
    const SOME_MORE: usize = 8;
    let limit = wanted.min(2 * wanted / links.len().max(1) + SOME_MORE) + 1;
    let ask = async |link: &Arc<Link>| link.send("list", &range.command(link, limit)).await;
    let asked: Vec<Vec<String>> = try_join_all(links.iter().map(ask)).await?;
    let ends = asked
        .iter()
        .filter(|names| names.len() == limit)
        .filter_map(|names| names.last().cloned())
        .min();
    let mut names: Vec<String> = asked.into_iter().flatten().collect();
    names.sort_unstable();
    if let Some(end) = &ends {
        names.retain(|name| name <= end);
    }
    let more = ends.is_some() || names.len() > wanted;
    names.truncate(wanted);
    Ok((names, more))
}

/// What is stored under each of the names.
async fn entries_of_server(link: &Arc<Link>, names: &[String]) -> Result<Vec<Option<Entry>>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let connection = link.current().await?;
    let mut pipeline = Pipeline::with_capacity(names.len());
    for name in names {
        pipeline.add_command(get_command(link, name));
    }
    let mut expired = Pipeline::new();
    let mut entries = Vec::with_capacity(names.len());
    for (name, reply) in names
        .iter()
        .zip(connection.call_all("list", &pipeline).await?)
    {
        match reply {
            Value::ServerError(error) => return Err(connection.failed("list", &error.into())),
            Value::Nil => {
                expired.add_command(unlist_command(link, name));
                entries.push(None);
            }
            reply => entries.push(Some(found(reply).ok_or_else(|| failure::of_reply("list"))?)),
        }
    }
    if !expired.is_empty() {
        connection.send_all("list", &expired).await?;
    }
    Ok(entries)
}

/// What is stored under one name.
#[cfg(feature = "redis-cluster")]
async fn entry(link: &Arc<Link>, name: &str) -> Result<Option<Entry>> {
    match link.send("list", &get_command(link, name)).await? {
        Value::Nil => {
            let _: i64 = link.send("list", &unlist_command(link, name)).await?;
            Ok(None)
        }
        reply => found(reply)
            .map(Some)
            .ok_or_else(|| failure::of_reply("list")),
    }
}

/// What takes a name out of the index, if it is of nothing; 1 if it did.
pub(super) fn unlist_command(link: &Link, name: &str) -> Cmd {
    let mut command = link.form().call(Script::RecordUnlist, 2, 1);
    command
        .arg(link.names.record(name))
        .arg(&link.names.index)
        .arg(name);
    command
}
