use coord::KeyPart;

#[derive(KeyPart)]
union Bits {
    float: f32,
    integer: u32,
}

fn main() {}
