use outlast::prelude::*;

#[step(retry(max_attempts = 0, factor = 0.5, limit = "0s", jitter = 2))]
async fn charge() -> Result<()> {
    Ok(())
}

#[step(retry(initial = "1m", max = "30s", max_atempts = 3))]
async fn refund() -> Result<()> {
    Ok(())
}

fn main() {}
