use outlast::prelude::*;

#[step(timeuot = "10s", concurrency = 4)]
async fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
