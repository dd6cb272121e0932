use outlast::prelude::*;

#[step]
async fn charge(total: &mut i64) -> Result<()> {
    *total += 1;
    Ok(())
}

fn main() {}
