use coord::locked;

#[locked(r#"order:"<idd>""#)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
