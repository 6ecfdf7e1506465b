//! Orders of five steps, as several processes place them, and the services that carry them out as they see them.

use std::sync::Arc;
use std::time::Duration;

use coord::{Coordinator, CoordinatorBuilder, RetryPolicy, StepContext, saga};
use serde::{Deserialize, Serialize};
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// How many steps an order has.
pub(crate) const STEPS: [&str; 5] = ["reserve", "charge", "pack", "book", "ship"];

/// The services, as a process reaches them.
#[derive(Clone)]
pub(crate) struct Services {
    /// The path of the socket that they listen at.
    path: Arc<str>,
    /// How many attempts of a hundred fail.
    failing: u32,
    /// What a step says of itself.
    pub(crate) tell: fn(String),
    /// Lets go on what stands.
    pub(crate) go_on: Arc<Notify>,
}

impl Services {
    pub(crate) fn at(path: &str, failing: u32) -> Self {
        Self {
            path: path.into(),
            failing,
            tell: drop,
            go_on: Arc::default(),
        }
    }

    async fn serve(
        &self,
        order: u64,
        ctx: &StepContext,
        what: &str,
        after: &str,
    ) -> Result<(), String> {
        let (token, key) = (u64::from(ctx.token()), ctx.idempotency_key());
        let question = format!("{order}\t{token}\t{key}\t{what}\t{after}\n");
        let answer = self.ask(&question).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer == "stale" {
            return Err("the token is too old".to_owned());
        }
        Ok(())
    }

    async fn ask(&self, question: &str) -> io::Result<String> {
        let mut services = UnixStream::connect(&*self.path).await?;
        services.write_all(question.as_bytes()).await?;
        services.shutdown().await?;
        let mut answer = String::new();
        services.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Whether this attempt fails.
    fn fails(&self) -> Result<(), String> {
        if rand::random_range(0..100) < self.failing {
            return Err("out of order".to_owned());
        }
        Ok(())
    }

    /// Whether the order is refused whenever this is asked.
    fn refuses(&self, order: u64, step: u64) -> Result<(), String> {
        let any = (order * 31 + step).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        if any % 100 < u64::from(self.failing / 2) {
            return Err("refused".to_owned());
        }
        Ok(())
    }
}

/// Tries twice, so that it is soon given up.
fn twice() -> RetryPolicy {
    retries(1)
}

/// Tries until it succeeds.
fn often() -> RetryPolicy {
    retries(30)
}

fn retries(max: u32) -> RetryPolicy {
    let delay = Duration::from_millis(3);
    let policy = RetryPolicy::builder().max_retries(max);
    policy.initial_delay(delay).max_delay(delay).build()
}

#[saga("order:<order>")]
#[derive(Serialize, Deserialize)]
pub(crate) struct FleetOrder {
    pub(crate) order: u64,
    /// In its first attempt, the third step says that it stands, and waits.
    pub(crate) stands: bool,
}

#[saga]
impl FleetOrder {
    /// Fails before or after it has had its effect, and may be given up after either.
    #[step(compensate = release, retry = twice())]
    async fn reserve(&self, ctx: &StepContext, #[dep] services: &Services) -> Result<u64, String> {
        (services.tell)(format!("began {}", self.order));
        services.fails()?;
        services.serve(self.order, ctx, "reserve", "").await?;
        services.fails()?;
        Ok(self.order)
    }

    async fn release(
        &self,
        reserve: Option<&u64>,
        ctx: &StepContext,
        #[dep] services: &Services,
    ) -> Result<(), String> {
        self.undo(ctx, services, reserve.is_some(), "reserve").await
    }

    /// Fails for good only if it is refused, without an effect.
    #[step(compensate = refund, retry = often())]
    async fn charge(&self, ctx: &StepContext, #[dep] services: &Services) -> Result<u64, String> {
        self.asked(ctx, services, 2).await
    }

    async fn refund(
        &self,
        charge: &u64,
        ctx: &StepContext,
        #[dep] services: &Services,
    ) -> Result<(), String> {
        services.fails()?;
        self.undo(ctx, services, *charge == self.order, "charge")
            .await
    }

    #[step(compensate = unpack, retry = often())]
    async fn pack(
        &self,
        ctx: &StepContext,
        charge: &u64,
        #[dep] services: &Services,
    ) -> Result<u64, String> {
        if self.stands && ctx.attempt() == 1 {
            (services.tell)("stands".to_owned());
            services.go_on.notified().await;
            (services.tell)("goes on".to_owned());
        }
        assert_eq!(*charge, self.order, "it is given its own charge");
        self.asked(ctx, services, 3).await
    }

    async fn unpack(
        &self,
        pack: &u64,
        ctx: &StepContext,
        #[dep] services: &Services,
    ) -> Result<(), String> {
        services.fails()?;
        self.undo(ctx, services, *pack == self.order, "pack").await
    }

    #[step(compensate = call_off, retry = twice())]
    async fn book(&self, ctx: &StepContext, #[dep] services: &Services) -> Result<u64, String> {
        services.fails()?;
        services.serve(self.order, ctx, "book", "").await?;
        services.fails()?;
        Ok(self.order)
    }

    async fn call_off(
        &self,
        book: Option<&u64>,
        ctx: &StepContext,
        #[dep] services: &Services,
    ) -> Result<(), String> {
        self.undo(ctx, services, book.is_some(), "book").await
    }

    #[step(retry = often())]
    async fn ship(&self, ctx: &StepContext, #[dep] services: &Services) -> Result<u64, String> {
        self.asked(ctx, services, 5).await
    }
}

impl FleetOrder {
    /// Asks for a step, counted from 1, that the services may refuse.
    async fn asked(
        &self,
        ctx: &StepContext,
        services: &Services,
        step: u64,
    ) -> Result<u64, String> {
        services.refuses(self.order, step)?;
        services.fails()?;
        let what = STEPS[usize::try_from(step - 1).expect("a small number")];
        services.serve(self.order, ctx, what, "").await?;
        services.fails()?;
        Ok(self.order)
    }

    async fn undo(
        &self,
        ctx: &StepContext,
        services: &Services,
        is_known: bool,
        what: &str,
    ) -> Result<(), String> {
        assert!(is_known || matches!(what, "reserve" | "book"));
        services
            .serve(self.order, ctx, &format!("undo {what}"), what)
            .await
    }
}

/// A process's coordinator, which looks for orphans in the background.
pub(crate) fn process(builder: CoordinatorBuilder, services: Services) -> Coordinator {
    let coord = builder.provide(services).build();
    let recovery = coord.recovery().every(Duration::from_millis(100));
    recovery.spawn().expect("it was not shut down");
    coord
}
