use outlast::prelude::*;

#[step(timeout = "10s", timeout = "20s", secret, secret(card), secret(card), retry(limit = "1m", limit = "2m"))]
async fn charge(card: String) -> Result<()> {
    drop(card);
    Ok(())
}

fn main() {}
