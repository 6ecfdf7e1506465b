//! What an etcd server says of itself.

use super::link::Link;
use super::wire::{StatusRequest, StatusResponse};
use crate::store::{Examination, Result};

const STATUS: &str = "/etcdserverpb.Maintenance/Status";

/// One round trip. A user who may not ask does not get to know it. The servers tell no time.
pub(super) async fn examine(link: &Link) -> Result<Examination> {
    let answer = link.call("examine", STATUS, &StatusRequest {}).await;
    let status: StatusResponse = match answer {
        Ok(status) => status,
        Err(failed) => {
            let error = failed.into_error("examine");
            if error.is_retryable() {
                return Err(error);
            }
            return Ok(Examination::unknown());
        }
    };
    let mut found = Examination::unknown().server(format!("etcd {}", status.version));
    if status.leader == 0 {
        found = found.warn(
            "the server has no leader: a majority of the servers is not there; start them, or nothing can be done",
        );
    }
    if !status.errors.is_empty() {
        found = found.warn(
            "the servers have raised an alarm, and may refuse to write; see `etcdctl alarm list`",
        );
    }
    Ok(found)
}
