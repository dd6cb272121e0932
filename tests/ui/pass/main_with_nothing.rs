/// Returns nothing.
#[outlast::main]
async fn main() {}
