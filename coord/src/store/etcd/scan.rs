//! The names of all that is stored in etcd: those in the keys below our prefix.

use super::link::Link;
use super::wire::{self, RangeRequest};
use super::{failure, keys};
use crate::store::{Result, ScanPage, ScanRequest, Scanned, scan};

/// How many keys are looked at for a page, at the most.
const AT_ONCE: usize = 1_000;

/// One round trip. Names of lines stand behind their lengths, so for leases the keys of all of them are looked at.
pub(super) async fn scan(link: &Link, request: &ScanRequest) -> Result<ScanPage> {
    let (below, records) = (below(link, request), link.address.root.record(""));
    let from = match &request.cursor {
        None => below.clone(),
        Some(cursor) if cursor.starts_with(&below) => format!("{cursor}\u{0}"),
        Some(_) => return Err(scan::foreign_cursor()),
    };
    let asked = RangeRequest {
        key: wire::bytes(&from),
        range_end: wire::end_of(&below),
        limit: i64::try_from(request.limit.clamp(1, AT_ONCE)).unwrap_or(1),
        keys_only: true,
        ..RangeRequest::default()
    };
    let found = link.range("scan", &asked).await?;
    let mut page = ScanPage::default();
    for kv in &found.kvs {
        let key = std::str::from_utf8(&kv.key).map_err(|_| failure::of_reply("scan"))?;
        let name = match request.what {
            Scanned::Records => key.strip_prefix(&records),
            Scanned::Leases => keys::resource(&below, key),
        };
        let name = name.filter(|name| name.starts_with(&request.prefix));
        page.names.extend(name.map(str::to_owned));
        page.next = found.more.then(|| key.to_owned());
    }
    page.names.dedup();
    Ok(page)
}

/// What the keys begin with.
fn below(link: &Link, request: &ScanRequest) -> String {
    match request.what {
        Scanned::Records => link.address.root.record(&request.prefix),
        Scanned::Leases => link.address.root.lines(),
    }
}
