use coord::locked;

#[locked("order:<idd>:<>", "stock:<sku", ttl = "30sec", ttl = 5, permits = 0, sharde, skip, wait = "1s", lease = id)]
fn process(id: u64) {}

fn main() {}
