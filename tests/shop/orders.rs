//! Orders: placed on the page, and seen on their way.

use crate::shop::Step;
use crate::shop_and_page;

#[tokio::test]
async fn an_order_is_placed_on_the_page_and_moves_until_it_is_completed() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    assert!(page.text("#no-orders").await.contains("None yet"));
    page.fill("#quantity", "2").await;
    page.fill("#customer", "Grace <b>Hopper</b>").await;
    page.click("#order-form [type=submit]").await;
    page.until_text("#order-result", "Order 1001 is on its way")
        .await;

    page.until_there("[data-order='1001'] [data-step=charge][data-state=running]")
        .await;
    page.until_there("[data-order='1001'] [data-step=pack][data-state=running]")
        .await;
    page.until_there("[data-order='1001'] [data-step=ship][data-state=waiting]")
        .await;
    page.until_there("[data-order='1001'][data-state=completed]")
        .await;
    let shown = page.text("[data-order='1001']").await;
    assert!(
        shown.contains("2 × cup for Grace <b>Hopper</b>, €24.00"),
        "{shown}"
    );
    page.until_text("[data-order='1001'] .notes", "Charged once")
        .await;
    page.until_text("[data-sku=cup]", "38 left").await;
    page.until_text("#income", "€24.00").await;
    page.assert_no_mistakes();
}

#[tokio::test]
async fn an_order_that_the_carrier_refuses_is_undone_in_sight() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    page.choose("#item", "teapot").await;
    page.choose("#delivery", "refused").await;
    page.click("#order-form [type=submit]").await;
    page.until_text("[data-sku=teapot]", "11 left").await;
    page.until_there(
        "[data-order='1001'][data-state=undoing] [data-step=charge][data-state=undoing]",
    )
    .await;
    page.until_there("[data-order='1001'][data-state=undone]")
        .await;
    for step in ["reserve", "charge", "pack"] {
        page.until_there(&format!("[data-step={step}][data-state=undone]"))
            .await;
    }
    page.until_there("[data-step=ship][data-state=failed]")
        .await;
    let notes = page.until_text(".order .notes", "paid back").await;
    assert!(
        notes.contains("ship: The carrier refuses the parcel."),
        "{notes}"
    );
    page.until_text("[data-sku=teapot]", "12 left").await;
    page.until_text("#income", "€0.00").await;
    page.assert_no_mistakes();
}

#[tokio::test]
async fn a_gateway_that_is_busy_is_asked_again_and_charges_once() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    page.choose("#delivery", "busy").await;
    page.click("#order-form [type=submit]").await;
    page.until_text("[data-step=charge] .how", "tries again")
        .await;
    page.until_there("[data-order='1001'][data-state=completed]")
        .await;
    let how = page.text("[data-step=charge] .how").await;
    assert_eq!(how, "done, after it failed twice");
    page.until_text(".order .notes", "Charged once").await;
}

#[tokio::test]
async fn who_holds_a_lock_and_who_waits_for_it_is_shown() {
    let (shop, page) = shop_and_page(Step::Quick).await;
    page.until_text("[data-lock='stock:cup']", "free").await;
    let other = shop.coordinator().await;
    let lock = other.lock("stock:cup").label("somebody else");
    let held = lock.acquire().await.expect("the lock");
    page.click("#order-form [type=submit]").await;
    page.until_text("[data-lock='stock:cup']", "held, 1 waiting")
        .await;
    page.until_text("[data-lock='stock:cup']", "by somebody else")
        .await;
    page.until_there("[data-step=reserve][data-state=running]")
        .await;
    held.release().await.expect("still held");
    page.until_there("[data-order='1001'][data-state=completed]")
        .await;
    page.until_text("[data-lock='stock:cup']", "free").await;
    other.shutdown().await;
}

#[tokio::test]
async fn the_nightly_report_is_written_by_one_and_skipped_by_the_next() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    page.click("#write-report").await;
    page.until_text("#report-result", "Report 1 is written")
        .await;
    page.until_text("#report", "Report 1, ").await;
    page.until_text("[data-lock='report:nightly']", "held")
        .await;
    page.click("#write-report").await;
    page.until_text("#report-result", "Skipped").await;
}

#[tokio::test]
async fn what_happens_is_counted_for_prometheus() {
    let (shop, page) = shop_and_page(Step::Quick).await;
    page.click("#order-form [type=submit]").await;
    page.until_there("[data-order='1001'][data-state=completed]")
        .await;
    let metrics = page
        .evaluate("fetch('/metrics').then((answer) => answer.text())")
        .await;
    let metrics = metrics.as_str().unwrap_or_default();
    for line in [
        "coord_saga_completed_total{template=\"order:<number>\"} 1",
        "coord_lock_acquired_total{template=\"stock:<sku>\"} 1",
        "coord_idempotency_executed_total{template=\"POST /api/orders\"} 1",
        "coord_saga_step_duration_seconds_bucket{",
    ] {
        assert!(
            metrics.contains(line),
            "{line} at {}:\n{metrics}",
            shop.url()
        );
    }
}
