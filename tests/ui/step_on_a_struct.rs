use outlast::prelude::*;

#[step]
struct Order;

#[transaction]
mod orders {}

fn main() {}
