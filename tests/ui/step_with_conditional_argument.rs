use outlast::prelude::*;

#[step]
async fn charge(cents: i64, #[cfg(unix)] unix: bool) -> Result<()> {
    drop((cents, unix));
    Ok(())
}

fn main() {}
