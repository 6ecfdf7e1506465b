//! The attributes of the [`coord`](https://docs.rs/coord) crate. Use them through it: `coord::locked`,
//! `coord::idempotent`, `coord::saga`, `coord::key!` and `#[derive(coord::KeyPart)]`.
//!
//! The way of a macro through this crate: `args` and `template` read what the user wrote, `function` and
//! `scope` what it is written on, `locked`, `idempotent`, `key` and `key_part` check the one against the other, and
//! `render` and `wrap` write the code, naming everything through `paths`. `saga` goes the same way in a folder of its
//! own. What is wrong is gathered in
//! `diagnose`, so that one compilation tells all of it.

mod args;
mod diagnose;
mod duration;
mod function;
mod idempotent;
mod key;
mod key_part;
mod locked;
mod paths;
mod render;
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
/// | `remember_errors` | an error is stored too, and replayed | the next call runs the body |
/// | `context = name` | binds `name: &IdempotencyContext` for the body | |
/// | `coord = self.coord` | the coordinator to use, any expression that borrows as `&Coordinator` | the current one |
/// | `crate = path` | where the `coord` crate is, if it is not `::coord` | |
///
/// Durations are as in [`locked`](macro@locked), and so is where the attribute can stand.
#[proc_macro_attribute]
pub fn idempotent(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::expand(stack::Kind::Idempotent, args.into(), &item.into()).into()
}

