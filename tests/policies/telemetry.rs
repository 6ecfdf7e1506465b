//! What policies tell metrics and tracing.

use coord::{CircuitBreaker, Context, Error, Jitter, RetryPolicy};
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::breaking::call;
use crate::support::{Downstream, Failure, secs};
use coord_tests::recording::Recording;

/// Every series as `name{label=value,…}`, with its value.
fn series(recorder: &DebuggingRecorder) -> Vec<(String, DebugValue)> {
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let mut series: Vec<_> = snapshot
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key
                .key()
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            (
                format!("{}{{{}}}", key.key().name(), labels.join(",")),
                value,
            )
        })
        .collect();
    series.sort_by(|(one, _), (two, _)| one.cmp(two));
    series
}

fn counter(series: &[(String, DebugValue)], name: &str) -> u64 {
    let found = series.iter().find(|(found, _)| found == name);
    match found.unwrap_or_else(|| panic!("{name} is not told: {series:?}")) {
        (_, DebugValue::Counter(count)) => *count,
        other => panic!("{other:?} is no counter"),
    }
}

fn policy(name: &'static str) -> RetryPolicy {
    RetryPolicy::builder()
        .name(name)
        .max_retries(2)
        .jitter(Jitter::None)
        .build()
}

#[tokio::test(start_paused = true)]
async fn the_attempts_of_calls_that_do_not_succeed_at_once_are_told() {
    let recorder = DebuggingRecorder::new();
    let _guard = set_default_local_recorder(&recorder);
    let policy = policy("attempts");
    let calls: [(u32, Failure); 4] = [
        (1, Failure::Busy),
        (3, Failure::Busy),
        (0, Failure::Busy),
        (0, Failure::Refused),
    ];
    for (succeeds, failure) in calls {
        let downstream = Downstream::default();
        let call = policy.run(async || downstream.call(succeeds, failure.clone()).await);
        let _ = call.retry_if(Failure::is_transient).await;
    }
    let told = series(&recorder);
    let attempts = told
        .iter()
        .find(|(name, _)| name == "coord_retry_attempts{name=attempts}");
    let Some((_, DebugValue::Histogram(attempts))) = attempts else {
        panic!("{told:?}");
    };
    let attempts: Vec<_> = attempts
        .iter()
        .map(|attempts| attempts.into_inner())
        .collect();
    assert_eq!(attempts, [3.0, 3.0, 1.0]);
    let exhausted = |reason| {
        let name = format!("coord_retry_exhausted_total{{name=attempts,reason={reason}}}");
        counter(&told, &name)
    };
    assert_eq!(exhausted("retries"), 1);
    // Seen at zero, so that a rate misses no first event.
    for reason in ["deadline", "budget", "circuit_open"] {
        assert_eq!(exhausted(reason), 0, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn why_a_call_was_given_up_is_told() {
    let recorder = DebuggingRecorder::new();
    let _guard = set_default_local_recorder(&recorder);
    let policy = policy("reasons");
    let downstream = Downstream::default();
    let fail = async || downstream.call(0, Failure::Busy).await;
    let budget = coord::policy::RetryBudget::new(0.0).reserve(0);
    let breaker = CircuitBreaker::builder()
        .name("reasons")
        .failure_threshold(1)
        .build();
    let _ = policy.run(fail).with_budget(&budget).await;
    let _ = policy
        .run(fail)
        .deadline(std::time::Duration::from_millis(50))
        .await;
    let _ = policy.run(fail).with_breaker(&breaker).await;
    let told = series(&recorder);
    for reason in ["budget", "deadline", "circuit_open"] {
        let name = format!("coord_retry_exhausted_total{{name=reasons,reason={reason}}}");
        assert_eq!(counter(&told, &name), 1, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_states_of_a_breaker_are_set_and_transitions_counted() {
    let recorder = DebuggingRecorder::new();
    let _guard = set_default_local_recorder(&recorder);
    let breaker = CircuitBreaker::builder()
        .name("states")
        .failure_threshold(1)
        .reset_timeout(secs(1))
        .build();
    let states = || {
        // Looking empties the recorder.
        let told = series(&recorder);
        ["closed", "open", "half_open"].map(|state| {
            let name = format!("coord_breaker_state{{name=states,state={state}}}");
            match told.iter().find(|(found, _)| *found == name) {
                Some((_, DebugValue::Gauge(value))) => value.to_string(),
                other => panic!("{name}: {other:?}"),
            }
        })
    };
    assert_eq!(states(), ["1", "0", "0"]);
    call(&breaker, false).await;
    assert_eq!(states(), ["0", "1", "0"]);
    tokio::time::advance(secs(1)).await;
    let probe = breaker.run(async || {
        assert_eq!(states(), ["0", "0", "1"]);
        Ok::<_, Failure>(())
    });
    probe.await.unwrap();
    assert_eq!(states(), ["1", "0", "0"]);
    call(&breaker, false).await;

    let recorder = DebuggingRecorder::new();
    let _guard = set_default_local_recorder(&recorder);
    tokio::time::advance(secs(1)).await;
    call(&breaker, true).await;
    let told = series(&recorder);
    for to in ["half_open", "closed"] {
        let name = format!("coord_breaker_transitions_total{{name=states,to={to}}}");
        assert_eq!(counter(&told, &name), 1, "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_are_a_span_and_a_first_success_is_none() {
    let recording = Recording::start();
    let policy = policy("spans");
    let request = Context::with_correlation_id("request-7");
    request
        .scope(async {
            policy.run(async || Ok::<_, Failure>(())).await.unwrap();
            let downstream = Downstream::default();
            let call = policy.run(async || {
                let inside = tracing::Span::current()
                    .metadata()
                    .map(tracing::Metadata::name);
                assert_eq!(inside.is_some(), downstream.calls() > 0);
                downstream.call(2, Failure::Busy).await
            });
            call.await.unwrap();
            let _ = policy.run(async || Err::<(), _>(Error::NotInstalled)).await;
        })
        .await;
    let spans = recording.spans("coord.retry");
    assert_eq!(spans.len(), 2);
    for (span, outcome, attempts) in [(&spans[0], "succeeded", "2"), (&spans[1], "retries", "3")] {
        assert_eq!(span.field("name"), Some("spans"));
        assert_eq!(span.field("correlation_id"), Some("request-7"));
        assert_eq!(span.field("outcome"), Some(outcome));
        assert_eq!(span.field("attempts"), Some(attempts));
    }
    let said = recording.everything();
    assert!(
        said.contains("is tried again") && said.contains("is given up"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_breaker_tells_each_transition() {
    let recording = Recording::start();
    let breaker = CircuitBreaker::builder()
        .name("told")
        .failure_threshold(1)
        .reset_timeout(secs(1))
        .build();
    let request = Context::with_correlation_id("request-7");
    request.scope(call(&breaker, false)).await;
    tokio::time::advance(secs(1)).await;
    call(&breaker, true).await;
    let said = recording.everything();
    for (message, is_correlated) in [
        ("circuit breaker open", true),
        ("circuit breaker half open", false),
        ("circuit breaker closed", false),
    ] {
        let event = said.lines().find(|line| line.contains(message));
        let event = event.unwrap_or_else(|| panic!("{message} is not in {said}"));
        assert_eq!(event.contains("request-7"), is_correlated, "{event}");
    }
}
