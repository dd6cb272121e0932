use outlast::prelude::*;

#[durable]
#[step]
async fn checkout() -> Result<()> {
    Ok(())
}

fn main() {}
