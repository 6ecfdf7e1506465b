//! Bringing what one store has to another that has a copy of it.
//!
//! 1. The copy is read before the original is, and replaced only if nobody has replaced it since. So of several who
//!    copy at the same time, the one that read the original last is the one that stays, and the copy is what the
//!    original was at some time after each of their writes. Whoever puts the first copy looks at the original once more:
//!    who deleted it in between has found no copy to delete.
//! 2. Entries of a log do not change, so whoever copies one copies the same.

use super::super::{
    Append, AppendRequest, Condition, DeleteRequest, OperationId, Put, PutRequest, Result, Store,
};
use crate::error::{StoreError, StoreErrorKind};

const TRIES: usize = 50;

/// Makes `copy` have of a record what `original` has.
pub(super) async fn record(original: &dyn Store, copy: &dyn Store, key: &str) -> Result<()> {
    for _ in 0..TRIES {
        let there = copy.get_record(key).await?;
        let Some(entry) = original.get_record(key).await? else {
            let Some(there) = there else { return Ok(()) };
            let delete = DeleteRequest::new(key).when(Condition::Version(there.version));
            if copy.delete_record(&delete).await? {
                return Ok(());
            }
            continue;
        };
        if entry.expires_in.is_some_and(|left| left.is_zero()) {
            continue;
        }
        let is_first = there.is_none();
        // Whether the original is listed is not known; more may be listed than must be.
        let put = PutRequest::new(key, entry.value)
            .when(there.map_or(Condition::Absent, |there| Condition::Version(there.version)))
            .ttl(entry.expires_in)
            .listed();
        if let Put::Stored(_) = copy.put_record(&put).await?
            && !(is_first && original.get_record(key).await?.is_none())
        {
            return Ok(());
        }
    }
    Err(out_of_step("put"))
}

/// Makes `copy` have the entry that was just appended to `original`, and those before it.
pub(super) async fn entry(
    original: &dyn Store,
    copy: &dyn Store,
    appended: &AppendRequest,
) -> Result<()> {
    let index = appended.expected_len;
    for _ in 0..TRIES {
        match copy.append_log(appended).await? {
            Append::Appended => return Ok(()),
            Append::Conflict { len } if len > index => {
                let there = copy.read_log(&appended.log, index, 1).await?;
                return if there.first() == Some(&appended.entry) {
                    Ok(())
                } else {
                    Err(out_of_step("append"))
                };
            }
            Append::Conflict { len } => {
                let missing = usize::try_from(index - len).unwrap_or(usize::MAX);
                let missing = original.read_log(&appended.log, len, missing).await?;
                for (index, entry) in (len..).zip(missing) {
                    let append = AppendRequest {
                        operation: OperationId::random(),
                        ..AppendRequest::new(&*appended.log, index, entry)
                    };
                    if copy.append_log(&append).await? != Append::Appended {
                        break;
                    }
                }
            }
        }
    }
    Err(out_of_step("append"))
}

fn out_of_step(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        operation,
        "it was done, but the copy of it in the other store kept changing, or has something else in its place; try \
         again",
    )
}
