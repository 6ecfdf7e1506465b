use coord::key;

fn main() {
    let id = 4.2;
    let _ = key!("order:<id>");
}
