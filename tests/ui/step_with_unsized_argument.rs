use outlast::prelude::*;

#[step]
async fn charge(note: str) -> Result<()> {
    Ok(())
}

fn main() {}
