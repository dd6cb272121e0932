//! Afterwards: every execution has ended once, and every row of every record is there.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use crate::{Result, wrong};

/// How a success, and the outcome of a step, are kept.
const SUCCEEDED: i32 = 1;
const OUTCOME: i32 = 1;

/// Looks through the store: so many executions, each of which has succeeded, and so many rows, each at the next place of
/// its log, with no fence and nothing else between.
pub(crate) async fn prove(database: &Database, executions: u64, rows: u64) -> Result<()> {
    let all = database.collection::<Document>("outlast.executions");
    let ended = all.count_documents(doc! { "status": SUCCEEDED }).await?;
    let others = all.count_documents(doc! { "status": { "$ne": SUCCEEDED } }).await?;
    let log = database.collection::<Document>("outlast.log");
    let entries: Vec<Document> = log.find(doc! {}).projection(doc! { "type": 1 }).await?.try_collect().await?;
    let mut places: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut odd = 0;
    for entry in &entries {
        let id = entry.get_document("_id").map_err(wrong)?;
        let place = id.get_i64("p").map_err(wrong)?;
        places.entry(id.get_str("e").map_err(wrong)?.to_owned()).or_default().push(place);
        odd += u64::from(entry.get_i32("type").ok() != Some(OUTCOME));
    }
    let gaps =
        places.into_values().filter(|places| !places.iter().all(|place| (0..places.len() as i64).contains(place)));
    let found = (ended, others, entries.len() as u64, odd, gaps.count());
    if found == (executions, 0, rows, 0, 0) {
        return Ok(());
    }
    Err(wrong(format!(
        "of {executions} executions {ended} have succeeded and {others} not; {} of {rows} rows, {odd} entries that are \
         no rows, {} logs with gaps",
        found.2, found.4
    )))
}
