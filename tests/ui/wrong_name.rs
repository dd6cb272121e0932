use outlast::prelude::*;

#[durable(name = "check out")]
async fn checkout() -> Result<()> {
    Ok(())
}

#[durable(name = "")]
async fn empty() -> Result<()> {
    Ok(())
}

#[step]
async fn größe() -> Result<()> {
    Ok(())
}

fn main() {}
