use coord::{KeyPart, key};

#[derive(KeyPart)]
struct Pair(u64, u64);

fn main() {
    let pair = Pair(1, 2);
    let _ = key!("order:<pair>");
}
