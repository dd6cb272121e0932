use outlast::prelude::*;

#[step(secret(card), skip(card))]
async fn charge(card: String) -> Result<()> {
    drop(card);
    Ok(())
}

fn main() {}
