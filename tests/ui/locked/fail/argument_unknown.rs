use coord::locked;

#[locked("order:<sku>")]
async fn process(id: u64, (customer, _): (u64, u64)) -> Result<(), coord::Error> {
    let _ = (id, customer);
    Ok(())
}

fn main() {}
