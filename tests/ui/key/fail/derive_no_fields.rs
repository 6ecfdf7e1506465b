use coord::KeyPart;

#[derive(KeyPart)]
struct Nothing;

fn main() {}
