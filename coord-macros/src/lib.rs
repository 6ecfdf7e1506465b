//! The attributes of the [`coord`](https://docs.rs/coord) crate. Use them through it: `coord::locked`,
//! `coord::idempotent`, `coord::retry`, `coord::circuit_breaker`, `coord::saga`, `coord::key!` and
//! `#[derive(coord::KeyPart)]`.
//!
//! The way of a macro through this crate: `args` and `template` read what the user wrote, `function` and
//! `scope` what it is written on, a file for each macro checks the one against the other, and
//! `render` and `wrap` write the code, naming everything through `paths`. `saga` goes the same way in a folder of
//! its own. What is wrong is gathered in `diagnose`, so that one compilation tells all of it.

mod args;
mod braces;
mod circuit_breaker;
mod diagnose;
mod duration;
mod function;
mod idempotent;
mod idempotent_args;
mod key;
mod key_part;
mod lints;
mod locked;
mod locked_args;
mod paths;
mod policy_args;
mod registered;
mod render;
mod retry;
mod saga;
mod scope;
mod stack;
mod template;
mod wrap;

#[cfg(test)]
mod golden;

use proc_macro::TokenStream;

/// Locks an async function: of all calls with the same key, in every process, one runs at a time.
///
/// The attribute starts with one or several [key templates](macro@key#templates), as string literals. Options
/// follow.
///
/// ```
/// use coord::{Error, Lease, locked};
///
/// # struct Order { id: u64 }
/// #[locked("order:<order.id>", ttl = "30s", wait = "5s", lease = lease)]
/// async fn ship(order: &Order) -> Result<u64, Error> {
///     // Hand the token to whatever this writes to, so that it can refuse an older holder.
///     let token: u64 = lease.token().into();
///     Ok(token)
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let coord = coord::Coordinator::builder().store(coord::store::MemoryStore::new()).build();
///     let (first, second) = coord.scope(async {
///         Ok::<_, Error>((ship(&Order { id: 7 }).await?, ship(&Order { id: 7 }).await?))
///     }).await?;
///     assert!(first < second);
///     Ok(())
/// }
/// ```
///
/// # What it does
///
/// A call renders its keys, waits until it holds all of them, runs the body, gives them back and returns what
/// the body returned. The lock comes from the coordinator of the current scope, or else the installed one.
///
/// The function returns a `Result` whose error implements `From<coord::Error>`. That error says that the lock
/// was not got, or that it was lost: the body is then dropped at its next `.await`, since another process may
/// be in it by now. What the body returned is kept while the lock is given back, so the call's future is `Send` only
/// if the `Result` is: write `Box<dyn Error + Send + Sync>`, say.
///
/// Dropping the call's future, at any point, gives up the lock or the place in the queue. If the process dies,
/// the lock is free again after `ttl`.
///
/// # Options
///
/// | option | what it does | if left out |
/// |---|---|---|
/// | `ttl = "30s"` | how long the lock outlives a process that died with it; more than zero and at most 366 days | the coordinator's |
/// | `wait = "5s"` | how long to queue; `"0s"` tries once | as long as it takes |
/// | `renew = false` | does not extend the lock while the body runs: it is lost after `ttl` | renewed |
/// | `at_least = "1m"` | holds the lock that long even if the body is done sooner | given back at once |
/// | `shared` | the reader's side of a read/write lock: readers run together, but not with an exclusive call | exclusive |
/// | `exclusive` | the writer's side; says what is so anyway | |
/// | `permits = 5` | so many calls of one key run at once; a `u32`, and not zero | one |
/// | `skip` | if another call has the lock, returns `Ok(Default::default())` at once without running the body; not below `#[idempotent]`, which would store that | waits |
/// | `lease = name` | binds `name: &Lease` for the body | |
/// | `coord = self.coord` | the coordinator to lock with, any expression that borrows as `&Coordinator` | the current one |
/// | `crate = path` | where the `coord` crate is, if it is not `::coord` | |
///
/// A duration is text that is checked when the code is compiled, a whole number with a unit for each part
/// (`"250ms"`, `"30s"`, `"5m"`, `"24h"`, `"7d"`, `"1h 30m"`), or any expression of type `Duration`. Expressions
/// can use the arguments.
///
/// ```
/// # use std::time::Duration;
/// # use coord::{Coordinator, Error, locked};
/// # type Receipt = ();
/// // Several keys, all or nothing, without deadlock whatever their order.
/// #[locked("account:<from>", "account:<to>")]
/// async fn transfer(from: u64, to: u64) -> Result<Receipt, Error> {
///     Ok(())
/// }
///
/// // One process of the fleet sends the report, and no second one within a minute.
/// #[locked("report:daily", skip, at_least = "1m")]
/// async fn send_report() -> Result<(), Error> {
///     Ok(())
/// }
///
/// // At most five calls at once.
/// #[locked("gateway", permits = 5)]
/// async fn charge(amount: u64) -> Result<Receipt, Error> {
///     Ok(())
/// }
///
/// struct Stock { tenant: String, coord: Coordinator, patience: Duration }
///
/// impl Stock {
///     #[locked("tenant:<self.tenant>:stock:<sku>", shared, wait = self.patience, coord = self.coord)]
///     async fn count(&self, sku: &str) -> Result<usize, Error> {
///         Ok(0)
///     }
/// }
/// ```
///
/// # Where it stands
///
/// On an `async fn`: free, in an `impl`, in a trait with a body; generic or not; whatever its arguments
/// are. Also on a `fn` that returns `impl Future<Output = …>`, `Pin<Box<dyn Future<Output = …>>>`,
/// `BoxFuture` or `LocalBoxFuture`, and on the methods of an `#[async_trait]`. There the keys are rendered
/// when the function is called, and its body runs when the lock is held.
///
/// Above attributes that make the function synchronous, such as `#[tokio::test]`.
#[proc_macro_attribute]
pub fn locked(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::expand(stack::Kind::Locked, args.into(), &item.into()).into()
}

