use outlast::prelude::*;

#[step]
async fn charge(cents: i64) -> i64 {
    cents
}

fn main() {}
