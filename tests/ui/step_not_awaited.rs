use outlast::prelude::*;

#[step]
async fn charge() -> Result<i64> {
    Ok(1)
}

#[durable]
async fn checkout() -> Result<i64> {
    let cents = charge()?;
    Ok(cents)
}

fn main() {}
