use outlast::prelude::*;

#[step]
async fn charge(cents: i64) {
    drop(cents);
}

fn main() {}
