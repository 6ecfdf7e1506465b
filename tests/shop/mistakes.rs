//! What is filled in wrong.

use crate::page::Page;
use crate::shop::Step;
use crate::shop_and_page;

/// The message stands beside the field, which is marked and has the focus.
async fn assert_told(page: &Page, field: &str, part: &str) {
    page.until_text(&format!("#{field}-error"), part).await;
    page.until(&format!(
        "document.activeElement.id === '{field}' && document.activeElement.getAttribute('aria-invalid') === 'true'"
    ))
    .await;
    let described = page
        .evaluate("document.activeElement.getAttribute('aria-describedby').split(' ').every((id) => document.getElementById(id))")
        .await;
    assert_eq!(described, true);
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_told_beside_its_field() {
    let (_shop, page) = shop_and_page(Step::Quick).await;
    for quantity in ["0", "-1", "1.5", "many", "99999999999999999999", ""] {
        page.fill("#quantity", quantity).await;
        page.click("#order-form [type=submit]").await;
        assert_told(&page, "quantity", "a whole number from 1 to 20").await;
        page.evaluate("document.getElementById('quantity-error').textContent = ''")
            .await;
    }
    page.fill("#quantity", "1").await;
    for customer in ["", "   ", &"x".repeat(61)] {
        page.fill("#customer", customer).await;
        page.click("#order-form [type=submit]").await;
        assert_told(&page, "customer", "1 to 60 characters").await;
        page.evaluate("document.getElementById('customer-error').textContent = ''")
            .await;
    }
    page.click("#order-form [type=submit]").await;
    assert_told(&page, "customer", "1 to 60 characters").await;
    page.picture("mistake").await;
    // Corrected, it goes through, and the marks are gone.
    page.fill("#customer", "Ada").await;
    page.click("#order-form [type=submit]").await;
    page.until_text("#order-result", "Order 1001").await;
    assert_eq!(
        page.evaluate("document.querySelectorAll('[aria-invalid]').length")
            .await,
        0
    );
    page.assert_no_mistakes();
}

#[tokio::test]
async fn what_is_wrong_with_a_payment_is_told_beside_its_field() {
    let (_shop, page) = shop_and_page(Step::Quick).await;
    for amount in ["", "abc", "-5", "1.234", "0", "1e9", "10000.01"] {
        page.fill("#amount", amount).await;
        page.click("#pay-form [type=submit]").await;
        assert_told(&page, "amount", "from 0.01 to 10000").await;
        page.evaluate("document.getElementById('amount-error').textContent = ''")
            .await;
    }
    page.fill("#amount", "7,5").await;
    for key in ["", "with \"quotes\"", "naïve", "back\\slash"] {
        page.fill("#key", key).await;
        page.click("#pay-form [type=submit]").await;
        assert_told(&page, "key", "1 to 255").await;
        page.evaluate("document.getElementById('key-error').textContent = ''")
            .await;
    }
    page.fill("#key", "good").await;
    page.click("#pay-form [type=submit]").await;
    page.until_text("#pay-result", "€7.50").await;
    page.assert_no_mistakes();
}

#[tokio::test]
async fn more_than_there_is_fails_the_order_and_says_what_is_left() {
    let (_shop, page) = shop_and_page(Step::Quick).await;
    page.choose("#item", "teapot").await;
    page.fill("#quantity", "20").await;
    page.click("#order-form [type=submit]").await;
    page.until_there("[data-order='1001'][data-state=undone]")
        .await;
    page.until_text(".order .notes", "Of teapot there are only 12 left")
        .await;
    page.until_text("[data-sku=teapot]", "12 left").await;
}

/// What no form of the page sends, but somebody else may.
#[tokio::test]
async fn requests_that_no_form_sends_are_answered_with_what_is_wrong() {
    let (_shop, page) = shop_and_page(Step::Quick).await;
    let large = "x".repeat(2_000_000);
    for (path, key, body, status, part) in [
        ("/api/orders", "\"1\"", "{", 400, "one object in JSON"),
        ("/api/orders", "\"1\"", "[]", 400, "one object in JSON"),
        (
            "/api/orders",
            "\"1\"",
            "{}",
            400,
            "Choose one of these: cup",
        ),
        ("/api/orders", "bare", "{}", 400, "double quotes"),
        ("/api/payments", "\"\"", "{}", 400, "It is empty"),
        ("/api/payments", "\"1\"", &*large, 413, ""),
        ("/api/nothing", "\"1\"", "{}", 404, "nothing here"),
    ] {
        let request = serde_json::json!({ "method": "POST", "headers": { "idempotency-key": key }, "body": body });
        let sent = format!(
            "fetch('{path}', {request}).then(async (answer) => ({{ status: answer.status, text: await answer.text() }}))"
        );
        let answer = page.evaluate(&sent).await;
        assert_eq!(answer["status"], status, "{path}, {key}: {answer}");
        let text = answer["text"].as_str().unwrap_or_default();
        assert!(text.contains(part), "{path}, {key}: {text}");
    }
    page.until_text("#connection", "Live").await;
}
