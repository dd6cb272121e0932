//! Another program on the same store: its functions are unknown to the first.

use outlast::prelude::*;

/// Only this binary has it.
#[durable]
async fn leftover() -> Result<()> {
    Ok(())
}

#[outlast::main]
async fn main() -> Result<()> {
    App::from_env().run().await
}
