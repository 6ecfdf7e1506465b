use coord::{Error, circuit_breaker, locked, retry};

#[retry("fast")]
async fn fetch(url: &str, mut owned: String, _: u8) -> Result<Page, FetchError> {
    owned.push('!');
    get(url, owned).await
}

#[retry(
    policy = self::POLICY,
    if = FetchError::is_transient,
    retry_after = |error| error.retry_after(),
    deadline = "1m",
    attempt_timeout = limit,
    budget = BUDGET,
    breaker = BREAKER,
    name = "gateway",
    crate = my::coord
)]
async fn options(limit: Duration) -> Result<(), FetchError> {
    get(limit).await
}

#[circuit_breaker(failures = 5, reset = "1m")]
async fn guarded() -> Result<impl Iterator<Item = u8>, Error> {
    Ok([1].into_iter())
}

#[circuit_breaker(failure_rate = 0.5, window = "10s", minimum_calls = 20, probes = 2, successes = 3, is_failure = is_down)]
fn by_rate() -> BoxFuture<'static, Result<(), Error>> {
    Box::pin(async { Ok(()) })
}

impl Service {
    #[retry(max_retries = 3, initial_delay = "200ms", max_delay = "5s", multiplier = 1.5, jitter = "25%")]
    #[circuit_breaker(breaker = self.breaker)]
    #[locked("order:<order.id>", lease = lease)]
    async fn ship(&self, order: Order, (a, ref b): (A, B)) -> Result<Receipt, ShopError> {
        self.carrier.ship(order, a, b, lease.token()).await
    }

    #[locked("order:<id>", skip)]
    #[coord::retry]
    async fn by_value(self, id: u64) -> Result<(), Error> {
        Ok(())
    }
}
