use coord::retry;

#[retry("fast")]
async fn call(list: &mut Vec<u64>) -> Result<(), coord::Error> {
    list.push(1);
    Ok(())
}

fn main() {}
