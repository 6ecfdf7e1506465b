use coord::key;

fn main() {
    let id = 7;
    let _ = key!("order:{id}");
    let _ = key!("order:{order.id}:<id>");
    let _ = key!("order:{}");
}
