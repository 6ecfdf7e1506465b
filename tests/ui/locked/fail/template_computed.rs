use coord::locked;

#[locked(format!("order:{id}"))]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