/// Makes an async function idempotent: for each key its body has its effect once, and later calls, in whatever
/// process, return what the first one returned.
///
/// The attribute starts with a [key template](macro@key#templates), as a string literal. Options follow.
///
/// ```
/// use coord::{Error, idempotent};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Payment { id: String, amount: u64 }
///
/// #[idempotent("payment:<order>", ttl = "24h", fingerprint(amount), context = ctx)]
/// async fn pay(order: u64, amount: u64) -> Result<Payment, Error> {
///     // A provider that knows this key charges once, even if this process dies here and another takes over.
///     let id = ctx.downstream_key("charge");
///     Ok(Payment { id, amount })
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let coord = coord::Coordinator::builder().store(coord::store::MemoryStore::new()).build();
///     coord.scope(async {
///         let first = pay(7, 100).await?;
///         assert_eq!(pay(7, 100).await?.id, first.id, "replayed");
///         assert!(matches!(pay(7, 999).await, Err(Error::FingerprintMismatch { .. })));
///         Ok(())
///     }).await
/// }
/// ```
///
/// # What it does
///
/// A call renders its key and its fingerprint, before anything else. If there is a result under the key, that is
/// returned. If another call is running its body, this one waits for the result. Otherwise the body runs, and
/// the value that it returns is stored, as JSON.
///
/// The function returns a `Result` whose success implements serde's `Serialize` and `DeserializeOwned`, and
/// whose error implements `From<coord::Error>`. An error is not stored: the next call runs the body.
///
/// Results belong to keys, not to functions: two functions whose templates differ in no more than the names of
/// arguments would be answered with each other's. `Coordinator::install` refuses them, so begin each template with a
/// word of its own. So would several implementations of one trait's method with one template: put something of `self`
/// that tells them apart into it, and a word of each.
///
/// Dropping the call's future, at any point, lets the next call run the body. If the process dies, the next call
/// runs it after `lease`. So a body can begin more than once; what it asks of others it should ask under
/// `ctx.downstream_key(…)`.
///
/// # Options
///
/// | option | what it does | if left out |
/// |---|---|---|
/// | `ttl = "24h"` | how long the result is kept; more than zero and at most 366 days | 24 hours |
/// | `lease = "2m"` | after how long another call takes over from a process that died; at most `ttl` | the coordinator's `lock_ttl`, or `ttl` if that is shorter |
/// | `in_progress = "reject"` | fails with `Error::InProgress` while another call is running | `"wait"` |
/// | `wait = "5s"` | how long to wait for a call that is running | as long as it takes |
/// | `fingerprint(amount, currency)` | a call with the same key and others of these arguments fails with `Error::FingerprintMismatch` | not compared |
/// | `fingerprint` | the same with all arguments that are not, as a whole, in the key | not compared |
/// | `remember_errors` | an error is stored too, and replayed; not one of an attribute below, such as a lock that was not free | the next call runs the body |
/// | `context = name` | binds `name: &IdempotencyContext` for the body | |
/// | `coord = self.coord` | the coordinator to use, any expression that borrows as `&Coordinator` | the current one |
/// | `crate = path` | where the `coord` crate is, if it is not `::coord` | |
///
/// Durations are as in [`locked`](macro@locked), and so is where the attribute can stand.
#[proc_macro_attribute]
pub fn idempotent(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::expand(stack::Kind::Idempotent, args.into(), &item.into()).into()
}

