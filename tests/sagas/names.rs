//! Names that two sagas have. They are compiled in here alone, since such a binary is refused as a whole.

use coord::{Coordinator, Error, SagaError, saga};
use serde::{Deserialize, Serialize};

mod shop {
    use super::*;

    #[saga("order:<order_id>")]
    #[derive(Serialize, Deserialize)]
    pub(crate) struct Order {
        pub(crate) order_id: u64,
    }

    #[saga]
    impl Order {
        #[step]
        async fn ship(&self) -> Result<u64, String> {
            std::future::ready(Ok(self.order_id)).await
        }
    }
}

mod kitchen {
    use super::*;

    #[saga("order:<table>")]
    #[derive(Serialize, Deserialize)]
    pub(crate) struct Order {
        pub(crate) table: u64,
    }

    #[saga]
    impl Order {
        #[step]
        async fn cook(&self) -> Result<u64, String> {
            std::future::ready(Ok(self.table)).await
        }
    }
}

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct Closed {
    order_id: u64,
}

#[saga(name = "closures")]
impl Closed {
    #[step]
    async fn ship(&self) -> Result<u64, String> {
        std::future::ready(Ok(self.order_id)).await
    }
}

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct Alone {
    order_id: u64,
}

#[saga]
impl Alone {
    #[step]
    async fn ship(&self) -> Result<u64, String> {
        std::future::ready(Ok(self.order_id)).await
    }
}

/// What `name` is said to be called of.
#[track_caller]
fn taken(refused: Error, called: &str) -> [&'static str; 2] {
    match refused {
        Error::SagaNameTaken {
            name, one, other, ..
        } if name == called => [one, other],
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_sagas_of_one_name_cannot_be_installed() {
    let coord = Coordinator::builder().build();
    let refused = coord.install().unwrap_err();
    let Error::SagaNameTaken { places, .. } = &refused else {
        panic!("{refused}");
    };
    // Both places are named, by file and line.
    assert_eq!(places.matches("names.rs:").count(), 2, "{places}");
}

#[tokio::test]
async fn neither_of_two_sagas_of_one_name_is_started() {
    let coord = Coordinator::builder().build();
    let orders = [
        shop::Order { order_id: 1 }.run_with(&coord).await.err(),
        kitchen::Order { table: 1 }.run_with(&coord).await.err(),
    ];
    for refused in orders {
        let Some(SagaError::Coordination(refused)) = refused else {
            panic!("{refused:?}");
        };
        let mut types = taken(refused, "Order");
        types.sort_unstable();
        assert!(types[0].ends_with("::kitchen::Order"), "{types:?}");
        assert!(types[1].ends_with("::shop::Order"), "{types:?}");
    }
}

#[tokio::test]
async fn no_saga_has_the_name_of_those_of_closures() {
    let coord = Coordinator::builder().build();
    let refused = Closed { order_id: 1 }.run_with(&coord).await.unwrap_err();
    let SagaError::Coordination(refused) = refused else {
        panic!("{refused:?}");
    };
    let types = taken(refused, "closures");
    assert_eq!(types[0], "Coordinator::saga");
}

#[tokio::test]
async fn a_saga_with_a_name_of_its_own_is_not_concerned() {
    let coord = Coordinator::builder().build();
    let done = Alone { order_id: 1 }.run_with(&coord).await.unwrap();
    assert_eq!(done.ship, 1);
}
