//! Payments: sent again and again, paid once.

use crate::shop::Step;
use crate::shop_and_page;

#[tokio::test]
async fn a_payment_that_is_sent_twice_is_shown_as_replayed() {
    let (_shop, page) = shop_and_page(Step::Quick).await;
    page.fill("#key", "my key 1").await;
    page.click("#pay-form [type=submit]").await;
    let first = page.until_text("#pay-result", "Paid: ").await;
    page.until_text("[data-key='my key 1']", "answered 201")
        .await;

    page.click("#pay-form [type=submit]").await;
    let again = page.until_text("#pay-result", "Replayed: ").await;
    assert!(again.contains("Nothing was charged again"), "{again}");
    let charge = first.trim_start_matches("Paid: ");
    assert!(again.contains(charge), "{again} is {first}");
    page.until_text("[data-key='my key 1']", "replayed once")
        .await;

    page.fill("#amount", "99").await;
    page.click("#pay-form [type=submit]").await;
    page.until_text("#pay-result", "another method, path or body")
        .await;
    page.until_text("[data-key='my key 1']", "refused for another request")
        .await;

    page.click("#new-key").await;
    page.click("#pay-form [type=submit]").await;
    page.until_text("#pay-result", "Paid: ").await;
    page.until_text("#income", "€111.50").await;
    page.assert_no_mistakes();
}

#[tokio::test]
async fn a_payment_whose_process_dies_is_sent_again_and_paid_once() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    page.fill("#key", "unlucky").await;
    page.click("#pay-form [type=submit]").await;
    page.until_text("[data-key=unlucky]", "under way").await;
    page.click("#crash").await;
    page.until_text("#pay-result", "sent again under the same key")
        .await;
    let paid = page.until_text("#pay-result", "€12.50 for A-17").await;
    assert!(
        paid.starts_with("Paid: ") || paid.starts_with("Replayed: "),
        "{paid}"
    );
    page.until_text("#income", "€12.50").await;
    page.assert_no_mistakes();
}
