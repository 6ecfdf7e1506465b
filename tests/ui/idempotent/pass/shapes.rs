//! Every shape of function that `#[idempotent]` accepts, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, clippy::missing_errors_doc)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use coord::{Error, KeyPart, idempotent};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde::{Serialize, de::DeserializeOwned};

type Paid<T> = Result<T, PayError>;

#[derive(Debug)]
struct PayError;

impl From<Error> for PayError {
    fn from(_: Error) -> Self {
        Self
    }
}

impl From<std::num::ParseIntError> for PayError {
    fn from(_: std::num::ParseIntError) -> Self {
        Self
    }
}

async fn other() -> Result<u64, Error> {
    tokio::task::yield_now().await;
    Ok(7)
}

#[idempotent("payment:<order>")]
async fn argument_only_in_the_key(order: u64) -> Paid<u64> {
    Ok(other().await?)
}

#[idempotent("payment:<text>")]
async fn question_mark_and_return(text: &str) -> Paid<u64> {
    if text.is_empty() {
        return Ok(0);
    }
    let number: u64 = text.parse()?;
    Ok(number)
}

#[idempotent("gateway")]
async fn nothing_to_do() -> Result<(), Error> {
    Ok(())
}

#[idempotent("gateway")]
async fn only_panics() -> Result<String, Error> {
    panic!("never called")
}

#[idempotent("pair:<a>:<b>:<c>")]
async fn patterns((a, _): (u64, u64), [b, ..]: [u8; 3], mut c: String, _: u8) -> Paid<String> {
    c.push('!');
    Ok(format!("{a}{b}{c}"))
}

#[idempotent("text:<first>:<second>", fingerprint)]
async fn generics<'a, T, V, const N: usize>(
    first: &'a str,
    second: T,
    value: V,
    rest: [u8; N],
) -> Paid<V>
where
    T: KeyPart + Send + 'a,
    V: Serialize + DeserializeOwned + Clone + Send,
    [u8; N]: Serialize,
{
    let _ = (first, second, rest);
    Ok(value)
}

struct Service {
    name: String,
    counter: u64,
}

impl Service {
    #[idempotent("service:<self.name>")]
    async fn by_reference(&self) -> Paid<String> {
        other().await?;
        Ok(self.name.clone())
    }

    #[idempotent("service:<self.name>")]
    async fn by_mutable_reference(&mut self) -> Paid<u64> {
        self.counter += other().await?;
        Ok(self.counter)
    }

    #[idempotent("service:<self.name>")]
    async fn by_value(self: Arc<Self>) -> Paid<u64> {
        Ok(self.counter)
    }

    #[idempotent("service:<self.name>:<id>")]
    fn returns_a_future<'a>(&'a self, id: u64) -> impl Future<Output = Paid<u64>> + Send + 'a {
        async move { Ok(self.counter + id) }
    }

    #[idempotent("service:<self.name>")]
    fn boxed(&self) -> Pin<Box<dyn Future<Output = Paid<u64>> + Send + '_>> {
        Box::pin(async move { Ok(self.counter) })
    }

    #[idempotent("service:<self.name>", fingerprint(id))]
    fn boxed_by_futures(&self, id: u64) -> BoxFuture<'_, Paid<u64>> {
        async move { Ok(self.counter + id) }.boxed()
    }

    #[idempotent("service:<self.name>")]
    fn boxed_here(&self) -> LocalBoxFuture<'_, Paid<u64>> {
        async move { Ok(self.counter) }.boxed_local()
    }
}

trait Gateway {
    #[idempotent("charge:<order>", context = ctx)]
    async fn charge(&self, order: u64) -> Paid<String> {
        Ok(format!("{order}:{}", ctx.attempt()))
    }
}

impl Gateway for Service {}

#[async_trait::async_trait]
trait Bank {
    async fn transfer(&self, from: u64, to: u64) -> Paid<u64>;

    #[idempotent("balance:<account>", fingerprint)]
    async fn balance(&self, account: u64, currency: &str) -> Paid<u64> {
        let _ = currency;
        Ok(account)
    }
}

#[async_trait::async_trait]
impl Bank for Service {
    #[idempotent("transfer:<from>:<to>")]
    async fn transfer(&self, from: u64, to: u64) -> Paid<u64> {
        other().await?;
        Ok(self.counter + from + to)
    }
}

fn is_send<T: Send>(_: T) {}

fn futures_are_send(service: &Service) {
    is_send(argument_only_in_the_key(7));
    is_send(patterns((1, 2), [1, 2, 3], String::new(), 1));
    is_send(service.by_reference());
    is_send(service.returns_a_future(7));
    is_send(generics("a", 7, vec![1], [1, 2]));
}
