//! Executions per second in a store that holds ever more of them.

use tokio::runtime::Runtime;

use super::Setting;
use super::throughput::{Work, run};
use crate::report::{Entry, median};
use crate::store::Store;
use crate::{Failure, Result};

/// Executions that are measured at each size.
const COUNT: u64 = 10_000;
/// Executions that are started together to fill the store.
const BATCH: u64 = 50_000;

pub(crate) fn measure(setting: &Setting) -> Result<Vec<Entry>> {
    let sizes: &[u64] = if setting.full { &[1_000, 10_000, 100_000, 1_000_000] } else { &[1_000, 10_000, 100_000] };
    let store = Store::new(&setting.folder)?;
    let runtime = Runtime::new()?;
    let (rates, all) = runtime.block_on(async {
        let app = store.start().await?;
        let (mut rates, mut all) = (Vec::new(), 0);
        for size in sizes {
            while all < *size {
                let batch = BATCH.min(size - all);
                run(Work::Checkout, all, batch).await?;
                all += batch;
            }
            let mut runs = Vec::new();
            for _ in 0..3 {
                runs.push(COUNT as f64 / run(Work::Checkout, all, COUNT).await?.as_secs_f64());
                all += COUNT;
            }
            rates.push(runs);
        }
        app.shutdown().await;
        Ok::<_, Failure>((rates, all))
    })?;
    drop(runtime);
    store.prove(all, all * 3)?;
    let first = rates.first().map_or(0.0, |runs| median(runs));
    let mut entries = Vec::new();
    for (size, runs) in sizes.iter().zip(rates) {
        let kept = median(&runs) / first;
        let entry = Entry::new(format!("growth_{size}"), "/s", runs).limit(first);
        let last = Some(size) == sizes.last();
        let bar = format!("≥ 80 % of the first: {:.0} %", kept * 100.0);
        entries.push(if last { entry.bar(bar, kept >= 0.8) } else { entry });
    }
    Ok(entries)
}
