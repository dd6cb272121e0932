//! A binary with a command line, for tests that look at a store from outside.

use outlast::prelude::*;

/// Doubles a number.
#[durable]
async fn double(n: u64) -> Result<u64> {
    Ok(n * 2)
}

#[outlast::main]
async fn main() -> Result<()> {
    App::from_env().run().await
}
