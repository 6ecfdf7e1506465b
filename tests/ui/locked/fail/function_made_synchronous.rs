use coord::{Error, locked};

#[tokio::test]
#[locked("order")]
async fn test() -> Result<(), Error> {
    Ok(())
}

#[tokio::main]
#[locked("order")]
async fn main() -> Result<(), Error> {
    Ok(())
}
