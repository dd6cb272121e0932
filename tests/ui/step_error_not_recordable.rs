use outlast::prelude::*;

#[derive(Debug)]
struct Declined;

#[step]
async fn charge() -> Result<(), Declined> {
    Err(Declined)
}

fn main() {}
