use outlast::prelude::*;

#[step]
async fn charge<T, const N: usize>(order: T) -> Result<()> {
    drop(order);
    Ok(())
}

fn main() {}
