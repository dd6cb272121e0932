#[outlast::main]
fn main() -> outlast::Result<()> {
    Ok(())
}
