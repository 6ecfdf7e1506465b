//! `#[saga]` on a struct and on its impl.

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
pub struct PlaceOrder {
    order_id: u64,
    items: Vec<Item>,
    gift: bool,
}

#[saga]
impl PlaceOrder {
    /// Documentation stays.
    #[step(each = items, compensate = release)]
    async fn reserve(&self, item: &Item, #[dep] stock: &Stock) -> Result<Reservation, ShopError> {
        stock.reserve(item).await
    }

    async fn release(&self, reserve: Option<&Reservation>, #[dep] stock: &Stock) -> Result<(), ShopError> {
        stock.release(reserve).await
    }

    #[step(when = is_gift)]
    async fn wrap(&self, reserve: &[Reservation]) -> Result<Paper, ShopError> {
        Ok(Paper::around(reserve))
    }

    fn is_gift(&self) -> bool {
        self.gift
    }

    #[step(id = "pay", retry("fast", max_retries = 3, if = ShopError::is_transient), timeout = "10s", pivot)]
    async fn charge(&self, ctx: &StepContext, wrap: Option<&Paper>) -> Result<Charge, ShopError> {
        pay(ctx.idempotency_key(), wrap).await
    }
}
