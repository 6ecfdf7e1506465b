//! The shop of the examples, through its page, in a real browser: Chromium, which `tests/run` installs.
//!
//! With `COORD_SCREENSHOTS` naming a folder, pictures of the page are left there, for people to look at.

mod browser;
mod fleets;
mod killing;
mod looks;
mod mistakes;
mod orders;
mod page;
mod payments;
mod refusals;
mod shop;

use page::Page;
use shop::{Shop, Step};

/// A shop of one process under its supervisor, and its page.
async fn shop_and_page(step: Step) -> (Shop, Page) {
    let shop = Shop::supervised(step).await;
    let page = Page::open(&shop.url()).await;
    page.until_text("#connection", "Live").await;
    (shop, page)
}
