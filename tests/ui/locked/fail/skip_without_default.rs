use coord::locked;

struct Receipt(u64);

#[locked("order:<id>", skip)]
async fn process(id: u64) -> Result<Receipt, coord::Error> {
    Ok(Receipt(id))
}

fn main() {}
