//! Every annotated function is listed, wherever it stands.

use coord::registry::{Annotated, AnnotatedKind};
use coord::{Error, KeyPart, circuit_breaker, idempotent, locked, registry, retry, saga};
use serde::{Deserialize, Serialize};

#[locked("listed:<id>", "listed:other:<id>", ttl = "30s", wait = "5s")]
async fn plain(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[locked("listed:generic:<id>")]
async fn generic<T: KeyPart>(id: T, others: impl Iterator<Item = T>) -> Result<usize, Error> {
    let _ = &id;
    Ok(others.count())
}

#[retry("fast", max_retries = 3)]
#[circuit_breaker(name = "listed gateway", failures = 5)]
#[idempotent("listed:stack:<id>", ttl = "24h", fingerprint(amount))]
async fn stacked(id: u64, amount: u64) -> Result<u64, Error> {
    Ok(id + amount)
}

macro_rules! listed_by_macro {
    ($name:ident, $template:literal, $ttl:literal) => {
        #[locked($template, ttl = $ttl)]
        async fn $name() -> Result<(), Error> {
            Ok(())
        }
    };
}

listed_by_macro!(made, "listed:made", "3s");

struct Shop {
    tenant: u64,
}

impl Shop {
    #[locked("listed:method:<self.tenant>", skip)]
    async fn r#report(&self) -> Result<(), Error> {
        Ok(())
    }
}

trait Audit {
    #[locked("listed:trait")]
    async fn audit(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Audit for Shop {}

#[saga("listed:saga:<id>")]
#[derive(Serialize, Deserialize)]
struct Listed {
    id: u64,
}

#[saga(name = "listed-saga")]
impl Listed {
    #[step]
    async fn only(&self) -> Result<u64, String> {
        std::future::ready(Ok(self.id)).await
    }
}

#[track_caller]
fn found(kind: AnnotatedKind, function: &str) -> Annotated {
    let all = registry();
    let mut matching = all.iter().filter(|one| {
        one.kind() == kind && one.function() == format!("registry::listing::{function}")
    });
    let one = *matching
        .next()
        .unwrap_or_else(|| panic!("{function} is not listed"));
    assert!(matching.next().is_none(), "{function} is listed twice");
    assert!(one.file().ends_with("listing.rs"), "{}", one.file());
    one
}

#[test]
fn a_function_is_listed_with_templates_options_and_place() {
    let _ = plain;
    let one = found(AnnotatedKind::Locked, "plain");
    assert_eq!(one.templates(), ["listed:<id>", "listed:other:<id>"]);
    assert_eq!(one.options(), "ttl = \"30s\", wait = \"5s\"");
    assert_eq!(one.name(), None);
    let source = include_str!("listing.rs");
    let line = source.lines().nth(usize::try_from(one.line()).unwrap() - 1);
    assert!(
        line.unwrap().starts_with("#[locked(\"listed:<id>\""),
        "{line:?}"
    );
}

#[test]
fn what_a_macro_has_filled_in_is_listed_as_what_is_written() {
    let _ = made;
    let one = found(AnnotatedKind::Locked, "made");
    assert_eq!(one.templates(), ["listed:made"]);
    assert_eq!(one.options(), "ttl = \"3s\"");
}

#[test]
fn functions_are_listed_whether_they_are_used_or_not() {
    let listed = found(AnnotatedKind::Locked, "generic");
    assert_eq!(listed.templates(), ["listed:generic:<id>"]);
    drop(generic(1, std::iter::empty::<u64>()));
}

#[test]
fn each_attribute_of_a_stack_is_listed() {
    let _ = stacked;
    let retry = found(AnnotatedKind::Retry, "stacked");
    assert_eq!(retry.options(), "max_retries = 3");
    assert_eq!(retry.name(), Some("registry::listing::stacked"));
    let breaker = found(AnnotatedKind::CircuitBreaker, "stacked");
    assert_eq!(breaker.name(), Some("listed gateway"));
    let call = found(AnnotatedKind::Idempotent, "stacked");
    assert_eq!(call.templates(), ["listed:stack:<id>"]);
    assert_eq!(call.options(), "ttl = \"24h\", fingerprint(amount)");
}

#[tokio::test]
async fn methods_are_listed() {
    let coord = coord::Coordinator::builder().build();
    let shop = Shop { tenant: 1 };
    coord
        .scope(async { shop.report().await.and(shop.audit().await) })
        .await
        .unwrap();
    let report = found(AnnotatedKind::Locked, "report");
    assert_eq!(report.options(), "skip");
    found(AnnotatedKind::Locked, "audit");
}

#[test]
fn a_saga_is_listed_with_its_name_and_the_template_of_its_key() {
    let _ = Listed { id: 1 };
    let saga = found(AnnotatedKind::Saga, "Listed");
    assert_eq!(saga.name(), Some("listed-saga"));
    assert_eq!(saga.templates(), ["listed:saga:<id>"]);
}

#[test]
fn the_list_is_in_the_order_of_places() {
    let all = registry();
    assert!(all.is_sorted_by_key(|one| (one.file(), one.line())));
}
