use coord::locked;

#[locked("order:<id>")]
extern "C" fn process(id: u64) -> u64 {
    id
}

fn main() {}
