//! What is stored comes back as it was, and what cannot be stored is told of.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use coord::store::PutRequest;
use coord::{Error, Outcome};
use coord_tests::fleet::Fleet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::records::{KEY, Runs, pays, record};

/// Stores `value` and replays it.
async fn comes_back<T>(fleet: &Fleet, key: &str, value: T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + Clone,
{
    let coord = fleet.process().await;
    let call = || coord.idempotency(key);
    let executed = call().outcome(async || Ok::<_, Error>(value.clone())).await;
    assert_eq!(executed.unwrap(), Outcome::Executed(value.clone()));
    let replayed = call().outcome(async || -> Result<T, Error> { panic!("it ran again") });
    assert_eq!(replayed.await.unwrap(), Outcome::Replayed(value), "{key}");
}

pub(crate) async fn every_falsy_value_is_replayed_as_it_was(fleet: &Fleet) {
    comes_back(fleet, "unit", ()).await;
    comes_back(fleet, "none", None::<u64>).await;
    comes_back(fleet, "zero", 0).await;
    comes_back(fleet, "zero point", 0.0).await;
    comes_back(fleet, "false", false).await;
    comes_back(fleet, "empty text", String::new()).await;
    comes_back(fleet, "empty list", Vec::<u64>::new()).await;
    comes_back(fleet, "empty map", BTreeMap::<String, u64>::new()).await;
    comes_back(fleet, "null in a list", vec![None, Some(0)]).await;
}

/// All shapes that serde knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(Option<u64>),
    Tuple(u8, Option<String>, (), char),
    Struct {
        map: BTreeMap<u64, Option<Vec<i8>>>,
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
    },
    Within(Option<Wrapped>, Option<[Option<u8>; 2]>, std::net::IpAddr),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(String, f32);

pub(crate) async fn every_shape_is_replayed_as_it_was(fleet: &Fleet) {
    let rest = serde_json::json!({ "null": null, "list": [1.5, {}] });
    let shapes = vec![
        Shape::Unit,
        Shape::Newtype(None),
        Shape::Newtype(Some(0)),
        Shape::Tuple(1, Some(String::new()), (), 'ü'),
        Shape::Struct {
            map: BTreeMap::from([(1, None), (2, Some(vec![-1]))]),
            rest: serde_json::from_value(rest).unwrap(),
            absent: None,
        },
        Shape::Within(
            Some(Wrapped("a".to_owned(), 0.1)),
            Some([None, Some(1)]),
            [127, 0, 0, 1].into(),
        ),
    ];
    comes_back(fleet, "shapes", shapes).await;
}

/// What JSON has no other word for than that for something else.
pub(crate) async fn a_result_that_would_come_back_as_another_is_an_error_for_good(fleet: &Fleet) {
    #[derive(Serialize, Deserialize)]
    struct Nothing;
    refuses(fleet, "some unit", Some(())).await;
    refuses(fleet, "some unit struct", Some(Nothing)).await;
    refuses(fleet, "some none", vec![Some(None::<u64>)]).await;
    refuses(fleet, "some null", Some(serde_json::Value::Null)).await;
    refuses(fleet, "no number", f64::NAN).await;
    refuses(fleet, "infinite", (1, f32::NEG_INFINITY)).await;
    let map = BTreeMap::from([("a".to_owned(), Some(f64::NAN))]);
    refuses(fleet, "in a map", map).await;
}

async fn refuses<T: Serialize + DeserializeOwned>(fleet: &Fleet, key: &str, value: T) {
    let coord = fleet.process().await;
    let mut value = Some(value);
    for _ in 0..2 {
        let call = coord.idempotency(key);
        let call = call.run(async || Ok::<_, Error>(value.take().expect("one run")));
        let Err(error) = call.await else {
            panic!("{key} is stored");
        };
        assert!(
            matches!(error, Error::ResultNotSerializable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("`null`"), "{error}");
    }
}

pub(crate) async fn numbers_and_texts_are_replayed_as_they_were(fleet: &Fleet) {
    comes_back(fleet, "large", (u64::MAX, i64::MIN, u128::MAX)).await;
    comes_back(
        fleet,
        "float",
        vec![0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE, -0.0, 5e-324],
    )
    .await;
    comes_back(
        fleet,
        "text",
        "line\nbreak, \"quotes\", \0, größe, \u{10ffff}".to_owned(),
    )
    .await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum PayError {
    Refused(String),
    #[serde(skip)]
    Passing,
    #[serde(skip)]
    Coordination(String),
}

impl From<Error> for PayError {
    fn from(error: Error) -> Self {
        Self::Coordination(error.to_string())
    }
}

fn refused() -> PayError {
    PayError::Refused("no funds".to_owned())
}

pub(crate) async fn an_error_is_not_a_result(fleet: &Fleet) {
    let coord = fleet.process().await;
    let failed = coord
        .idempotency(KEY)
        .run(async || Err::<u64, _>(refused()));
    assert_eq!(failed.await, Err(refused()));
    assert_eq!(pays(&coord, 7).await.unwrap(), Outcome::Executed(7));
}

pub(crate) async fn a_remembered_error_is_replayed(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let runs = Runs::default();
    for coord in [&one, &other, &one] {
        let call = coord.idempotency(KEY).remember_errors();
        let failed = call.run(async || {
            runs.begin();
            Err::<u64, _>(refused())
        });
        assert_eq!(failed.await, Err(refused()));
    }
    assert_eq!(runs.count(), 1);

    let value = one.idempotency("b").remember_errors();
    let value = value.run(async || Ok::<_, PayError>(7)).await;
    assert_eq!(value, Ok(7));
    let replayed = one.idempotency("b").remember_errors();
    let replayed = replayed.outcome(async || Ok::<_, PayError>(8)).await;
    assert_eq!(replayed, Ok(Outcome::Replayed(7)));
}

pub(crate) async fn an_error_that_serde_refuses_is_not_remembered(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = || coord.idempotency(KEY).remember_errors();
    let failed = call().run(async || Err::<u64, _>(PayError::Passing)).await;
    assert_eq!(failed, Err(PayError::Passing));
    let executed = call().outcome(async || Ok::<_, PayError>(7)).await;
    assert_eq!(executed, Ok(Outcome::Executed(7)));
}

/// 1 MiB, less what ZooKeeper needs beside it, and stores that are made of stores.
const LIMIT: usize = (1 << 20) - 17 * 1024;

pub(crate) async fn a_result_that_is_too_large_is_an_error_for_good(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let runs = Runs::default();
    for coord in [&one, &other, &one] {
        let call = coord.idempotency(KEY).run(async || {
            runs.begin();
            Ok::<_, Error>("x".repeat(LIMIT))
        });
        let error = call.await.unwrap_err();
        let Error::ResultTooLarge { bytes, limit, .. } = error else {
            panic!("{error:?}");
        };
        assert!(limit == LIMIT as u64 && bytes > limit, "{bytes}");
    }
    assert_eq!(runs.count(), 1);
}

/// The head takes a part of the largest value.
pub(crate) async fn a_result_of_the_largest_size_is_replayed(fleet: &Fleet) {
    comes_back(fleet, KEY, "x".repeat(LIMIT - 1_000)).await;
}

type Odd = HashMap<(u64, u64), u64>;

pub(crate) async fn a_result_that_is_no_json_is_an_error_for_good(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let runs = Runs::default();
    for coord in [&one, &other] {
        let call = coord.idempotency(KEY).run(async || {
            runs.begin();
            Ok::<Odd, Error>(HashMap::from([((1, 2), 3)]))
        });
        let error = call.await.unwrap_err();
        assert!(
            matches!(error, Error::ResultNotSerializable { .. }),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("key must be a string"),
            "{error}"
        );
    }
    assert_eq!(runs.count(), 1);
}

#[derive(Debug, Serialize, Deserialize)]
struct Earlier {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Later {
    id: String,
}

pub(crate) async fn a_result_of_another_shape_is_an_error_and_not_a_rerun(fleet: &Fleet) {
    let coord = fleet.process().await;
    let earlier = coord
        .idempotency(KEY)
        .run(async || Ok::<_, Error>(Earlier { id: 7 }));
    earlier.await.unwrap();
    let later = coord.idempotency(KEY);
    let later = later.run(async || -> Result<Later, Error> { panic!("it ran again") });
    let error = later.await.unwrap_err();
    let Error::ResultShapeChanged {
        stored, expected, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert!(
        stored.ends_with("::Earlier") && expected.ends_with("::Later"),
        "{error}"
    );
    assert!(!error.is_retryable());
}

/// The attribute was changed while records are kept.
pub(crate) async fn a_remembered_error_is_no_value(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = coord.idempotency(KEY).remember_errors();
    call.run(async || Err::<u64, _>(refused()))
        .await
        .unwrap_err();
    let error = pays(&coord, 7).await.unwrap_err();
    let Error::ResultShapeChanged { stored, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(stored.ends_with("::PayError"), "{error}");
}

pub(crate) async fn a_record_of_somebody_else_is_an_error(fleet: &Fleet) {
    let coord = fleet.process().await;
    for value in ["", "R", "?\n", "V{}\n7", "Vnonsense\n7", "plain text"] {
        let put = PutRequest::new(record(fleet, KEY), value);
        fleet.store().put_record(&put).await.unwrap();
        let error = pays(&coord, 7).await.unwrap_err();
        assert!(
            matches!(error, Error::ResultShapeChanged { .. }),
            "{value:?}: {error:?}"
        );
    }
}
