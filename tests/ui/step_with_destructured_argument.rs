use outlast::prelude::*;

#[step]
async fn charge((id, cents): (u64, i64), _: u8, ref note: String, whole @ _: u8) -> Result<()> {
    drop((id, cents, note, whole));
    Ok(())
}

fn main() {}
