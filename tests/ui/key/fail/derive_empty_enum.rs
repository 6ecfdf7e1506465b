use coord::KeyPart;

#[derive(KeyPart)]
enum Never {}

fn main() {}
