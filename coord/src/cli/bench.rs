//! `coord store bench`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use super::arguments::{Global, Measured};
use super::connection::{close, connect};
use super::failure::{Failure, Outcome, USAGE};
use super::output::{Output, table};
use super::progress::Progress;
use super::show;
use super::signals::Signals;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::PutRequest;

/// What is left behind is gone after this.
const LASTS: Duration = Duration::from_secs(10);
/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(100);
const ALL: [Measured; 3] = [Measured::Lock, Measured::Idempotent, Measured::Record];
const VALUE: [u8; 100] = [b'x'; 100];

#[derive(Serialize)]
struct Answer {
    tasks: u32,
    measurements: Vec<Measurement>,
}

#[derive(Serialize)]
struct Measurement {
    what: &'static str,
    operations: usize,
    failed: usize,
    per_second: f64,
    median_seconds: f64,
    p99_seconds: f64,
    greatest_seconds: f64,
}

pub(super) async fn run(
    global: &Global,
    output: Output,
    tasks: u32,
    lasts: Duration,
    what: &[Measured],
) -> Outcome<u8> {
    if lasts.is_zero() || lasts > Duration::from_secs(60 * 60) {
        return Err(Failure::new(USAGE, "`--for` is between 1ms and 1h"));
    }
    let coordinator = connect(global).await?;
    let mut signals = Signals::hear()?;
    let wanted = ALL
        .into_iter()
        .filter(|one| what.is_empty() || what.contains(one));
    let wanted: Vec<_> = wanted.collect();
    let whole = lasts * u32::try_from(wanted.len()).unwrap_or(1);
    let progress = Progress::of("", u64::try_from(whole.as_millis()).unwrap_or(u64::MAX));
    let mut answer = Answer {
        tasks,
        measurements: Vec::new(),
    };
    let measure = async {
        for (index, one) in (0_u32..).zip(wanted) {
            let done = lasts * index;
            let measured = measure(&coordinator, one, tasks, lasts, (&progress, done)).await?;
            answer.measurements.push(measured);
        }
        Ok::<_, Failure>(0)
    };
    let outcome = tokio::select! {
        outcome = measure => outcome,
        // What was measured so far is shown all the same.
        signal = signals.next() => Ok(signal.exit_code()),
    };
    drop(progress);
    close(&coordinator).await;
    let code = outcome?;
    output.answer(&answer, shown)?;
    Ok(code)
}

async fn measure(
    coordinator: &Coordinator,
    what: Measured,
    tasks: u32,
    lasts: Duration,
    (progress, done): (&Progress, Duration),
) -> Outcome<Measurement> {
    progress.is(name(what));
    let run: Arc<str> = format!("coord-bench:{:016x}", rand::random::<u64>()).into();
    // Whatever is wrong with the store is said once, and not by every task.
    operate(coordinator, what, &format!("{run}:first")).await?;
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for task in 0..tasks {
        let (coordinator, run) = (coordinator.clone(), Arc::clone(&run));
        working.spawn(async move {
            let (mut times, mut failed) = (Vec::new(), 0_usize);
            while begun.elapsed() < lasts {
                let key = format!("{run}:{task}:{}", times.len() + failed);
                let started = Instant::now();
                match operate(&coordinator, what, &key).await {
                    Ok(()) => times.push(started.elapsed()),
                    Err(_) => failed += 1,
                }
            }
            (times, failed)
        });
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            joined = working.join_next() => match joined {
                Some(Ok((some, more))) => {
                    times.extend(some);
                    failed += more;
                }
                Some(Err(_)) => failed += 1,
                None => break,
            },
            _ = tick.tick() => {
                let at = done + begun.elapsed().min(lasts);
                progress.at(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            }
        }
    }
    Ok(Measurement::of(what, times, failed, begun.elapsed()))
}

async fn operate(coordinator: &Coordinator, what: Measured, key: &str) -> Result<(), Error> {
    match what {
        Measured::Lock => {
            coordinator
                .lock(key)
                .ttl(LASTS)
                .acquire()
                .await?
                .release()
                .await
        }
        Measured::Idempotent => {
            let call = coordinator.idempotency(key).ttl(LASTS);
            call.run(async || Ok::<_, Error>(())).await
        }
        Measured::Record => {
            let put = PutRequest::new(key, VALUE.as_slice()).ttl(LASTS);
            Ok(coordinator.store().put_record(&put).await.map(drop)?)
        }
    }
}

impl Measurement {
    fn of(what: Measured, mut times: Vec<Duration>, failed: usize, took: Duration) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(place).copied().unwrap_or_default().as_secs_f64()
        };
        #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
        let per_second = times.len() as f64 / took.as_secs_f64();
        Self {
            what: name(what),
            operations: times.len(),
            failed,
            per_second,
            median_seconds: at(50),
            p99_seconds: at(99),
            greatest_seconds: at(100),
        }
    }
}

fn name(what: Measured) -> &'static str {
    match what {
        Measured::Lock => "lock and release",
        Measured::Idempotent => "idempotent call",
        Measured::Record => "record of 100 bytes",
    }
}

fn shown(answer: &Answer) -> String {
    let time = |seconds: f64| show::precisely(Duration::from_secs_f64(seconds));
    let rows = answer.measurements.iter().map(|one| {
        vec![
            one.what.to_owned(),
            format!("{:.0}", one.per_second),
            time(one.median_seconds),
            time(one.p99_seconds),
            time(one.greatest_seconds),
            one.failed.to_string(),
        ]
    });
    let table = table(
        &["what", "a second", "median", "99 %", "greatest", "failed"],
        rows,
    );
    format!("{} tasks at once\n\n{table}", answer.tasks)
}
