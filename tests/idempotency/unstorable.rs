//! Results that cannot be stored: the body has run, and is not run again.

use coord::store::IntoStore;
use coord::{Coordinator, Error};
use coord_tests::SmallStore;
use serde::{Deserialize, Serialize, Serializer};

use crate::records::{KEY, Runs};

const LARGEST: usize = 10_000;

/// What each of three calls gets whose body returns a text of this length, and how often it ran.
async fn three_calls(store: impl IntoStore, length: usize) -> (Vec<Result<String, Error>>, usize) {
    let coord = Coordinator::builder().store(store).build();
    let runs = Runs::default();
    let mut results = Vec::new();
    for _ in 0..3 {
        let call = coord.idempotency(KEY).run(async || {
            runs.begin();
            Ok::<_, Error>("x".repeat(length))
        });
        results.push(call.await);
    }
    (results, runs.count())
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_that_of_the_store() {
    let (results, runs) = three_calls(SmallStore::new(LARGEST), LARGEST).await;
    for result in results {
        let Err(Error::ResultTooLarge { bytes, limit, .. }) = result else {
            panic!("{result:?}");
        };
        assert!(limit == LARGEST as u64 && bytes > limit, "{bytes}");
    }
    assert_eq!(runs, 1);
    let (results, runs) = three_calls(SmallStore::new(LARGEST), LARGEST - 1000).await;
    for result in results {
        assert_eq!(result.unwrap().len(), LARGEST - 1000);
    }
    assert_eq!(runs, 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_the_store_refuses_is_an_error_for_good() {
    let (results, runs) = three_calls(SmallStore::unaware(LARGEST), LARGEST).await;
    for result in results {
        let Err(error @ Error::ResultNotSerializable { .. }) = result else {
            panic!("{result:?}");
        };
        assert!(error.to_string().contains("too large"), "{error}");
    }
    assert_eq!(runs, 1);
}

/// Its author has not thought of everything.
#[derive(Debug, Deserialize)]
struct Panicking;

impl Serialize for Panicking {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("as it is meant to")
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_panics_when_it_is_written_is_an_error_for_good() {
    let coord = Coordinator::builder().build();
    let runs = Runs::default();
    let call = || {
        let (call, runs) = (coord.idempotency(KEY), runs.clone());
        tokio::spawn(async move {
            call.run(async || {
                runs.begin();
                Ok::<_, Error>(Panicking)
            })
            .await
        })
    };
    assert!(call().await.unwrap_err().is_panic());
    for _ in 0..2 {
        let error = call().await.unwrap().unwrap_err();
        assert!(
            matches!(error, Error::ResultNotSerializable { .. }),
            "{error:?}"
        );
    }
    assert_eq!(runs.count(), 1);
}
