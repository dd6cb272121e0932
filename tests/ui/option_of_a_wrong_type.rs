use outlast::prelude::*;

#[durable(version = "2", name = checkout, timeout = 10)]
async fn checkout() -> Result<()> {
    charge().await
}

#[step(retry(max_attempts = -1, factor = "2", when = |error| true), crate = "outlast")]
async fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
