//! What cannot be asked is refused before anything is sent.

use std::collections::HashMap;
use std::time::Duration;

use coord::idempotency::IdempotencyBuilder;
use coord::{Coordinator, Error};
use coord_tests::fleet::{Fleet, SHORT};

use crate::records::{KEY, pays};

async fn refused(call: IdempotencyBuilder) -> Error {
    let call = call.run(async || -> Result<u64, Error> { panic!("it ran") });
    call.await.unwrap_err()
}

fn option(error: &Error) -> &'static str {
    match error {
        Error::InvalidOption { option, .. } => option,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn keys_that_cannot_be_used_are_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    for key in [String::new(), "k".repeat(513)] {
        let error = refused(coord.idempotency(key)).await;
        assert!(matches!(error, Error::InvalidKey { .. }), "{error:?}");
    }
    let id = "";
    let error = refused(coord.idempotency(coord::key!("payment:<id>"))).await;
    assert!(
        matches!(
            error,
            Error::InvalidKey {
                template: "payment:<id>",
                ..
            }
        ),
        "{error:?}"
    );
    let longest = coord.idempotency("k".repeat(512));
    longest.run(async || Ok::<u64, Error>(7)).await.unwrap();
}

pub(crate) async fn durations_without_sense_are_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = || coord.idempotency(KEY);
    let years = Duration::from_secs(400 * 24 * 60 * 60);
    for (call, expected) in [
        (call().ttl(Duration::ZERO), "ttl"),
        (call().ttl(years), "ttl"),
        (call().lease(Duration::ZERO), "lease"),
        (call().ttl(SHORT).lease(SHORT * 2), "lease"),
        (call().ttl(Duration::MAX).lease(years), "ttl"),
    ] {
        assert_eq!(option(&refused(call).await), expected);
    }
    let same = call().ttl(SHORT).lease(SHORT);
    same.run(async || Ok::<u64, Error>(7)).await.unwrap();
}

/// The default of a lease is no wish of the caller's.
pub(crate) async fn a_lease_of_the_coordinators_is_cut_to_the_ttl(fleet: &Fleet) {
    let coord = fleet.builder().await.lock_ttl(SHORT * 100).build();
    let call = coord.idempotency(KEY).ttl(SHORT);
    assert_eq!(call.run(async || Ok::<u64, Error>(7)).await.unwrap(), 7);
}

pub(crate) async fn a_fingerprint_that_is_no_json_is_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    let odd = HashMap::from([((1, 2), 3)]);
    let error = refused(coord.idempotency(KEY).fingerprint(odd)).await;
    assert_eq!(option(&error), "fingerprint");
}

/// JSON has them, though not every one who reads it.
pub(crate) async fn a_fingerprint_of_a_long_integer_is_one(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let call = |coord: &Coordinator, amount: u128| {
        let call = coord.idempotency(KEY).fingerprint(amount);
        async { call.run(async || Ok::<u64, Error>(7)).await }
    };
    call(&one, u128::MAX).await.unwrap();
    assert_eq!(call(&other, u128::MAX).await.unwrap(), 7);
    for amount in [u128::MAX - 1, u128::from(u64::MAX), 0] {
        let error = call(&other, amount).await.unwrap_err();
        assert!(
            matches!(error, Error::FingerprintMismatch { .. }),
            "{error:?}"
        );
    }
}

pub(crate) async fn a_refused_call_asks_nobody(fleet: &Fleet) {
    let (store, coord): (_, Coordinator) = fleet.faulty().await;
    refused(coord.idempotency("")).await;
    refused(coord.idempotency(KEY).ttl(Duration::ZERO)).await;
    assert_eq!(store.operations(), []);
    pays(&coord, 7).await.unwrap();
    assert_eq!(store.operations().len(), 2);
}
