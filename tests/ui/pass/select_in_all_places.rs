#![deny(warnings)]

use outlast::prelude::*;

#[step]
async fn pay() -> Result<u8> {
    Ok(1)
}

#[durable]
async fn checkout() -> Result<u8> {
    use tokio as runtime;
    let first = async {
        tokio::select! {
            paid = pay() => paid,
            paid = pay() => paid,
        }
    };
    let (first, second) = tokio::try_join!(first, async {
        let inner = |add: u8| async move {
            ::tokio::select! {
                biased;
                paid = pay() => paid.map(|paid| paid + add),
                else => Ok(0),
            }
        };
        inner(1).await
    })?;
    let (mut one, mut two) = (pay(), pay());
    let third = futures::select_biased! {
        paid = futures::FutureExt::fuse(&mut one) => paid?,
        paid = futures::FutureExt::fuse(&mut two) => paid?,
    };
    let fourth = runtime::select! {
        paid = pay() => paid?,
        paid = pay() => paid?,
    };
    Ok(first + second + third + fourth)
}

fn main() {}