/// Makes an async function try again when it fails.
///
/// In front may stand a preset: `"fast"`, `"default"` or `"conservative"`, as `RetryPolicy` documents them.
/// Options follow.
///
/// ```
/// use coord::{Error, retry};
///
/// #[derive(Debug)]
/// enum FetchError { Busy, Refused, Coordination(Error) }
///
/// impl FetchError {
///     fn is_transient(&self) -> bool { matches!(self, FetchError::Busy) }
/// }
///
/// impl From<Error> for FetchError {
///     fn from(error: Error) -> Self { FetchError::Coordination(error) }
/// }
///
/// #[retry(max_retries = 3, initial_delay = "200ms", if = FetchError::is_transient)]
/// async fn fetch(url: &str) -> Result<String, FetchError> {
/// #   if url.is_empty() { return Err(FetchError::Refused) }
///     Ok(format!("the page at {url}"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert!(fetch("https://example.com").await.is_ok());
/// # assert!(fetch("").await.is_err());
/// # }
/// ```
///
/// # What it does
///
/// A call runs the body until it succeeds, fails with an error that is not worth a retry, or the policy is at
/// its end, and returns what the last attempt returned. Between attempts it waits, longer each time, and
/// spread at random.
///
/// The function returns a `Result` whose error implements `From<coord::Error>`, and is `'static`. That error
/// says that an attempt was cut off by its time limit, or not made because a circuit breaker is open.
///
/// Dropping the call's future drops the attempt that is under way, and no other follows. A panic is not
/// retried.
///
/// # Arguments
///
/// The body runs several times, and each time it has all arguments for itself: what is taken by `&` is
/// shared, and all else is cloned for each attempt, so it has to be `Clone`. Take large things by `&` or in an
/// `Arc`. `self` is taken by `&` (`self: &Arc<Self>` is one too), or is `Copy`. `&mut` arguments and `&mut self` cannot
/// be given to several attempts and are refused.
///
/// # Options
///
/// | option | what it does | if left out |
/// |---|---|---|
/// | `max_retries = 3` | how many times the body is run again at most; a `u32` | that of the preset |
/// | `initial_delay = "200ms"` | the delay before the first retry | that of the preset |
/// | `max_delay = "5s"` | no delay is longer, whatever else is said | that of the preset |
/// | `multiplier = 1.5` | how much longer each delay is than the one before; an `f64` | 2 |
/// | `jitter = "full"` | `"none"`, `"full"`, `"equal"`, `"decorrelated"`, a percentage such as `"25%"`, or a `Jitter` | `"25%"` |
/// | `if = E::is_transient` | which errors of the body are worth a retry: a function of `&E`, or a closure, which can use the arguments | all |
/// | `retry_after = E::retry_after` | how long the server asked to be left alone: a function from `&E` to `Option<Duration>`, or a closure | not at all |
/// | `deadline = "1m"` | how long all attempts together may take, delays included | as long as it takes |
/// | `attempt_timeout = "5s"` | how long one attempt may take; one that takes longer is retried | as long as it takes |
/// | `policy = self.policy` | a `RetryPolicy`, in place of a preset and the options it is made of | |
/// | `budget = self.budget` | a `RetryBudget` that pays for the retries | as many as the policy has |
/// | `breaker = self.breaker` | a `CircuitBreaker` that each attempt goes through; retrying stops when it is open | |
/// | `name = "gateway"` | the name in metrics, spans and events; a constant | the path of the function |
/// | `crate = path` | where the `coord` crate is, if it is not `::coord` | |
///
/// Durations are written as in [`locked`](macro@locked).
///
/// # Together with others
///
/// Attributes of ours on one function run in the order written, the top one outermost:
///
/// ```
/// # use coord::{Error, circuit_breaker, locked, retry};
/// // Each attempt takes the lock anew. Below `#[locked]`, all of them would run under one.
/// #[retry("fast")]
/// #[locked("order:<id>", wait = "1s")]
/// #[circuit_breaker(failures = 5, reset = "1m")]
/// async fn ship(id: u64) -> Result<u64, Error> {
///     Ok(id)
/// }
/// ```
///
/// An error of ours from further inside, such as a lock that was not free in time, is retried if
/// `coord::Error::is_retryable` says so; `if` is asked about errors of the body only. Keys are rendered once,
/// before the first attempt.
///
/// They know each other by the last name of their paths. Under another name, from `use coord::locked as lock`, an
/// attribute is not known to those above it, which is an error.
#[proc_macro_attribute]
pub fn retry(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::expand(stack::Kind::Retry, args.into(), &item.into()).into()
}

