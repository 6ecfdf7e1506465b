//! `#[retry]` and `#[circuit_breaker]` at run time.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coord::policy::{BreakerState, RetryBudget};
use coord::{CircuitBreaker, Error, Jitter, RetryPolicy, circuit_breaker, retry};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::support::{Downstream, Failure, secs};

#[retry]
async fn by_default(downstream: &Downstream) -> Result<u32, Failure> {
    downstream.call(51, Failure::Busy).await
}

#[retry("fast")]
async fn fast(downstream: &Downstream) -> Result<u32, Failure> {
    downstream.call(0, Failure::Busy).await
}

#[retry(max_retries = 3, initial_delay = "200ms", jitter = "none", if = Failure::is_transient)]
async fn with_condition(downstream: &Downstream, failure: Failure) -> Result<u32, Failure> {
    downstream.call(3, failure).await
}

#[retry(
    "conservative",
    max_retries = retries,
    initial_delay = Duration::from_millis(10),
    max_delay = "25ms",
    multiplier = 2,
    jitter = Jitter::None,
    retry_after = |_| Some(Duration::from_millis(15)),
    deadline = "1m",
    attempt_timeout = "10s",
    name = "with_expressions"
)]
async fn with_expressions(downstream: &Downstream, retries: u32) -> Result<u32, Failure> {
    downstream.call(0, Failure::Busy).await
}

#[retry("fast", attempt_timeout = "1s", deadline = "10s")]
async fn hangs(downstream: &Downstream) -> Result<u32, Error> {
    if downstream.call(3, Failure::Busy).await.is_err() {
        pending::<()>().await;
    }
    Ok(downstream.calls())
}

struct Client {
    downstream: Downstream,
    policy: RetryPolicy,
    breaker: CircuitBreaker,
    budget: RetryBudget,
}

impl Client {
    fn new() -> Self {
        Self {
            downstream: Downstream::default(),
            policy: RetryPolicy::builder().max_retries(2).build(),
            breaker: CircuitBreaker::builder().failure_threshold(2).build(),
            budget: RetryBudget::new(1.0).reserve(0),
        }
    }

    #[retry(policy = self.policy)]
    async fn by_policy(&self) -> Result<u32, Failure> {
        self.downstream.call(0, Failure::Busy).await
    }

    #[retry("fast", breaker = self.breaker)]
    async fn by_breaker(&self) -> Result<u32, Failure> {
        self.downstream.call(0, Failure::Busy).await
    }

    #[retry("fast", budget = self.budget)]
    async fn by_budget(&self) -> Result<u32, Failure> {
        self.downstream.call(0, Failure::Busy).await
    }

    #[circuit_breaker(breaker = self.breaker, is_failure = Failure::is_transient)]
    async fn guarded(&self, failure: Failure) -> Result<u32, Failure> {
        self.downstream.call(0, failure).await
    }

    #[retry("fast")]
    async fn by_smart_pointer(self: &Arc<Self>, owned: String) -> Result<String, Failure> {
        self.downstream.call(2, Failure::Busy).await?;
        Ok(owned)
    }
}

/// Arguments that the body gives away are there for the next attempt.
#[retry("fast")]
async fn gives_away<T: Clone + Send>(
    downstream: &Downstream,
    owned: String,
    mut list: Vec<T>,
    (left, _): (T, T),
    _unused: u8,
) -> Result<(String, Vec<T>), Failure> {
    list.push(left);
    let given = (owned, list);
    downstream.call(3, Failure::Busy).await?;
    Ok(given)
}

#[retry("fast")]
fn future(
    downstream: &Downstream,
    owned: String,
) -> impl Future<Output = Result<String, Failure>> + Send {
    async move {
        downstream.call(3, Failure::Busy).await?;
        Ok(owned)
    }
}

#[retry("fast")]
fn pinned_box(
    downstream: &Downstream,
    owned: String,
) -> Pin<Box<dyn Future<Output = Result<String, Failure>> + Send + '_>> {
    Box::pin(async move {
        downstream.call(3, Failure::Busy).await?;
        Ok(owned)
    })
}

#[circuit_breaker(failures = 2, reset = "1m")]
fn boxed_future(downstream: &Downstream) -> BoxFuture<'_, Result<u32, Failure>> {
    downstream.call(0, Failure::Busy).boxed()
}

#[async_trait::async_trait]
trait Fetch {
    async fn fetch(&self, owned: String) -> Result<String, Failure>;
}

#[async_trait::async_trait]
impl Fetch for Client {
    #[retry("fast")]
    async fn fetch(&self, owned: String) -> Result<String, Failure> {
        self.downstream.call(3, Failure::Busy).await?;
        Ok(owned)
    }
}

