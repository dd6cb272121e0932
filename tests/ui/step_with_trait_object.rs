use outlast::prelude::*;

trait Payments {}

#[step]
async fn charge(payments: &dyn Payments) -> Result<()> {
    let _ = payments;
    Ok(())
}

fn main() {}
