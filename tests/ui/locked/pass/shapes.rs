//! Every shape of function that `#[locked]` accepts, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, clippy::missing_errors_doc)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use coord::{Error, Lease, locked};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture};

struct Order {
    id: u64,
    lines: (u8, Line),
}

struct Line {
    r#type: String,
}

#[derive(Debug)]
struct OrderError;

impl From<Error> for OrderError {
    fn from(_: Error) -> Self {
        Self
    }
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("order")
    }
}

impl std::error::Error for OrderError {}

async fn other() -> Result<u64, Error> {
    tokio::task::yield_now().await;
    Ok(7)
}

// Free functions.

#[locked("order:<id>")]
async fn argument_only_in_the_key(id: u64) -> Result<u64, OrderError> {
    Ok(other().await?)
}

#[locked("order:<_id>")]
async fn argument_that_says_it_is_unused(_id: u64) -> Result<(), OrderError> {
    other().await?;
    Ok(())
}

#[locked("gateway")]
async fn nothing_to_do() -> Result<(), Error> {
    Ok(())
}

#[locked("gateway")]
async fn never_returns() -> Result<(), Error> {
    loop {
        tokio::task::yield_now().await;
    }
}

#[locked("gateway")]
async fn only_panics() -> Result<String, Error> {
    panic!("never called")
}

#[locked("order:<order.id>:<order.lines.0>:<order.lines.1.type>")]
async fn fields(order: &Order) -> Result<u64, Error> {
    Ok(order.id)
}

#[locked("<r#type>:<match>")]
async fn keywords(r#type: u64, r#match: &str) -> Result<(), Error> {
    let _ = (r#type, r#match);
    Ok(())
}

#[locked("pair:<a>:<b>:<c>:<d>:<e>")]
async fn patterns(
    (a, _): (u64, u64),
    Line { r#type: b }: Line,
    [c, ..]: [u8; 3],
    mut d: String,
    &e: &u16,
    _: u8,
) -> Result<String, Error> {
    d.push_str(&b);
    Ok(format!("{a}{c}{d}{e}"))
}

#[locked("counter:<count>")]
async fn mutated(mut count: u64) -> Result<u64, Error> {
    count += other().await?;
    Ok(count)
}

#[locked("text:<first>:<second>:<third>")]
async fn generics<'a, T, const N: usize>(
    first: &'a str,
    second: T,
    third: impl coord::KeyPart + Into<String> + Send,
    rest: [u8; N],
) -> Result<(&'a str, T, String, usize), Error>
where
    T: coord::KeyPart + Send + 'a,
{
    Ok((first, second, third.into(), rest.len()))
}

#[locked("text:<text>")]
async fn elided_lifetimes(text: &str) -> Result<&str, Error> {
    Ok(text.trim())
}

#[locked("text:<text>")]
async fn opaque_result(text: &str) -> Result<impl Iterator<Item = char>, Error> {
    Ok(text.chars())
}

#[locked("text:<text>")]
async fn coerced_result(text: String) -> Result<Box<dyn std::error::Error + Send + Sync>, Error> {
    if text.is_empty() {
        return Ok(Box::new(OrderError));
    }
    Ok(text.into())
}

#[locked("text:<text>")]
async fn inferred_result(text: &str) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let number = text.parse()?;
    Ok(number)
}

#[locked("text:<text>")]
async fn items_in_the_body(text: &str) -> Result<usize, Error> {
    #![allow(clippy::unused_async)]
    const EXTRA: usize = 1;
    fn length(text: &str) -> usize {
        text.len() + EXTRA
    }
    Ok(length(text))
}

#[locked("text:<text>")]
async fn tail_borrows_from_a_local(text: &str) -> Result<usize, Error> {
    let owned = std::sync::Mutex::new(text.to_owned());
    Ok(owned.lock().expect("nobody panicked").len())
}

/// Documented, and with attributes of others.
#[inline]
#[locked("text:<text>")]
#[must_use = "it is a result"]
#[allow(clippy::unnecessary_wraps)]
pub async fn attributes_of_others(text: &str) -> Result<usize, Error> {
    Ok(text.len())
}

// Futures.

#[locked("order:<id>")]
fn returns_impl_future(id: u64) -> impl Future<Output = Result<u64, Error>> + Send {
    async move { Ok(id + other().await?) }
}

#[locked("order:<text>")]
fn returns_impl_future_that_borrows<'a>(
    text: &'a str,
) -> impl Future<Output = Result<&'a str, Error>> + Send + 'a {
    let trimmed = text.trim();
    async move { Ok(trimmed) }
}

#[locked("order:<id>")]
fn returns_pinned_box(id: u64) -> Pin<Box<dyn Future<Output = Result<u64, OrderError>> + Send>> {
    if id == 0 {
        return Box::pin(async { Err(OrderError) });
    }
    Box::pin(async move { Ok(id) })
}

#[locked("order:<text>", lease = lease)]
fn returns_pinned_box_that_borrows<'a>(
    text: &'a str,
) -> Pin<Box<dyn Future<Output = Result<&'a str, Error>> + Send + 'a>> {
    if text.is_empty() {
        return Box::pin(async move {
            let _ = lease;
            Ok(text)
        });
    }
    Box::pin(async move { Ok(text) })
}

