use coord::locked;

#[locked("order:<id>")]
fn process(id: u64) -> impl Future<Output = Option<u64>> {
    async move { Some(id) }
}

fn main() {}
