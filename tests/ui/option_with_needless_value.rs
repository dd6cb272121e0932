use outlast::prelude::*;

#[step(at_most_once = true)]
async fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
