use coord::retry;

#[retry("fast")]
async fn call(_id: u64) {
    println!()
}

fn main() {}
