use coord::locked;

#[locked("größe\t\"<idd>\"")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
