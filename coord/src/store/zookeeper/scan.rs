//! The names of all that is stored: those of the nodes in all shards.

use super::link::Link;
use super::wire::{Code, Request};
use super::{failure, path};
use crate::store::{Result, ScanPage, ScanRequest, Scanned, scan};

/// How many shards are looked at for a page.
const AT_ONCE: usize = 32;

/// Two round trips. Every name in a shard is sent, whatever it begins with, and those that have expired and are not
/// swept out yet.
pub(super) async fn scan(link: &Link, request: &ScanRequest) -> Result<ScanPage> {
    let kind = match request.what {
        Scanned::Records => "records",
        Scanned::Leases => "lines",
    };
    let first: usize = match &request.cursor {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| scan::foreign_cursor())?,
    };
    if first == 0 {
        let synced = [Request::Sync {
            path: link.address.root.path().to_owned(),
        }];
        link.ask("scan", &synced).await?;
    }
    let end = first.saturating_add(AT_ONCE).min(path::SHARDS);
    let folders = (first..end).map(|shard| Request::Children {
        path: link.address.root.shard(kind, shard),
    });
    let asked: Vec<_> = folders.collect();
    let mut page = ScanPage::default();
    for reply in link.ask_all("scan", &asked).await? {
        match reply.children().map_err(failure::of_reply("scan"))? {
            Ok((nodes, _)) => page.names.extend(
                nodes
                    .iter()
                    .filter_map(|node| path::unescape(node))
                    .filter(|name| name.starts_with(&request.prefix)),
            ),
            Err(Code::NO_NODE) => {}
            Err(code) => return Err(failure::of_code("scan", code)),
        }
    }
    page.next = (end < path::SHARDS).then(|| end.to_string());
    Ok(page)
}
