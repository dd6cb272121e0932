//! A binary with a command line, for tests that look at a store from outside.

use outlast::prelude::*;

/// Doubles a number.
#[durable]
async fn double(n: u64) -> Result<u64> {
    Ok(n * 2)
}

/// Pays with a card that nobody sees.
#[durable(secret(card))]
async fn pay(card: String) -> Result<String> {
    Ok(format!("{} digits", card.len()))
}

#[outlast::main]
async fn main() -> Result<()> {
    App::from_env().run().await
}
