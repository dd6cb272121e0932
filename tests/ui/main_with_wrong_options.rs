#[outlast::main(worker_threads = 0, flavor = "current_thread")]
async fn main() -> outlast::Result<()> {
    Ok(())
}
