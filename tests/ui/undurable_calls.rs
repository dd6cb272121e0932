use outlast::prelude::*;

use std::time::{Duration, Instant, SystemTime};

#[durable]
async fn checkout() -> Result<u64> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::thread::sleep(Duration::from_secs(1));
    let _ = tokio::time::timeout(Duration::from_secs(1), async {}).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    let spawned = tokio::spawn(async { Instant::now() }).await?;
    let blocking = ::tokio::task::spawn_blocking(|| 1).await?;
    let thread = std::thread::spawn(|| 1).join();
    drop((spawned, blocking, thread));
    let all = [1_u64, 2].map(|_| SystemTime::now());
    Ok(all.len() as u64)
}

#[durable]
async fn imported() -> Result<()> {
    use tokio::time::{self, sleep as nap};
    nap(Duration::from_secs(1)).await;
    time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

fn main() {}
