use outlast::prelude::*;

#[step(secret(crad), skip(client))]
async fn charge(card: String) -> Result<()> {
    drop(card);
    Ok(())
}

#[durable(secret(card))]
async fn checkout() -> Result<()> {
    Ok(())
}

fn main() {}
