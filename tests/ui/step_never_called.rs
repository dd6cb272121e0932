#![deny(dead_code)]

use outlast::prelude::*;

#[step]
async fn charge() -> Result<()> {
    Ok(())
}

// Called by name from outside.
#[durable]
async fn checkout() -> Result<()> {
    Ok(())
}

fn main() {}
