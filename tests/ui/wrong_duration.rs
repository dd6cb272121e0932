use outlast::prelude::*;

#[step(timeout = "")]
async fn empty() -> Result<()> {
    Ok(())
}

#[step(timeout = "10")]
async fn no_unit() -> Result<()> {
    Ok(())
}

#[step(timeout = "10sec")]
async fn no_such_unit() -> Result<()> {
    Ok(())
}

#[step(timeout = "1.5h")]
async fn no_whole_number() -> Result<()> {
    Ok(())
}

#[step(timeout = "0s")]
async fn no_time() -> Result<()> {
    Ok(())
}

#[step(timeout = "18446744073709551615w")]
async fn too_long() -> Result<()> {
    Ok(())
}

fn main() {}