/// Stops calling an async function that keeps failing, and tries it again after a while.
///
/// ```
/// use coord::{Error, circuit_breaker};
///
/// #[circuit_breaker(failures = 5, reset = "1m")]
/// async fn charge(amount: u64) -> Result<u64, Error> {
///     Ok(amount)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(charge(7).await.unwrap(), 7);
/// # }
/// ```
///
/// # What it does
///
/// The function has one `CircuitBreaker`, for all of its calls in this process, also if it is generic or a
/// method. While that is open, a call returns `coord::Error::CircuitOpen` at once, converted, and the body is not
/// run. So the function returns a `Result` whose error implements `From<coord::Error>`, and is `'static`.
///
/// An error of ours from further inside that only says that the caller was turned away, such as a lock that was
/// not free in time, is neither a failure nor a success. A panic is a failure. A call that is dropped counts as
/// nothing.
///
/// # Options
///
/// | option | what it does | if left out |
/// |---|---|---|
/// | `failures = 5` | opens after so many failures in a row; a `u32`, and not zero | 5, or never with `failure_rate` |
/// | `failure_rate = 0.5` | opens when at least this part of the calls failed; an `f64`, above 0 and at most 1 | never |
/// | `window = "10s"` | how far back the failure rate looks | 1 minute |
/// | `minimum_calls = 20` | how many calls there must be in the window for the rate to count | 10 |
/// | `reset = "1m"` | for how long it refuses all calls once it is open | 1 minute |
/// | `probes = 2` | how many calls may then be under way at once to see whether things are better | 1 |
/// | `successes = 3` | how many of these must succeed to close it | 1 |
/// | `is_failure = E::is_down` | which errors of the body count: a function of `&E`, or a closure, which can use `self` and references among the arguments, but nothing that the body owns; the others are neither failures nor successes | all |
/// | `breaker = self.breaker` | another `CircuitBreaker` in place of one for the function, shared or for each instance | |
/// | `name = "gateway"` | the name in metrics, events and errors; a constant | the path of the function |
/// | `crate = path` | where the `coord` crate is, if it is not `::coord` | |
///
/// The breaker is made at the first call and lasts as long as the process, so its options cannot use
/// arguments; `breaker` can. Attributes of ours on one function run in the order written, as
/// [`retry`](macro@retry#together-with-others) shows.
#[proc_macro_attribute]
pub fn circuit_breaker(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::expand(stack::Kind::CircuitBreaker, args.into(), &item.into()).into()
}

#[doc = include_str!("saga/saga.md")]
#[proc_macro_attribute]
pub fn saga(args: TokenStream, item: TokenStream) -> TokenStream {
    saga::expand(args.into(), &item.into()).into()
}

/// Renders a key from a template: an expression of type `Result<Key, Error>`.
///
/// ```
/// # fn main() -> Result<(), coord::Error> {
/// # struct Order { id: u64, sku: &'static str }
/// use coord::key;
///
/// let order = Order { id: 42, sku: "a:1" };
/// let key = key!("order:<order.id>:<order.sku>")?;
/// assert_eq!(key.as_str(), "order:42:a%3A1");
/// # Ok(())
/// # }
/// ```
///
/// # Templates
///
/// | in a template | stands for |
/// |---|---|
/// | `<name>` | a variable; in an attribute, an argument of the function |
/// | `<name.field>`, `<pair.0>`, `<order.line.sku>` | a field of one |
/// | `<self>`, `<self.field>` | `self`, a field of it |
/// | `<<` and `>>` | the characters `<` and `>` |
/// | anything else | itself |
///
/// A keyword that is a name is written with or without its `r#`: `<type>`.
///
/// `{name}`, `{name.field}`, `{name:?}` and `{}`, which stand for values elsewhere, are refused. Other braces are text,
/// such as those around the part of a key that Redis Cluster places it by: `{order:<id>}`.
///
/// Each value implements `KeyPart`. It is encoded so that two different lists of values never give the same
/// key: with `<a>:<b>`, the values `"x:y"` and `"z"` give another key than `"x"` and `"y:z"`.
///
/// # Errors
///
/// `Error::InvalidKey` if a value is empty, or the key is over 512 bytes.
///
/// # Options
///
/// `crate = path` behind the template says where the `coord` crate is, if it is not `::coord`.
#[proc_macro]
pub fn key(input: TokenStream) -> TokenStream {
    key::expand(input.into()).into()
}

/// Derives `KeyPart` for a struct with one field, which is written as that field is, and for
/// an enum without fields, which is written as the name of its variant.
///
/// ```
/// use coord::{KeyPart, key};
///
/// #[derive(KeyPart)]
/// struct OrderId(u64);
///
/// #[derive(KeyPart)]
/// enum Region { Europe, Asia }
///
/// let (order, region) = (OrderId(7), Region::Asia);
/// assert_eq!(key!("<region>:<order>").unwrap().as_str(), "Asia:7");
/// # let _ = Region::Europe;
/// ```
///
/// Every type parameter has to be a `KeyPart` as well. `#[key_part(crate = path)]` says where the `coord` crate
/// is, if it is not `::coord`.
#[proc_macro_derive(KeyPart, attributes(key_part))]
pub fn key_part(input: TokenStream) -> TokenStream {
    key_part::expand(input.into()).into()
}
