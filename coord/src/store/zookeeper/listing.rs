//! Listing records by prefix: those that can be listed have a node in folders that follow their keys' slashes.

use futures_util::future::join_all;

use super::link::{self, Link};
use super::wire::{Code, Request};
use super::{failure, path, records};
use crate::store::{ListRequest, Page, Result};

/// How many records are read together.
const AT_ONCE: usize = 100;

/// One in a folder, with the whole beginning of its key.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    /// A folder's ends with a slash, so that they sort as the keys do.
    key: String,
    /// The folder's path.
    folder: Option<String>,
}

/// Reads no folder that has none of what is asked for.
pub(super) async fn list(link: &Link, request: &ListRequest) -> Result<Page> {
    let (folder, whole) = link.address.root.listed_folder(&request.prefix);
    let synced = [Request::Sync {
        path: link.address.root.path().to_owned(),
    }];
    link.ask("list", &synced).await?;
    // The next one is last.
    let mut left = read_folder(link, request, &folder, whole).await?;
    let mut page = Page::default();
    loop {
        let wanted = AT_ONCE.min(
            request
                .limit
                .saturating_sub(page.entries.len())
                .saturating_add(1),
        );
        let mut keys = Vec::new();
        while keys.len() < wanted
            && let Some(next) = left.pop()
        {
            match next.folder {
                None => keys.push(next.key),
                Some(folder) => left.extend(read_folder(link, request, &folder, &next.key).await?),
            }
        }
        if keys.is_empty() {
            return Ok(page);
        }
        for (key, entry) in read_records(link, keys).await? {
            if page.entries.len() >= request.limit {
                page.next = page.entries.last().map(|(key, _)| key.clone());
                return Ok(page);
            }
            page.entries.push((key, entry));
        }
    }
}

/// What in a folder may be, or have, what is asked for; the last one first.
async fn read_folder(
    link: &Link,
    request: &ListRequest,
    folder: &str,
    beginning: &str,
) -> Result<Vec<Listed>> {
    let asked = [Request::Children {
        path: folder.to_owned(),
    }];
    let [reply] = link.ask("list", &asked).await?;
    let names = match reply.children().map_err(failure::of_reply("list"))? {
        Ok((names, _)) => names,
        Err(Code::NO_NODE) => Vec::new(),
        Err(code) => return Err(failure::of_code("list", code)),
    };
    let mut listed: Vec<_> = names
        .iter()
        .filter_map(|name| listed(folder, beginning, name))
        .filter(|one| one.is_asked_for(request))
        .collect();
    listed.sort_unstable_by(|one, other| other.cmp(one));
    Ok(listed)
}

fn listed(folder: &str, beginning: &str, name: &str) -> Option<Listed> {
    let part = path::unescape(name.get(1..)?)?;
    match name.as_bytes().first()? {
        b'f' => Some(Listed {
            key: format!("{beginning}{part}/"),
            folder: Some(format!("{folder}/{name}")),
        }),
        b'r' => Some(Listed {
            key: format!("{beginning}{part}"),
            folder: None,
        }),
        _ => None,
    }
}

impl Listed {
    fn is_asked_for(&self, request: &ListRequest) -> bool {
        let key = self.key.as_str();
        let after = request.after.as_deref().unwrap_or("");
        if self.folder.is_some() {
            (key.starts_with(&request.prefix) || request.prefix.starts_with(key))
                && (key > after || after.starts_with(key))
        } else {
            key.starts_with(&request.prefix) && key > after
        }
    }
}

async fn read_records(
    link: &Link,
    keys: Vec<String>,
) -> Result<Vec<(String, crate::store::Entry)>> {
    let asked: Vec<_> = keys
        .iter()
        .map(|key| link::get(&link.address.root.record(key)))
        .collect();
    let replies = link.ask_all("list", &asked).await?;
    let entries =
        join_all(
            replies
                .into_iter()
                .map(async |reply| match link::cell("list", reply)? {
                    Some(cell) => records::entry_of(link, cell).await,
                    None => Ok(None),
                }),
        );
    let mut there = Vec::with_capacity(keys.len());
    for (key, entry) in keys.into_iter().zip(entries.await) {
        if let Some(entry) = entry? {
            there.push((key, entry));
        }
    }
    Ok(there)
}
