use futures::FutureExt;
use outlast::prelude::*;

#[step]
async fn pay() -> Result<()> {
    Ok(())
}

#[durable]
async fn checkout() -> Result<()> {
    let (mut first, mut second) = (pay().fuse(), pay().fuse());
    futures::select! {
        paid = first => paid,
        paid = second => paid,
    }
}

fn main() {}