#[locked("order:<text>")]
fn returns_box_future(text: &str) -> BoxFuture<'_, Result<usize, Error>> {
    async move { Ok(text.len()) }.boxed()
}

#[locked("order:<text>", lease = lease)]
fn returns_box_future_with_lease(text: &str) -> BoxFuture<'_, Result<usize, Error>> {
    async move {
        let _ = lease;
        Ok(text.len())
    }
    .boxed()
}

#[locked("order:<text>")]
fn returns_local_box_future<'a>(
    text: &'a std::rc::Rc<str>,
) -> LocalBoxFuture<'a, Result<usize, Error>> {
    async move { Ok(text.len()) }.boxed_local()
}

// Methods.

#[derive(Debug, Clone)]
struct Service {
    tenant: String,
    coord: coord::Coordinator,
    name: &'static str,
}

impl Service {
    #[locked("tenant:<self.tenant>:stock:<sku>", coord = self.coord)]
    async fn by_reference(&self, sku: &str) -> Result<usize, Error> {
        Ok(self.tenant.len() + sku.len())
    }

    #[locked("tenant:<self.tenant>")]
    async fn by_mutable_reference(&mut self, name: &'static str) -> Result<&str, Error> {
        self.name = name;
        Ok(self.name)
    }

    #[locked("tenant:<self.tenant>", coord = self.coord.clone())]
    async fn by_value(self) -> Result<String, Error> {
        Ok(self.tenant)
    }

    #[locked("tenant:<self.tenant>")]
    async fn by_mutable_value(mut self) -> Result<String, Error> {
        self.tenant.clear();
        Ok(self.tenant)
    }

    #[locked("tenant:<self.tenant>")]
    async fn by_smart_pointer(self: Arc<Self>) -> Result<Self, Error> {
        Ok(Self::clone(&self))
    }

    #[locked("tenant:<self.tenant>")]
    fn returns_future<'a>(
        &'a self,
        sku: &'a str,
    ) -> impl Future<Output = Result<usize, Error>> + Send + 'a {
        async move { Ok(self.tenant.len() + sku.len()) }
    }
}

trait Stock {
    fn tenant(&self) -> &str;

    async fn reserve(&self, sku: &str) -> Result<usize, Error>;

    #[locked("stock:<sku>")]
    async fn release(&self, sku: &str) -> Result<usize, Error> {
        Ok(self.tenant().len() + sku.len())
    }
}

impl Stock for Service {
    fn tenant(&self) -> &str {
        &self.tenant
    }

    #[locked("stock:<self.tenant>:<sku>", lease = lease)]
    async fn reserve(&self, sku: &str) -> Result<usize, Error> {
        let _: &Lease = lease;
        Ok(sku.len())
    }
}

trait Desugared {
    fn reserve(&self, sku: u64) -> impl Future<Output = Result<u64, Error>> + Send;
}

impl Desugared for Service {
    #[locked("stock:<sku>")]
    async fn reserve(&self, sku: u64) -> Result<u64, Error> {
        Ok(sku)
    }
}

#[async_trait::async_trait]
trait Boxed {
    async fn reserve(&self, sku: &str, count: u64) -> Result<u64, OrderError>;
    async fn rename<T>(&mut self, name: T, pair: (u8, u8)) -> Result<(), Error>
    where
        T: coord::KeyPart + Into<String> + Send;

    #[locked("default:<sku>")]
    async fn with_default(&self, sku: &str) -> Result<u64, Error>
    where
        Self: Sync,
    {
        Ok(sku.len() as u64)
    }
}

#[async_trait::async_trait]
impl Boxed for Service {
    #[locked("stock:<self.tenant>:<sku>", lease = lease, coord = self.coord)]
    async fn reserve(&self, sku: &str, mut count: u64) -> Result<u64, OrderError> {
        if sku.is_empty() {
            return Err(OrderError);
        }
        count += other().await?;
        let _: &Lease = lease;
        Ok(count + self.tenant.len() as u64)
    }

    #[locked("name:<name>")]
    async fn rename<T>(&mut self, name: T, (first, _): (u8, u8)) -> Result<(), Error>
    where
        T: coord::KeyPart + Into<String> + Send,
    {
        self.tenant = name.into();
        self.tenant.push(char::from(first));
        Ok(())
    }
}

// Futures stay `Send`, whatever the key borrows.

fn sendable<T: Send>(_: T) {}

fn futures_are_send(service: &mut Service, order: &Order) {
    sendable(fields(order));
    sendable(argument_only_in_the_key(1));
    sendable(generics("a", 1_u8, "b".to_owned(), [0]));
    sendable(returns_impl_future(1));
    sendable(returns_pinned_box_that_borrows("a"));
    sendable(service.by_reference("a"));
    sendable(service.by_mutable_reference("a"));
    sendable(Desugared::reserve(service, 1));
    sendable(Boxed::reserve(service, "a", 1));
}

fn futures_can_be_spawned(service: Arc<Service>) {
    spawnable(async move {
        let sku = String::from("a");
        service.by_reference(&sku).await?;
        elided_lifetimes(&sku).await?;
        Stock::reserve(&*service, &sku).await
    });
}

fn spawnable<F: Future<Output = Result<usize, Error>> + Send + 'static>(_: F) {}
