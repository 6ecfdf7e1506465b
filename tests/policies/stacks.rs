//! `#[locked]`, `#[retry]` and `#[circuit_breaker]` on one function, in every order: the top one is outermost.

use coord::policy::BreakerState;
use coord::{CircuitBreaker, Coordinator, Error, circuit_breaker, locked, retry};

use coord as renamed;

use crate::support::{Downstream, Failure, ms, secs};

/// A user's own module with what is used everywhere.
mod exported {
    pub(super) use coord::{locked, retry};
}

/// What the functions work with.
struct Site {
    coord: Coordinator,
    downstream: Downstream,
    breaker: CircuitBreaker,
    tokens: std::sync::Mutex<Vec<u64>>,
}

impl Site {
    fn new(failures: u32) -> Self {
        Self {
            coord: Coordinator::builder().build(),
            downstream: Downstream::default(),
            breaker: CircuitBreaker::builder()
                .failure_threshold(failures)
                .build(),
            tokens: std::sync::Mutex::default(),
        }
    }

    async fn work(&self, lease: &coord::Lease, owned: String) -> Result<String, Failure> {
        self.tokens.lock().unwrap().push(lease.token().into());
        self.downstream.call(3, Failure::Busy).await?;
        Ok(owned)
    }

    /// How many times the lock was taken.
    fn locks(&self) -> usize {
        let mut tokens = self.tokens.lock().unwrap().clone();
        tokens.dedup();
        tokens.len()
    }

    fn failures(&self) -> bool {
        self.breaker.state() == BreakerState::Open
    }
}

impl Site {
    #[locked("order:<id>", coord = self.coord, wait = "0s", lease = lease)]
    #[retry(max_retries = 2, initial_delay = "10ms")]
    #[circuit_breaker(breaker = self.breaker)]
    async fn locked_retry_breaker(&self, id: u64, owned: String) -> Result<String, Failure> {
        self.work(lease, owned).await
    }

    #[locked("order:<id>", coord = self.coord, wait = "0s", lease = lease)]
    #[circuit_breaker(breaker = self.breaker)]
    #[retry(max_retries = 2, initial_delay = "10ms")]
    async fn locked_breaker_retry(&self, id: u64, owned: String) -> Result<String, Failure> {
        self.work(lease, owned).await
    }

    #[retry(max_retries = 2, initial_delay = "10ms")]
    #[coord::locked("order:<id>", coord = self.coord, wait = "0s", lease = lease)]
    #[coord::circuit_breaker(breaker = self.breaker)]
    async fn retry_locked_breaker(&self, id: u64, owned: String) -> Result<String, Failure> {
        self.work(lease, owned).await
    }

    #[coord::retry(max_retries = 2, initial_delay = "10ms")]
    #[circuit_breaker(breaker = self.breaker)]
    #[locked("order:<id>", coord = self.coord, wait = "0s", lease = lease)]
    async fn retry_breaker_locked(&self, id: u64, owned: String) -> Result<String, Failure> {
        self.work(lease, owned).await
    }

    #[circuit_breaker(breaker = self.breaker)]
    #[locked("order:<id>", coord = self.coord, wait = "0s", lease = lease)]
    #[coord::retry(max_retries = 2, initial_delay = "10ms")]
    async fn breaker_locked_retry(&self, id: u64, owned: String) -> Result<String, Failure> {
        self.work(lease, owned).await
    }

    #[renamed::circuit_breaker(breaker = self.breaker)]
    #[exported::retry(max_retries = 2, initial_delay = "10ms")]
    #[self::exported::locked("order:<id>", coord = self.coord, wait = "0s", lease = lease)]
    async fn breaker_retry_locked(&self, id: u64, owned: String) -> Result<String, Failure> {
        self.work(lease, owned).await
    }
}

