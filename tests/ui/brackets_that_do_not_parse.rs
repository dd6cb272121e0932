use outlast::prelude::*;

#[step("charge", = 5, name "charge", , skip(a) skip(b))]
async fn charge(a: u8, b: u8) -> Result<u8> {
    Ok(a + b)
}

fn main() {}
