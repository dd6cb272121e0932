use outlast::prelude::*;

#[step]
async fn longest(a: &str) -> Result<&str> {
    Ok(a)
}

fn main() {}
