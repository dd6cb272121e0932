use outlast::prelude::*;

#[step]
async unsafe extern "C" fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
