use coord::locked;

trait Process {
    #[locked("order:<id>")]
    async fn process(&self, id: u64) -> Result<(), coord::Error>;
}

fn main() {}
