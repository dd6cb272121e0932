use outlast::prelude::*;

#[step]
fn charge(cents: i64) -> Result<i64> {
    Ok(cents)
}

fn main() {}
