//! Several processes of the shop on one store.

use coord_tests::{shared_postgres, shared_redis, unique};

use crate::page::Page;
use crate::shop::Shop;

/// One process takes an order and is killed; another one, which saw it all the while, ends it.
async fn one_takes_over_from_the_other(store: &str) {
    let namespace = unique("shop");
    let one = Shop::alone(store, &namespace).await;
    let two = Shop::alone(store, &namespace).await;
    let of_one = Page::open(&one.url()).await;
    let of_two = Page::open(&two.url()).await;
    of_two
        .until("document.querySelectorAll('#processes li').length === 2")
        .await;

    of_one.click("#order-form [type=submit]").await;
    of_two
        .until_there("[data-order='1001'] [data-step=charge][data-state=running]")
        .await;
    of_one.click("#crash").await;
    one.until_dead().await;
    of_two
        .until_there("[data-order='1001'][data-state=completed]:not([data-takeovers='0'])")
        .await;
    of_two.until_text(".order .notes", "harged once").await;
    of_two.until_text("#income", "€12.00").await;
    of_two
        .until("document.querySelectorAll('#processes li').length === 1")
        .await;
    of_two.assert_no_mistakes();
}

#[tokio::test]
async fn on_redis_another_process_goes_on_with_an_order() {
    one_takes_over_from_the_other(&shared_redis().await).await;
}

#[tokio::test]
async fn on_postgres_another_process_goes_on_with_an_order() {
    one_takes_over_from_the_other(&shared_postgres().await).await;
}
