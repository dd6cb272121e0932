use outlast::prelude::*;

#[transaction(timeout = "10s")]
async fn reserve() -> Result<()> {
    Ok(())
}

#[transaction(at_most_once)]
async fn release() -> Result<()> {
    Ok(())
}

fn main() {}
