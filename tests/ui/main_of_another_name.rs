#[outlast::main]
async fn run() -> outlast::Result<()> {
    Ok(())
}

fn main() {}
