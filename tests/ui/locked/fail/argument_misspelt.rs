use coord::locked;

#[locked("order:<idd>:v1")]
async fn process(id: u64, customer: &str) -> Result<(), coord::Error> {
    let _ = customer;
    Ok(())
}

fn main() {}
