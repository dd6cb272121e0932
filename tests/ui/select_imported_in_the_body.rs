use outlast::prelude::*;

#[step]
async fn pay() -> Result<()> {
    Ok(())
}

#[durable]
async fn checkout() -> Result<()> {
    use tokio::select as either;
    either! {
        paid = pay() => paid,
        paid = pay() => paid,
    }
}

#[durable]
async fn plain() -> Result<()> {
    use tokio::{join, select};
    let _ = join!(pay());
    select! {
        paid = pay() => paid,
        paid = pay() => paid,
    }
}

fn main() {}
