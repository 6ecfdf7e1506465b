use coord::KeyPart;

#[derive(KeyPart)]
struct Order {
    region: u8,
    id: u64,
}

fn main() {}
