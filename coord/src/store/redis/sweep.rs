//! Taking the names of records that have expired out of the index of what is listed, now and then in the background.
//!
//! They are absent from listings already; this makes room. Some names are looked at, chosen at random, and more for as
//! long as many of them are of nothing: so what is left of the expired is a part of what is there, whatever the rate at
//! which they come. Whatever fails is done the next time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::AbortHandle;

use super::link::Link;
use super::links::Links;
use super::listing::unlist_command;
use crate::store::Result;

/// How many names are looked at in one round trip.
const SAMPLE: usize = 250;
/// Of so many names, one that is of nothing is worth another look.
const WORTH_IT: usize = 4;
/// How many times one after the other.
const ROUNDS: usize = 100;

/// The task that sweeps, which ends with this.
pub(super) struct Sweeping(AbortHandle);

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn begin(links: &Arc<Links>, every: Duration) -> Sweeping {
    Sweeping(tokio::spawn(run(Arc::downgrade(links), every)).abort_handle())
}

async fn run(links: Weak<Links>, every: Duration) {
    loop {
        // Not all processes at the same time.
        tokio::time::sleep(every.mul_f64(rand::random_range(0.5..1.0))).await;
        let Some(links) = links.upgrade() else {
            return;
        };
        for link in links.some() {
            let _ = sweep(&link).await;
        }
    }
}

async fn sweep(link: &Arc<Link>) -> Result<()> {
    let mut sample = redis::cmd("ZRANDMEMBER");
    sample.arg(&link.names.index).arg(SAMPLE);
    for _ in 0..ROUNDS {
        let names: Vec<String> = link.send("sweep", &sample).await?;
        let unlist = async |name: &String| {
            let command = unlist_command(link, name);
            link.send::<usize>("sweep", &command).await
        };
        let gone: usize = try_join_all(names.iter().map(unlist)).await?.iter().sum();
        if gone * WORTH_IT < SAMPLE {
            break;
        }
    }
    Ok(())
}
