use outlast::prelude::*;

#[durable(retry(max_attempts = 5))]
async fn checkout() -> Result<()> {
    charge().await
}

#[step(version = 2)]
async fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
