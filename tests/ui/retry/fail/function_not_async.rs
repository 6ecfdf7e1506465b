use coord::retry;

#[retry("fast")]
fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
