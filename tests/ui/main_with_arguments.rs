#[outlast::main]
async fn main(arguments: Vec<String>) -> outlast::Result<()> {
    drop(arguments);
    Ok(())
}
