use coord::locked;

#[locked("order:<id>")]
async fn process(id: u64) -> u64 {
    id
}

fn main() {}
