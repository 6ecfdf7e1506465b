// By path, nothing is imported.

#[coord::retry]
#[coord::retry]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
