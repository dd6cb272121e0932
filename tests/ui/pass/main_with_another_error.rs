#![deny(warnings)]

#[outlast::main(worker_threads = 2)]
async fn main() -> std::result::Result<(), std::io::Error> {
    tokio::task::yield_now().await;
    Ok(())
}
