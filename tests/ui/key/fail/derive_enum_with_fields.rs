use coord::KeyPart;

#[derive(KeyPart)]
enum Region {
    Europe,
    Other(String),
    Custom { name: String },
}

fn main() {}
