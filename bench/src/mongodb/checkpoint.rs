//! Steps one after the other: each waits for its own row, so that a bare insert of the same document is the limit.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::Document;
use outlast::App;
use outlast_test_servers::{FaultProxy, Mongo};
use serde_json::{Value as Json, json};

use crate::functions::{Order, Times, sequence, take_times};
use crate::{Result, bare, clock, computed, micros, proof, task, wrong};

/// Steps of one execution; between two, as many bare inserts.
const SLICE: u64 = 25;
/// Steps whose commands are counted.
const COUNTED: u64 = 100;

pub(crate) async fn measure(mongo: &Mongo, steps: u64) -> Result<Json> {
    let app = App::new().store(mongo.uri()).start().await?;
    let database = bare::database(mongo).await?;
    sequence(Order::number(0), SLICE).id("first").into_future().await?;
    let (_, rows) = bare::stored(&database, "first").await?;
    let row = rows.into_iter().next_back().unwrap_or_default();
    let size = mongodb::bson::serialize_to_vec(&row).map_err(wrong)?.len();
    let inserts = bare::like(&database, "outlast.log", "bare").await?;
    insert(&inserts, &row, 0).await?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_work, mut their_work) = (Duration::ZERO, Duration::ZERO);
    let slices = steps / SLICE;
    for slice in 1..=slices {
        sequence(Order::number(slice), SLICE).into_future().await?;
        let times = take_times().ok_or_else(|| wrong("an execution without times"))?;
        ours.extend(times.steps);
        our_work += times.computed;
        let times = insert(&inserts, &row, slice).await?;
        theirs.extend(times.steps);
        their_work += times.computed;
    }
    app.shutdown().await;
    let commands = commands(mongo).await?;
    proof::prove(&database, slices + 2, (slices + 1) * SLICE + COUNTED).await?;
    let each = |work: Duration| micros(work) / (slices * SLICE) as f64;
    let all = |times: Vec<Duration>| times.into_iter().map(micros).collect::<Vec<_>>();
    Ok(json!({
        "ours": all(ours), "bare": all(theirs),
        "our_work": each(our_work), "bare_work": each(their_work),
        "size": size, "steps": COUNTED, "commands": commands,
    }))
}

/// Bare inserts of the row at other places, one after the other.
async fn insert(inserts: &Collection<Document>, row: &Document, slice: u64) -> Result<Times> {
    let (inserts, mut row) = (inserts.clone(), row.clone());
    task(async move {
        let mut steps = Vec::with_capacity(SLICE as usize);
        let before = computed();
        for place in slice * SLICE..(slice + 1) * SLICE {
            row.get_document_mut("_id").map_err(wrong)?.insert("p", place as i64);
            let begun = clock();
            inserts.insert_one(&row).await?;
            steps.push(clock().saturating_sub(begun));
        }
        Ok(Times { steps, computed: computed().saturating_sub(before) })
    })
    .await
}

/// The commands of an execution of [`COUNTED`] steps, as a proxy before the server sees them: `insert outlast.log` and
/// how often. Not in the time that is measured.
async fn commands(mongo: &Mongo) -> Result<BTreeMap<String, u64>> {
    let proxy = FaultProxy::start(mongo.address(), 0).await?;
    let app = App::new().store(mongo.uri_through(proxy.address())).start().await?;
    proxy.keep_log();
    sequence(Order::number(u64::MAX), COUNTED).into_future().await?;
    let mut commands = BTreeMap::new();
    for command in proxy.log() {
        let collection = command.collection.unwrap_or_default();
        *commands.entry(format!("{} {collection}", command.name).trim().to_owned()).or_default() += 1;
    }
    app.shutdown().await;
    Ok(commands)
}
