use coord::{KeyPart, key};

#[derive(KeyPart)]
struct OrderId(u64);

#[derive(KeyPart)]
struct Tagged<'a, T: Clone> {
    value: &'a T,
}

#[derive(KeyPart)]
#[key_part(crate = my::coord)]
enum Region {
    Europe,
    r#Asia,
}

fn keys(id: OrderId, r#type: u8, order: &Order) {
    let plain = key!("gateway");
    let several = key!("<<order>>:<id>:<type>-<order.lines.0.sku>:v1");
}
