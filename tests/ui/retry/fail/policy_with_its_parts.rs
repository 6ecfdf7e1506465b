use coord::retry;

const POLICY: () = ();

#[retry("fast", policy = POLICY, max_retries = 3, jitter = "full")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
