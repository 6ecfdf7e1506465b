use coord::{KeyPart, key};
struct OrderId(u64);
struct Tagged<'a, T: Clone> {
    value: &'a T,
}
#[key_part(crate = my::coord)]
enum Region {
    Europe,
    r#Asia,
}
fn keys(id: OrderId, r#type: u8, order: &Order) {
    let plain = {
        ::coord::__private::Renderer::new("gateway").literal("gateway").finish()
    };
    let several = {
        let value0 = &id;
        let value1 = &r#type;
        let value2 = &order.lines.0.sku;
        ::coord::__private::Renderer::new("<<order>>:<id>:<type>-<order.lines.0.sku>:v1")
            .literal("<order>:")
            .value("id", value0, ":")
            .literal(":")
            .value("type", value1, "-")
            .literal("-")
            .value("order.lines.0.sku", value2, "")
            .literal(":v1")
            .finish()
    };
}
#[automatically_derived]
impl ::coord::__private::KeyPart for OrderId {
    fn write_key(&self, key: &mut ::coord::__private::KeyWriter<'_>) {
        let value = &self.0;
        ::coord::__private::KeyPart::write_key(value, key);
    }
}
#[automatically_derived]
impl<'a, T: Clone + ::coord::__private::KeyPart> ::coord::__private::KeyPart
for Tagged<'a, T> {
    fn write_key(&self, key: &mut ::coord::__private::KeyWriter<'_>) {
        let value = &self.value;
        ::coord::__private::KeyPart::write_key(value, key);
    }
}
#[automatically_derived]
impl my::coord::__private::KeyPart for Region {
    fn write_key(&self, key: &mut my::coord::__private::KeyWriter<'_>) {
        key.write_str(
            match self {
                Self::Europe { .. } => "Europe",
                Self::r#Asia { .. } => "Asia",
            },
        );
    }
}
