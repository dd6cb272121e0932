use outlast::prelude::*;

#[step(timeout)]
async fn first() -> Result<()> {
    Ok(())
}

#[step(timeout =)]
async fn second() -> Result<()> {
    Ok(())
}

#[step(timeout = , name = "third")]
async fn third() -> Result<()> {
    Ok(())
}

#[step(timeout("10s"))]
async fn fourth() -> Result<()> {
    Ok(())
}

#[step(skip)]
async fn fifth() -> Result<()> {
    Ok(())
}

#[step(retry())]
async fn sixth() -> Result<()> {
    Ok(())
}

fn main() {}
