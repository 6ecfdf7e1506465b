use coord::KeyPart;

#[derive(KeyPart)]
#[key_part("coord", crate)]
struct OrderId(u64);

fn main() {}
