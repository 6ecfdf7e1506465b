use coord::key;

fn main() {
    let _ = key!("order:<id");
}
