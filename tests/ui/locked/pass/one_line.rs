//! Functions on one line, where the compiler looks for braces that are not needed: without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, clippy::missing_errors_doc, clippy::unused_async)]

#[rustfmt::skip]
mod functions {
    use std::future::Future;

    use coord::{Error, circuit_breaker, idempotent, locked, retry, saga};
    use futures_util::future::BoxFuture;

    struct Service;

    #[locked("order:<id>")]
    async fn process(id: u64) -> Result<u64, Error> { Ok(id) }

    #[locked("order:<id>", lease = lease)]
    async fn with_a_lease(id: u64) -> Result<u64, Error> { Ok(id + u64::from(lease.token())) }

    #[locked("order:<id>", skip)]
    async fn skips(id: u64) -> Result<u64, Error> { Ok(id) }

    #[locked("order:<id>")]
    fn returns_a_future(id: u64) -> impl Future<Output = Result<u64, Error>> { async move { Ok(id) } }

    #[locked("order:<id>")]
    fn returns_a_box(id: u64) -> BoxFuture<'static, Result<u64, Error>> { Box::pin(async move { Ok(id) }) }

    impl Service {
        #[locked("order:<id>")]
        async fn process(&self, id: u64) -> Result<u64, Error> { Ok(id) }
    }

    #[idempotent("payment:<id>", ttl = "1h")]
    async fn pay(id: u64) -> Result<u64, Error> { Ok(id) }

    #[retry("fast")]
    async fn fetch(id: u64) -> Result<u64, Error> { Ok(id) }

    #[circuit_breaker(failures = 5)]
    async fn call(id: u64) -> Result<u64, Error> { Ok(id) }

    #[idempotent("payment:<id>", ttl = "1h")]
    #[locked("order:<id>")]
    #[retry("fast")]
    #[circuit_breaker(failures = 5)]
    async fn stacked(id: u64) -> Result<u64, Error> { Ok(id) }

    #[saga("trip:<id>")]
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Trip { id: u64 }

    #[saga]
    impl Trip {
        #[step(compensate = cancel, when = is_wanted)]
        async fn book(&self) -> Result<u64, String> { Ok(self.id) }

        async fn cancel(&self, book: &u64) -> Result<(), String> { if *book == self.id { Ok(()) } else { Err(String::new()) } }

        fn is_wanted(&self) -> bool { self.id > 0 }
    }
}