/// Declares a saga: work of several steps that is finished or undone, whatever dies on the way.
///
/// It stands twice: on the struct that is the saga's input, with a [key template](macro@key#templates) over its
/// fields, and on the impl with its steps.
///
/// ```
/// use coord::{StepContext, saga};
/// use serde::{Deserialize, Serialize};
///
/// # struct StockService;
/// # struct PaymentGateway;
/// # #[derive(Serialize, Deserialize)] struct Reservation(u64);
/// # #[derive(Serialize, Deserialize)] struct Charge(u64);
/// # #[derive(Serialize, Deserialize)] struct Shipment(u64);
/// # type ShopError = String;
/// # impl StockService {
/// #     async fn reserve(&self, items: &[String]) -> Result<Reservation, ShopError> { Ok(Reservation(1)) }
/// #     async fn release(&self, reservation: &Reservation) -> Result<(), ShopError> { Ok(()) }
/// # }
/// # impl PaymentGateway {
/// #     async fn charge(&self, total: u64, key: &str) -> Result<Charge, ShopError> { Ok(Charge(1)) }
/// #     async fn refund(&self, charge: &Charge) -> Result<(), ShopError> { Ok(()) }
/// # }
/// #[saga("order:<order_id>")]
/// #[derive(Serialize, Deserialize)]
/// struct PlaceOrder { order_id: u64, items: Vec<String>, total: u64 }
///
/// #[saga]
/// impl PlaceOrder {
///     #[step(compensate = release_stock, retry = "fast", timeout = "10s")]
///     async fn reserve_stock(&self, #[dep] stock: &StockService) -> Result<Reservation, ShopError> {
///         stock.reserve(&self.items).await
///     }
///
///     async fn release_stock(
///         &self,
///         reserve_stock: &Reservation,
///         #[dep] stock: &StockService,
///     ) -> Result<(), ShopError> {
///         stock.release(reserve_stock).await
///     }
///
///     #[step(compensate = refund)]
///     async fn charge(&self, ctx: &StepContext, #[dep] gateway: &PaymentGateway) -> Result<Charge, ShopError> {
///         // A gateway that knows this key charges once, however often this is run.
///         gateway.charge(self.total, ctx.idempotency_key()).await
///     }
///
///     async fn refund(&self, charge: &Charge, #[dep] gateway: &PaymentGateway) -> Result<(), ShopError> {
///         gateway.refund(charge).await
///     }
///
///     #[step]
///     async fn ship(&self, charge: &Charge, reserve_stock: &Reservation) -> Result<Shipment, ShopError> {
///         Ok(Shipment(charge.0 + reserve_stock.0))
///     }
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), coord::SagaError> {
///     let coord = coord::Coordinator::builder()
///         .store(coord::store::MemoryStore::new())
///         .provide(StockService)
///         .provide(PaymentGateway)
///         .build();
///     let order = PlaceOrder { order_id: 7, items: vec!["cup".to_owned()], total: 100 };
///     // What the steps put out has a field for each of them.
///     let done = order.run_with(&coord).await?;
///     assert_eq!(done.ship.0, 2);
///     coord.shutdown().await;
///     Ok(())
/// }
/// ```
///
/// # The struct
///
/// It is the input and nothing else, owns what it is made of, and implements serde's `Serialize` and
/// `Deserialize`. There is one saga for each key.
///
/// What its steps put out is called as the struct with `Outputs` behind it, and is as visible.
///
/// | method | what it does |
/// |---|---|
/// | `run().await` | starts the saga and waits for it to end; gives the outputs, or a `SagaError` |
/// | `run_with(&coord).await` | the same with a coordinator that is not the current one |
/// | `start()`, `start_with(&coord)` | start it in the background; give a handle, to wait for it, look at it or cancel it |
///
/// If there is a saga with this key already, it is joined, or its result returned. Dropping the future of `run` leaves
/// the saga to the background, where it goes on; if the process dies, one that recovers goes on with it.
///
/// # The steps
///
/// A step is a method with `#[step]`. Steps run in the order written. Each takes `&self`, is an `async fn`, and
/// returns a `Result` whose success implements `Serialize` and `Deserialize` and whose error implements `Display`.
/// The success is stored before the next step starts.
///
/// Methods stay as they are written: they can be called by hand, and other attributes on them have their effect.
///
/// | a parameter | is given |
/// |---|---|
/// | `charge: &Charge` | the output of the step `charge`, which is an earlier one |
/// | `charge: Option<&Charge>` | the same of a step with `when`: `None` if it was skipped |
/// | `charge: &[Charge]` | the outputs of a step with `each`, one for each item |
/// | `item: &Item` | in a step with `each`, the item that this run is about |
/// | `ctx: &StepContext` | which saga and which attempt this is, and a key that makes its effect happen once |
/// | `#[dep] gateway: &Gateway` | what `Coordinator::builder().provide(…)` was given of that type |
///
/// Nothing else can be asked for, and what is asked for is checked when the code is compiled.
///
/// A step may be run more than once: after a failure, and after a crash. What it asks of others it should ask under
/// `ctx.idempotency_key()`.
///
/// | option of `#[step(…)]` | what it does | if left out |
/// |---|---|---|
/// | `compensate = method` | undoes the step when a later one fails for good | nothing is undone |
/// | `retry = "fast"` | tries again; also `"default"`, `"conservative"`, or any expression that gives a policy | a step is tried once, and what undoes it ten times more |
/// | `timeout = "10s"` | how long one attempt may take; more than zero | as long as it takes |
/// | `pivot` | the point of no return: behind it the saga goes forward, and nothing is undone | |
/// | `id = "…"` | what the step is called in the store, so that the method can be renamed while sagas are under way | the name of the method |
/// | `parallel` | runs together with its neighbours that are parallel too | one after the other |
/// | `each = items` | runs once for each item of a field, which is a `Vec` or anything else with `len()` and an index | |
/// | `when = method` | runs only if the method, a `fn(&self, …) -> bool` that can ask for outputs, says so | |
///
/// Durations are as in [`locked`](macro@locked).
///
/// # Compensations
///
/// What `compensate` names is a method of the same impl, and like a step in what it takes and returns. Of outputs it
/// can have that of the step that it undoes, under that step's name, and those of the steps before that.
///
/// With `charge: &Charge` it is called if the step is known to be done. With `charge: Option<&Charge>` it is also
/// called, with `None`, if that is unknown: the step failed, took too long, or died with its process. In a step with
/// `each` it is called for each item.
///
/// # Options of `#[saga]`
///
/// | option | what it does | if left out |
/// |---|---|---|
/// | `name = "…"`, on the impl | what the saga is called in the store; no two sagas of a program may share it | the name of the struct |
/// | `crate = path`, on both | where the `coord` crate is | `::coord` |
///
/// A saga that was left behind by a crash is found by its name, so each saga is one type. A generic struct is made
/// one by an impl for each type that fills it: `#[saga(name = "import-orders")] impl Import<Order> { … }`.
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
