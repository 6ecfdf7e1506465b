use coord::{Error, idempotent};

/// Everything by default.
#[idempotent("payment:<order>")]
async fn pay(order: u64) -> Result<Payment, PayError> {
    let payment = charge(order).await?;
    Ok(payment)
}

#[idempotent("payment:<order.id>:<r#type>", ttl = "24h", lease = lease(), wait = "1m", fingerprint, context = ctx)]
pub(crate) async fn arguments_of_every_kind<'a, T: KeyPart + Serialize>(
    order: &'a Order,
    (a, b): (T, T),
    r#type: u8,
    mut count: usize,
) -> Result<impl Stored, Error> {
    #![allow(clippy::all)]
    Ok(ctx.attempt())
}

impl Service {
    #[idempotent("import:<id>", in_progress = "reject", fingerprint(amount, r#type), remember_errors, coord = self.coord, crate = my::coord)]
    fn import<'a>(&'a self, id: u64, amount: u64, r#type: Type) -> impl Future<Output = Result<(), ImportError>> + Send {
        async move { self.gateway.import(id, amount, r#type).await }
    }
}

/// The first is the outer one, whatever the compiler hands out first.
#[idempotent("order:<id>", context = ctx)]
#[locked("order:<id>", lease = lease)]
async fn stacked(id: u64) -> Result<u64, Error> {
    Ok(lease.token().into())
}