/// Runs the function of each order on a site of its own.
macro_rules! every_order {
    ($check:ident) => {
        $check!(locked_retry_breaker, false, true);
        $check!(locked_breaker_retry, false, false);
        $check!(retry_locked_breaker, true, true);
        $check!(retry_breaker_locked, true, true);
        $check!(breaker_locked_retry, false, false);
        $check!(breaker_retry_locked, true, false);
    };
}

#[tokio::test(start_paused = true)]
async fn a_retry_outside_of_a_lock_takes_it_for_each_attempt() {
    macro_rules! check {
        ($order:ident, $retry_outside_lock:expr, $_outside_breaker:expr) => {
            let site = Site::new(10);
            assert_eq!(site.$order(7, "a".to_owned()).await, Ok("a".to_owned()));
            let locks = if $retry_outside_lock { 3 } else { 1 };
            assert_eq!(site.locks(), locks, stringify!($order));
            assert_eq!(site.downstream.calls(), 3);
        };
    }
    every_order!(check);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_inside_of_a_retry_sees_each_attempt_and_one_outside_the_whole() {
    macro_rules! check {
        ($order:ident, $_outside_lock:expr, $retry_outside_breaker:expr) => {
            let site = Site::new(2);
            let result = site.$order(7, "a".to_owned()).await;
            if $retry_outside_breaker {
                // Two failures opened it, and the third attempt was refused.
                assert!(matches!(result, Err(Failure::Ours(_))), stringify!($order));
                assert_eq!(site.downstream.calls(), 2);
            } else {
                assert_eq!(result, Ok("a".to_owned()), stringify!($order));
            }
            assert_eq!(site.failures(), $retry_outside_breaker, stringify!($order));
        };
    }
    every_order!(check);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_not_free_is_no_failure_for_a_breaker_in_any_order() {
    macro_rules! check {
        ($order:ident, $_outside_lock:expr, $_outside_breaker:expr) => {
            let site = Site::new(1);
            let held = site.coord.lock("order:7").acquire().await.unwrap();
            let refused = site.$order(7, "a".to_owned()).await;
            assert!(
                matches!(&refused, Err(Failure::Ours(error)) if error.starts_with("LockTimeout")),
                "{refused:?}"
            );
            assert!(!site.failures(), stringify!($order));
            assert_eq!(site.downstream.calls(), 0);
            drop(held);
        };
    }
    every_order!(check);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_comes_free_is_got_by_a_retry_around_it() {
    let site = Site::new(10);
    let held = site.coord.lock("order:7").acquire().await.unwrap();
    let frees = async {
        tokio::time::sleep(ms(5)).await;
        held.release().await
    };
    let (result, freed) = tokio::join!(site.retry_breaker_locked(7, "a".to_owned()), frees);
    freed.unwrap();
    // The first attempt did not reach the body, and the downstream succeeds at the third call.
    assert_eq!((result, site.downstream.calls()), (Err(Failure::Busy), 2));
}

/// The key is rendered once, from the arguments as they came.
#[tokio::test(start_paused = true)]
async fn every_attempt_locks_the_same_key() {
    #[retry("fast")]
    #[locked("text:<text>", lease = lease)]
    async fn changes(downstream: &Downstream, mut text: String) -> Result<(String, u64), Failure> {
        text.push('!');
        downstream.call(3, Failure::Busy).await?;
        Ok((text, lease.token().into()))
    }
    let coord = Coordinator::builder().build();
    let (text, token) = coord
        .scope(changes(&Downstream::default(), "a".to_owned()))
        .await
        .unwrap();
    assert_eq!(text, "a!");
    let next = coord.lock("text:a").acquire().await.unwrap();
    assert_eq!(u64::from(next.token()), token + 1);
}

#[tokio::test(start_paused = true)]
async fn skipping_works_inside_of_policies() {
    #[circuit_breaker]
    #[retry("fast")]
    #[locked("report", skip)]
    async fn report() -> Result<Option<u32>, Error> {
        Ok(Some(1))
    }
    let coord = Coordinator::builder().build();
    assert_eq!(coord.scope(report()).await.unwrap(), Some(1));
    let _held = coord.lock("report").acquire().await.unwrap();
    assert_eq!(coord.scope(report()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_around_a_lock_bounds_the_wait_for_it() {
    #[retry("fast", deadline = "5s")]
    #[locked("order:<id>")]
    async fn process(id: u64) -> Result<u64, Error> {
        Ok(id)
    }
    let coord = Coordinator::builder().build();
    let _held = coord.lock("order:7").acquire().await.unwrap();
    let result = coord.scope(process(7)).await;
    assert!(matches!(result, Err(Error::DeadlineExceeded { after }) if after == secs(5)));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_ours_that_cannot_get_better_is_not_retried() {
    #[retry("fast", if = |_| true)]
    #[locked("text:<text>")]
    async fn process(downstream: &Downstream, text: &str) -> Result<u32, Failure> {
        downstream.call(1, Failure::Busy).await
    }
    let coord = Coordinator::builder().build();
    let begun = tokio::time::Instant::now();
    let refused = coord.scope(process(&Downstream::default(), "")).await;
    assert!(matches!(refused, Err(Failure::Ours(error)) if error.starts_with("InvalidKey")));
    assert!(begun.elapsed() < ms(1));
}

/// An idempotent call between a retry and what it guards.
mod with_idempotent {
    use coord::{Coordinator, Error, circuit_breaker, idempotent, locked, retry};
    use serde::{Deserialize, Serialize};

    use crate::support::{Downstream, Failure};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Refused(String);

    impl From<Error> for Refused {
        fn from(error: Error) -> Self {
            Self(format!("ours: {error}"))
        }
    }

    #[idempotent("pay:<id>", coord = coord)]
    #[coord::locked("pay:<id>", coord = coord)]
    #[retry(max_retries = 2, initial_delay = "10ms")]
    #[circuit_breaker(failures = 100)]
    async fn outermost(coord: &Coordinator, id: u64, to: &Downstream) -> Result<u64, Failure> {
        to.call(2, Failure::Busy).await?;
        Ok(id)
    }

    #[retry(max_retries = 2, initial_delay = "10ms")]
    #[coord::idempotent("pay:<id>", coord = coord)]
    #[locked("pay:<id>", coord = coord)]
    async fn inside(coord: &Coordinator, id: u64, to: &Downstream) -> Result<u64, Failure> {
        to.call(2, Failure::Busy).await?;
        Ok(id)
    }

    #[retry(max_retries = 2, initial_delay = "10ms")]
    #[idempotent("refuse:<id>", coord = coord, remember_errors)]
    async fn remembers(coord: &Coordinator, id: u64, to: &Downstream) -> Result<u64, Refused> {
        let _ = to.call(0, Failure::Busy).await;
        Err(Refused(id.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_outside_of_its_retries_runs_once_and_is_replayed() {
        let (coord, downstream) = (Coordinator::builder().build(), Downstream::default());
        for _ in 0..2 {
            assert_eq!(outermost(&coord, 7, &downstream).await.unwrap(), 7);
        }
        assert_eq!(downstream.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_outside_of_a_call_begins_it_anew_until_it_has_a_result() {
        let (coord, downstream) = (Coordinator::builder().build(), Downstream::default());
        for _ in 0..2 {
            assert_eq!(inside(&coord, 7, &downstream).await.unwrap(), 7);
        }
        assert_eq!(downstream.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_remembered_error_is_replayed_to_each_attempt() {
        let (coord, downstream) = (Coordinator::builder().build(), Downstream::default());
        for _ in 0..2 {
            let refused = remembers(&coord, 7, &downstream).await;
            assert_eq!(refused, Err(Refused("7".to_owned())));
        }
        assert_eq!(downstream.calls(), 1);
    }
}
