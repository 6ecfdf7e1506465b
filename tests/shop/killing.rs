//! The button that kills the process.

use crate::shop::Step;
use crate::shop_and_page;

#[tokio::test]
async fn an_order_goes_on_in_the_next_process_when_its_own_is_killed() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    let first = page.text("#processes").await;
    page.click("#order-form [type=submit]").await;
    page.until_there("[data-order='1001'] [data-step=charge][data-state=running]")
        .await;
    page.click("#crash").await;
    page.until_there("[data-connection=lost]").await;
    page.picture("killed").await;
    page.until_there("[data-connection=restored]").await;
    page.until_text("#connection", "goes on with what it left")
        .await;
    assert_ne!(page.text("#processes .own").await, first);

    page.until_there("[data-order='1001'][data-state=completed]:not([data-takeovers='0'])")
        .await;
    let notes = page
        .until_text("[data-order='1001'] .notes", "harged once")
        .await;
    assert!(notes.contains("from a process that died"), "{notes}");
    page.until_text("#income", "€12.00").await;
    page.until_text("[data-sku=cup]", "39 left").await;
    page.picture("resumed").await;
    page.assert_no_mistakes();
}

#[tokio::test]
async fn an_order_is_undone_by_the_next_process_when_its_own_is_killed_at_it() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    page.choose("#delivery", "refused").await;
    page.click("#order-form [type=submit]").await;
    page.until_there("[data-order='1001'][data-state=undoing]")
        .await;
    page.click("#crash").await;
    page.until_there("[data-order='1001'][data-state=undone]")
        .await;
    page.until_text("#income", "€0.00").await;
    page.until_text("[data-sku=cup]", "40 left").await;
}

#[tokio::test]
async fn another_site_can_neither_kill_the_process_nor_order() {
    let (shop, page) = shop_and_page(Step::Quick).await;
    let other = crate::page::Page::open(&shop.url().replace("127.0.0.1", "localhost")).await;
    for path in ["/crash", "/api/report"] {
        let url = format!("{}{path}", shop.url());
        let sent = format!(
            "fetch('{url}', {{ method: 'POST', mode: 'no-cors' }}).then(() => true, () => true)"
        );
        other.evaluate(&sent).await;
    }
    // The page of this process is still live, and nothing was written.
    page.click("#order-form [type=submit]").await;
    page.until_there("[data-order='1001'][data-state=completed]")
        .await;
    assert_eq!(page.text("#report").await, "There is none yet.");
    page.until_text("#connection", "Live").await;
}
