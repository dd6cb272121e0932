use outlast::prelude::*;

#[step]
async fn charge(cents: i64) -> Result<i64> {
    Ok(cents.to_string())
}

fn main() {}
