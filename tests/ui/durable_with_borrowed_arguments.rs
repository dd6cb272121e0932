use outlast::prelude::*;

#[durable]
async fn checkout(id: &str, lines: &[u8], order: &mut u8, note: Option<&str>) -> Result<()> {
    drop((id, lines, order, note));
    Ok(())
}

fn main() {}
