use coord::KeyPart;

#[derive(KeyPart)]
#[key_part(crat = ::coord)]
struct OrderId(u64);

fn main() {}
