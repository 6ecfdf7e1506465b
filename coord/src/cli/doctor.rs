//! `coord doctor`.

use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::arguments::{self, Global};
use super::connection::{close, connect, url};
use super::failure::{NO, Outcome, warn};
use super::output::{Output, facts};
use super::{secrets, show};
use crate::coordinator::Coordinator;
use crate::store::{Capabilities, ClockSource, Consistency, Durability, ReplicaLoss, TokensGrow};

/// How many round trips are measured.
const MEASURED: usize = 15;
/// From here on clocks that differ deserve a word.
const SKEWED: Duration = Duration::from_millis(500);
const TTL: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Answer {
    store: String,
    server: Option<String>,
    connected_in_seconds: f64,
    round_trip: RoundTrip,
    lock_cycle_seconds: f64,
    clock_skew: Option<Skew>,
    guarantees: Guarantees,
    warnings: Vec<String>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "programs read these names")]
struct RoundTrip {
    median_seconds: f64,
    least_seconds: f64,
    greatest_seconds: f64,
}

/// How far the server's clock is ahead of this host's.
#[derive(Serialize)]
struct Skew {
    seconds: f64,
    /// It is so exact, since nobody knows when during a round trip the server looked.
    give_or_take_seconds: f64,
}

#[derive(Serialize)]
struct Guarantees {
    consistency: &'static str,
    after_a_crash: &'static str,
    after_the_loss_of_a_replica: &'static str,
    clock: &'static str,
    tokens_grow_across: &'static str,
    waiters: &'static str,
    smallest_ttl_seconds: f64,
    largest_value_bytes: usize,
    lists_locks_and_records: bool,
}

pub(super) async fn run(global: &Global, output: Output, said: &arguments::Doctor) -> Outcome<u8> {
    let begun = Instant::now();
    let coordinator = connect(global).await?;
    let connected_in = begun.elapsed();
    let answer = examine(&coordinator, url(global)?, connected_in).await;
    close(&coordinator).await;
    let answer = answer?;
    output.answer(&answer, shown)?;
    if !output.json {
        answer.warnings.iter().for_each(|warning| warn(warning));
    }
    let is_bad = said.strict && !answer.warnings.is_empty();
    Ok(if is_bad { NO } else { 0 })
}

async fn examine(coordinator: &Coordinator, url: &str, connected_in: Duration) -> Outcome<Answer> {
    let store = coordinator.store();
    let mut trips = Vec::with_capacity(MEASURED);
    for _ in 0..MEASURED {
        let begun = Instant::now();
        store.get_record("coord-doctor/nothing").await?;
        trips.push(begun.elapsed());
    }
    trips.sort_unstable();
    let key = format!("coord-doctor:{:032x}", rand::random::<u128>());
    let begun = Instant::now();
    let lease = coordinator.lock(key).ttl(TTL).acquire().await?;
    lease.release().await?;
    let lock_cycle = begun.elapsed();

    let (before, begun) = (SystemTime::now(), Instant::now());
    let found = store.examine().await?;
    let took = begun.elapsed();
    let skew = found.time.map(|time| Skew::of(time, before, took));
    let mut warnings: Vec<_> = found.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(skew.as_ref().and_then(Skew::warning));
    let at = |place: usize| trips.get(place).copied().unwrap_or_default().as_secs_f64();
    Ok(Answer {
        store: secrets::url(url),
        server: found.server,
        connected_in_seconds: connected_in.as_secs_f64(),
        round_trip: RoundTrip {
            median_seconds: at(MEASURED / 2),
            least_seconds: at(0),
            greatest_seconds: at(MEASURED - 1),
        },
        lock_cycle_seconds: lock_cycle.as_secs_f64(),
        clock_skew: skew,
        guarantees: Guarantees::of(&store.capabilities()),
        warnings,
    })
}

impl Skew {
    fn of(time: SystemTime, before: SystemTime, took: Duration) -> Self {
        let here = before + took / 2;
        let ahead = match time.duration_since(here) {
            Ok(ahead) => ahead.as_secs_f64(),
            Err(behind) => -behind.duration().as_secs_f64(),
        };
        Self {
            seconds: ahead,
            give_or_take_seconds: took.as_secs_f64() / 2.0,
        }
    }

