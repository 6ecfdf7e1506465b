use coord::{KeyPart, key};

#[derive(KeyPart)]
struct Id<T>(T);

fn main() {
    let id = Id(4.2);
    let _ = key!("order:<id>");
}
