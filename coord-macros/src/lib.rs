//! The attributes of the [`coord`](https://docs.rs/coord) crate. Use them through it: `coord::locked`,
//! `coord::key!` and `#[derive(coord::KeyPart)]`.
//!
//! The way of a macro through this crate: `args` and `template` read what the user wrote, `function` and
//! `scope` what it is written on, `locked`, `key` and `key_part` check the one against the other, and
//! `render` and `wrap` write the code, naming everything through `paths`. What is wrong is gathered in
//! `diagnose`, so that one compilation tells all of it.

mod args;
mod circuit_breaker;
mod diagnose;
mod duration;
mod function;
mod key;
mod key_part;
mod locked;
mod paths;
mod policy_args;
mod render;
mod retry;
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
/// be in it by now.
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
/// | `skip` | if another call has the lock, returns `Ok(Default::default())` at once without running the body | waits |
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

/// RETRYDOC
#[proc_macro_attribute]
pub fn retry(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::expand(stack::Kind::Retry, args.into(), &item.into()).into()
}

/// BREAKERDOC
#[proc_macro_attribute]
pub fn circuit_breaker(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::expand(stack::Kind::CircuitBreaker, args.into(), &item.into()).into()
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
