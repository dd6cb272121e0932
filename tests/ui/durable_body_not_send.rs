use outlast::prelude::*;

use std::rc::Rc;

#[step]
async fn pay() -> Result<()> {
    Ok(())
}

#[durable]
async fn checkout(cents: i64) -> Result<()> {
    let cents = Rc::new(cents);
    pay().await?;
    drop(cents);
    Ok(())
}

fn main() {}
