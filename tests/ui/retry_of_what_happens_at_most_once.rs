use outlast::prelude::*;

#[step(at_most_once, retry(max_attempts = 5))]
async fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