    fn warning(&self) -> Option<String> {
        let surely = self.seconds.abs() - self.give_or_take_seconds;
        (surely > SKEWED.as_secs_f64()).then(|| {
            format!(
                "the server's clock and this host's differ by {:.3} s: leases are safe, since each counts for itself, but \
                 times in histories and jobs that start by the clock are off; look at what keeps the clocks right",
                self.seconds.abs()
            )
        })
    }
}

impl Guarantees {
    fn of(store: &Capabilities) -> Self {
        Self {
            consistency: match store.consistency {
                Consistency::Linearizable => "linearizable",
                Consistency::SingleNode => "linearizable, there is one",
                Consistency::AsyncReplicated => "linearizable until a failover",
                Consistency::Quorum => "linearizable, a majority decides",
                Consistency::Unknown => "not known",
            },
            after_a_crash: match store.durability {
                Durability::Synced => "everything is there",
                Durability::AsConfigured => "as it is configured",
                Durability::None => "nothing is there",
                Durability::Unknown => "not known",
            },
            after_the_loss_of_a_replica: match store.replica_loss {
                ReplicaLoss::NoReplicas => "has none",
                ReplicaLoss::Nothing => "everything is there, while a majority is",
                ReplicaLoss::Latest => "the latest may be missing",
                ReplicaLoss::Unknown => "not known",
            },
            clock: match store.clock {
                ClockSource::Server => "the server's",
                ClockSource::Host => "the host's",
                ClockSource::Process => "the process's",
                ClockSource::Unknown => "not known",
            },
            tokens_grow_across: match store.tokens {
                TokensGrow::WithData => "restarts",
                TokensGrow::AcrossDataLoss => "the loss of all data",
                TokensGrow::AcrossFailover => "the loss of all data, failover",
                TokensGrow::Unknown => "not known",
            },
            waiters: if store.native_wake_ups {
                "are woken"
            } else {
                "poll"
            },
            smallest_ttl_seconds: store.smallest_ttl.as_secs_f64(),
            largest_value_bytes: store.largest_value,
            lists_locks_and_records: store.scans,
        }
    }
}

fn shown(answer: &Answer) -> String {
    let time = |seconds: f64| show::precisely(Duration::from_secs_f64(seconds));
    let trip = &answer.round_trip;
    let skew = answer.clock_skew.as_ref().map_or_else(
        || "not measured: this store has no clock of its own".to_owned(),
        |skew| {
            let sign = if skew.seconds < 0.0 {
                "behind"
            } else {
                "ahead"
            };
            let (by, give) = (time(skew.seconds.abs()), time(skew.give_or_take_seconds));
            format!("the server is {by} {sign}, give or take {give}")
        },
    );
    let of = &answer.guarantees;
    facts(&[
        ("store", show::text(&answer.store).into_owned()),
        (
            "server",
            answer.server.as_deref().map_or_else(
                || "does not tell".to_owned(),
                |server| show::text(server).into_owned(),
            ),
        ),
        ("connected in", time(answer.connected_in_seconds)),
        (
            "round trip",
            format!(
                "{} (from {} to {})",
                time(trip.median_seconds),
                time(trip.least_seconds),
                time(trip.greatest_seconds)
            ),
        ),
        ("lock and release", time(answer.lock_cycle_seconds)),
        ("clock skew", skew),
        ("consistency", of.consistency.to_owned()),
        ("after a crash", of.after_a_crash.to_owned()),
        (
            "after the loss of a replica",
            of.after_the_loss_of_a_replica.to_owned(),
        ),
        ("clock", of.clock.to_owned()),
        ("tokens grow across", of.tokens_grow_across.to_owned()),
        ("waiters", of.waiters.to_owned()),
        ("smallest ttl", time(of.smallest_ttl_seconds)),
        ("largest value", format!("{} bytes", of.largest_value_bytes)),
        (
            "lists locks and records",
            if of.lists_locks_and_records {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
        ),
    ])
}
