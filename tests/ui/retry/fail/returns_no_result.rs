use coord::retry;

#[retry("fast")]
async fn call(id: u64) -> u64 {
    id
}

fn main() {}