#[circuit_breaker(
    failure_rate = 0.5,
    minimum_calls = 4,
    window = "10s",
    reset = "1m",
    probes = 2,
    successes = 2
)]
async fn by_rate(downstream: &Downstream, succeeds: bool) -> Result<u32, Failure> {
    downstream
        .call(0, Failure::Busy)
        .await
        .or(if succeeds { Ok(0) } else { Err(Failure::Busy) })
}

#[tokio::test(start_paused = true)]
async fn presets_are_those_of_the_policy() {
    let downstream = Downstream::default();
    assert_eq!(by_default(&downstream).await, Ok(51));
    let downstream = Downstream::default();
    assert_eq!(fast(&downstream).await, Err(Failure::Busy));
    assert_eq!(downstream.calls(), 11);
}

#[tokio::test(start_paused = true)]
async fn options_say_how_often_and_what_for() {
    let downstream = Downstream::default();
    assert_eq!(with_condition(&downstream, Failure::Busy).await, Ok(3));
    let pauses: Vec<_> = downstream
        .pauses()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(pauses, [200, 400]);
    let downstream = Downstream::default();
    assert_eq!(
        with_condition(&downstream, Failure::Refused).await,
        Err(Failure::Refused)
    );
    assert_eq!(downstream.calls(), 1);
    let downstream = Downstream::default();
    assert_eq!(with_expressions(&downstream, 3).await, Err(Failure::Busy));
    let pauses: Vec<_> = downstream
        .pauses()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(pauses, [15, 20, 25]);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_hang_are_cut_off() {
    let downstream = Downstream::default();
    assert_eq!(hangs(&downstream).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn policies_breakers_and_budgets_can_be_given() {
    let client = Client::new();
    assert_eq!(client.by_policy().await, Err(Failure::Busy));
    assert_eq!(client.downstream.calls(), 3);
    let client = Client::new();
    assert!(matches!(client.by_breaker().await, Err(Failure::Ours(_))));
    assert_eq!(client.downstream.calls(), 2);
    let client = Client::new();
    assert_eq!(client.by_budget().await, Err(Failure::Busy));
    assert_eq!(client.downstream.calls(), 2);
    let client = Client::new();
    for failure in [
        Failure::Refused,
        Failure::Busy,
        Failure::Refused,
        Failure::Busy,
    ] {
        assert_eq!(client.breaker.state(), BreakerState::Closed);
        assert_eq!(client.guarded(failure.clone()).await, Err(failure));
    }
    assert_eq!(client.breaker.state(), BreakerState::Open);
    assert!(matches!(
        client.guarded(Failure::Busy).await,
        Err(Failure::Ours(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_gets_its_arguments() {
    let owned = || "a".to_owned();
    let downstream = Downstream::default();
    let given = gives_away(&downstream, owned(), vec![1], (2, 3), 4).await;
    assert_eq!(given, Ok((owned(), vec![1, 2])));
    assert_eq!(future(&Downstream::default(), owned()).await, Ok(owned()));
    assert_eq!(
        pinned_box(&Downstream::default(), owned()).await,
        Ok(owned())
    );
    assert_eq!(Client::new().fetch(owned()).await, Ok(owned()));
    assert_eq!(
        Arc::new(Client::new()).by_smart_pointer(owned()).await,
        Ok(owned())
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_function_share_its_breaker() {
    let downstream = Downstream::default();
    for _ in 0..2 {
        assert_eq!(boxed_future(&downstream).await, Err(Failure::Busy));
    }
    let Err(Failure::Ours(refused)) = boxed_future(&Downstream::default()).await else {
        panic!("the breaker is open");
    };
    assert!(
        refused.contains("policies::attributes::boxed_future"),
        "{refused}"
    );
    assert_eq!(downstream.calls(), 2);
    tokio::time::advance(secs(60)).await;
    assert_eq!(boxed_future(&downstream).await, Err(Failure::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_opens_the_breaker_of_a_function() {
    let downstream = Downstream::default();
    for succeeds in [true, true, false, false] {
        assert_eq!(by_rate(&downstream, succeeds).await.is_ok(), succeeds);
    }
    assert!(matches!(
        by_rate(&downstream, true).await,
        Err(Failure::Ours(_))
    ));
    tokio::time::advance(secs(60)).await;
    for _ in 0..2 {
        assert_eq!(by_rate(&downstream, true).await, Ok(0));
    }
    assert_eq!(by_rate(&downstream, false).await, Err(Failure::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_function_can_be_spawned() {
    let task = tokio::spawn(async {
        let client = Client::new();
        client.by_policy().await.unwrap_err();
        gives_away(&client.downstream, String::new(), vec![0_u8], (0, 0), 0)
            .await
            .unwrap_err();
    });
    task.await.unwrap();
}
