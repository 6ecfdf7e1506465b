//! Results that cannot be stored: the body has run, and is not run again.

use coord::store::IntoStore;
use coord::{Coordinator, Error};
use coord_tests::SmallStore;

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
