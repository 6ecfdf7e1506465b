use coord::saga;
use serde::{Deserialize, Serialize};

#[saga]
#[derive(Serialize, Deserialize)]
struct Without {
    order_id: u64,
}

#[saga("order:<order_idd>")]
#[derive(Serialize, Deserialize)]
struct Misspelt {
    order_id: u64,
}

#[saga("order:<order_id", name = "order")]
#[derive(Serialize, Deserialize)]
struct Unclosed {
    order_id: u64,
}

#[saga("order:{order_id}")]
#[derive(Serialize, Deserialize)]
struct Braced {
    order_id: u64,
}

#[saga("order:<order_id>", "shop:<shop>", ttl = "5s")]
#[derive(Serialize, Deserialize)]
struct Several {
    order_id: u64,
    shop: u64,
}

macro_rules! steps {
    ($($name:ident)*) => {
        $(
            #[saga]
            impl $name {
                #[step]
                async fn charge(&self) -> Result<u64, String> {
                    Ok(self.order_id)
                }
            }
        )*
    };
}

steps! { Without Misspelt Unclosed Braced Several }

fn main() {}
