//! Whether the page can be read and used: by keyboard, on a phone, in the dark, by those who see little.

use crate::page::Page;
use crate::shop::Step;
use crate::shop_and_page;

/// Texts whose colour has less contrast to what is behind it than 4.5 to 1, as WCAG AA asks for.
const FAINT: &str = r"(() => {
    const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
    const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parts(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        const isField = element.matches('input, select');
        if ((!own.length && !isField) || !element.checkVisibility() || element.closest('.skip, option')) continue;
        const [one, two] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
        const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        if (contrast < 4.5) faint.push(`${element.className || element.tagName} ${element.textContent}: ${contrast.toFixed(2)}`);
    }
    return faint;
})()";

/// Fields and buttons without a name that can be told.
const NAMELESS: &str = "[...document.querySelectorAll('input, select, button, a, section, article')]
    .filter((element) => {
        const by = element.getAttribute('aria-labelledby');
        const label = by ? document.getElementById(by)?.textContent : element.labels?.[0]?.textContent ?? element.textContent;
        return !label?.trim();
    })
    .map((element) => element.outerHTML)";

/// Things to press that are smaller than a finger needs.
const SMALL: &str = "[...document.querySelectorAll('input, select, button')]
    .filter((element) => element.getBoundingClientRect().height < 40)
    .map((element) => element.id)";

async fn assert_none(page: &Page, script: &str, what: &str) {
    let found = page.evaluate(script).await;
    assert_eq!(found, serde_json::json!([]), "{what}");
}

#[tokio::test]
async fn the_page_can_be_read_on_a_phone_and_in_the_dark() {
    let (_shop, page) = shop_and_page(Step::Slow).await;
    for (delivery, state) in [
        ("refused", "undone"),
        ("well", "completed"),
        ("busy", "running"),
    ] {
        page.choose("#delivery", delivery).await;
        page.click("#order-form [type=submit]").await;
        page.until_there(&format!("#order-list > [data-state={state}]:first-child"))
            .await;
    }
    page.click("#pay-form [type=submit]").await;
    page.until_text("#pay-result", "Paid").await;
    page.click("#pay-form [type=submit]").await;
    page.until_text("#pay-result", "Replayed").await;
    page.fill("#quantity", "many").await;
    page.click("#order-form [type=submit]").await;
    page.until_text("#quantity-error", "a whole number").await;

    for width in [1280, 800, 360] {
        for scheme in ["light", "dark"] {
            page.show(width, scheme).await;
            page.picture(&format!("{width}-{scheme}")).await;
            assert_none(&page, FAINT, "texts that are too faint").await;
            let overflow = page
                .evaluate("document.documentElement.scrollWidth - innerWidth")
                .await;
            assert!(
                overflow.as_f64() <= Some(0.0),
                "{overflow} pixels too wide at {width}"
            );
        }
    }
    assert_none(&page, NAMELESS, "things without a name").await;
    assert_none(&page, SMALL, "things too small for a finger").await;
    page.assert_no_mistakes();
}

#[tokio::test]
async fn an_order_can_be_placed_by_keyboard_alone() {
    let (_shop, page) = shop_and_page(Step::Quick).await;
    let mut passed = Vec::new();
    loop {
        page.press("Tab", 9).await;
        let at = page.evaluate("document.activeElement.id").await;
        let at = at.as_str().unwrap_or_default().to_owned();
        let is_seen = page
            .evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'")
            .await;
        assert_eq!(is_seen, true, "the focus at {at} is seen");
        if at == "delivery" {
            break;
        }
        passed.push(at);
        assert!(passed.len() < 20, "{passed:?}");
    }
    assert_eq!(passed, ["", "crash", "item", "quantity", "customer"]);
    page.press("Tab", 9).await;
    page.press("Enter", 13).await;
    page.until_text("#order-result", "Order 1001").await;
    // What follows does not take the focus away.
    page.until_there("[data-order='1001'][data-state=completed]")
        .await;
    assert_eq!(
        page.evaluate("document.activeElement.type").await,
        "submit",
        "the focus stays where it was"
    );
}
