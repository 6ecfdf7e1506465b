use coord::{Error, locked};

/// Everything by default.
#[locked("order:<id>")]
async fn process(id: u64) -> Result<Receipt, OrderError> {
    let receipt = receipt(id).await?;
    Ok(receipt)
}

#[locked("order:<order.id>:<order.lines.0.type>%<a><b>", ttl = "30s", wait = patience(), lease = lease)]
pub(crate) async fn arguments_of_every_kind<'a, T: KeyPart>(
    order: &'a Order,
    (a, b): (T, T),
    #[allow(unused)] mut count: usize,
) -> Result<impl Iterator<Item = &'a str>, Error> {
    #![allow(clippy::all)]
    lease.token();
    Ok(order.names())
}

#[locked("report:daily", skip, at_least = "1m 250ms", renew = false, shared, crate = my::coord)]
#[inline]
async fn options() -> Result<(), Error> {
    Ok(())
}

impl Service {
    #[locked("account:<from>", "account:<to>", coord = self.coord)]
    async fn transfer(&mut self, from: AccountId, to: AccountId) -> Result<(), Error> {
        self.bank.transfer(from, to).await
    }

    #[locked("gateway:<self.name>", permits = self.permits)]
    fn call<'a>(&'a self) -> impl Future<Output = Result<&'a str, Error>> + Send {
        async move { Ok(&*self.name) }
    }
}

trait Stock {
    #[locked("stock:<sku>", lease = lease)]
    fn reserve<'life0, 'async_trait>(
        &'life0 self,
        sku: u64,
    ) -> Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
    {
        Box::pin(async move { Ok(lease.token().into()) })
    }
}
