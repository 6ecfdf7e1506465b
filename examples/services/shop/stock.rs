//! What is on the shelves. It is counted under a lock for each item.

use std::collections::BTreeMap;
use std::time::Duration;

use coord::Coordinator;
use serde::{Deserialize, Serialize};

use crate::answer::ShopError;
use crate::order::Services;

/// Something that is sold.
pub(crate) struct Item {
    pub(crate) sku: &'static str,
    pub(crate) cents: u64,
    /// How many there are when the shop opens for the first time.
    delivered: u32,
}

pub(crate) const CATALOG: [Item; 3] = [
    item_of("cup", 1_200, 40),
    item_of("saucer", 700, 60),
    item_of("teapot", 4_900, 12),
];

const fn item_of(sku: &'static str, cents: u64, delivered: u32) -> Item {
    Item {
        sku,
        cents,
        delivered,
    }
}

pub(crate) fn item(sku: &str) -> Option<&'static Item> {
    CATALOG.iter().find(|item| item.sku == sku)
}

/// The shelf of an item.
#[derive(Serialize, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) sku: String,
    pub(crate) left: u32,
    /// What is set aside, by the number of the order.
    reserved: BTreeMap<u64, u32>,
}

impl Shelf {
    pub(crate) fn of(item: &Item) -> Self {
        Self {
            sku: item.sku.to_owned(),
            left: item.delivered,
            reserved: BTreeMap::new(),
        }
    }
}

/// The key of the lock on a shelf.
pub(crate) fn key(sku: &str) -> Result<coord::Key, coord::Error> {
    coord::key!("stock:<sku>")
}

/// Sets items aside for an order. An order that has them already gets no more.
pub(crate) async fn reserve(
    services: &Services,
    sku: &str,
    order: u64,
    quantity: u32,
) -> Result<u32, ShopError> {
    at_the_shelf(services, sku, |shelf| {
        if shelf.reserved.contains_key(&order) {
            return Ok(shelf.left);
        }
        if shelf.left < quantity {
            return Err(ShopError::SoldOut {
                item: sku.to_owned(),
                left: shelf.left,
            });
        }
        shelf.left -= quantity;
        shelf.reserved.insert(order, quantity);
        Ok(shelf.left)
    })
    .await
}

/// Puts back what was set aside for an order, if it was.
pub(crate) async fn put_back(services: &Services, sku: &str, order: u64) -> Result<(), ShopError> {
    at_the_shelf(services, sku, |shelf| {
        shelf.left += shelf.reserved.remove(&order).unwrap_or_default();
        Ok(())
    })
    .await
}

/// Nobody else is at this shelf meanwhile, in any process.
async fn at_the_shelf<T>(
    services: &Services,
    sku: &str,
    mut act: impl FnMut(&mut Shelf) -> Result<T, ShopError>,
) -> Result<T, ShopError> {
    let item = item(sku).ok_or_else(|| ShopError::input("item", "There is no such item."))?;
    let lock = Coordinator::current()?
        .lock(key(sku))
        .wait(Duration::from_secs(60))
        .label(services.process.as_str());
    lock.run(async |_lease| {
        services.work().await;
        let act = |shelf: &mut Option<Shelf>| act(shelf.get_or_insert_with(|| Shelf::of(item)));
        let name = format!("shelf/{sku}");
        services.books.change(&name, None, act).await?
    })
    .await
}
