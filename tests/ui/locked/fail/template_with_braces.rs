use coord::{Error, idempotent, locked};

struct Order {
    id: u64,
}

#[locked("order:{id}")]
async fn name(id: u64) -> Result<(), Error> {
    Ok(())
}

#[idempotent("order:{order.id}:ship")]
async fn field(order: &Order) -> Result<(), Error> {
    Ok(())
}

impl Order {
    #[locked("order:{self.id}", "order:{ id }:<id>")]
    async fn method(&self, id: u64) -> Result<(), Error> {
        Ok(())
    }
}

#[locked("order:{id:?}")]
async fn formatted(id: u64) -> Result<(), Error> {
    Ok(())
}

#[locked("order:{order.id.to_string()}")]
async fn call(order: &Order) -> Result<(), Error> {
    Ok(())
}

#[locked("order:{}:{:?}")]
async fn without_a_name(id: u64) -> Result<(), Error> {
    Ok(())
}

fn main() {}
