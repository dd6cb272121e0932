use outlast::prelude::*;
use tokio::select;

#[step]
async fn pay() -> Result<()> {
    Ok(())
}

#[durable]
async fn checkout() -> Result<()> {
    let both = async {
        select! {
            paid = pay() => paid,
            paid = pay() => paid,
        }
    };
    both.await
}

fn main() {}
