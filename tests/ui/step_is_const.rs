use outlast::prelude::*;

#[step]
const async fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
