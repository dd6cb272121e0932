use outlast::prelude::*;

#[durable(version = 0)]
async fn checkout() -> Result<()> {
    Ok(())
}

#[durable(version = 4294967296)]
async fn large() -> Result<()> {
    Ok(())
}

fn main() {}
