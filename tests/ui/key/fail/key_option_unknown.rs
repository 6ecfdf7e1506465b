use coord::key;

fn main() {
    let id = 42;
    let _ = key!("order:<id>", crat = ::coord);
}
