use coord::KeyPart;

#[derive(KeyPart)]
struct Weight(Option<u64>);

fn main() {}
