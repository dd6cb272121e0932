use outlast::prelude::*;

#[step(timeuot = "10s", retry(max_attempts = 0), secret(crad))]
fn charge(_: u8, total: &mut i64) {
    *total += 1;
}

fn main() {}
