//! `collection` on MongoDB beside the driver's own: batches, ranges over an index, single reads.

use std::future::Future;
use std::time::Duration;

use futures::TryStreamExt;
use mongodb::bson::{RawDocumentBuf, doc};
use outlast::{App, Collection, IndexModel, collection};
use outlast_test_servers::Mongo;
use serde_json::{Value as Json, json};

use crate::{Result, bare, clock, micros, task, wrong};

/// Documents of a batch and of a range; reads for each batch, of which one in ten is of a range too.
const BATCH: i64 = 1_000;
const READS: i64 = 50;

type Bare = mongodb::Collection<RawDocumentBuf>;

/// About 300 bytes, with a field that is indexed.
fn document(number: i64, of: i64) -> Result<RawDocumentBuf> {
    let document =
        doc! { "_id": number, "at": (number * 7_919) % of, "text": "x".repeat(240), "paid": number % 2 == 0 };
    RawDocumentBuf::try_from(&document).map_err(wrong)
}

pub(crate) async fn measure(mongo: &Mongo, batches: u64) -> Result<Json> {
    let app = App::new().store(mongo.uri()).start().await?;
    let ours = collection::<RawDocumentBuf>("numbers");
    ours.create_index(IndexModel::builder().keys(doc! { "at": 1 }).build()).await?;
    let bare: Bare = bare::durable(&bare::database(mongo).await?, "bare");
    bare.create_index(mongodb::IndexModel::builder().keys(doc! { "at": 1 }).build()).await?;

    let all = BATCH * i64::try_from(batches).map_err(wrong)?;
    let mut inserts = [Vec::new(), Vec::new()];
    // The first isn't measured.
    for batch in -1..all / BATCH {
        let documents: Vec<_> =
            (batch * BATCH..(batch + 1) * BATCH).map(|at| document(at, all)).collect::<Result<_>>()?;
        let took = in_turn(batch, insert(&ours, documents.clone()), insert_bare(&bare, documents)).await?;
        if batch >= 0 {
            push(&mut inserts, took);
        }
    }
    let (mut ranges, mut reads) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for number in 0..READS * all / BATCH {
        let from = (number * 61) % (all - BATCH);
        if number % 10 == 0 {
            push(&mut ranges, in_turn(number / 10, range(&ours, from), range_bare(&bare, from)).await?);
        }
        push(&mut reads, in_turn(number, read(&ours, from), read_bare(&bare, from)).await?);
    }
    let counts = (ours.count_documents(doc! {}).await?, bare.count_documents(doc! {}).await?);
    if counts != ((all + BATCH).unsigned_abs(), (all + BATCH).unsigned_abs()) {
        return Err(wrong(format!("of {} documents {counts:?} are there", all + BATCH)));
    }
    app.shutdown().await;
    Ok(json!({ "batch": inserts, "range": ranges, "read": reads }))
}

fn push(into: &mut [Vec<f64>; 2], times: [Duration; 2]) {
    for (into, time) in into.iter_mut().zip(times) {
        into.push(micros(time));
    }
}

/// Both, each first every other time.
async fn in_turn(
    turn: i64,
    ours: impl Future<Output = Result<Duration>>,
    bare: impl Future<Output = Result<Duration>>,
) -> Result<[Duration; 2]> {
    if turn % 2 == 0 {
        let ours = ours.await?;
        return Ok([ours, bare.await?]);
    }
    let bare = bare.await?;
    Ok([ours.await?, bare])
}

/// How long it takes, in a task of the runtime's; what comes of it is looked at by `holds`.
async fn timed<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
    holds: impl FnOnce(&T) -> bool,
) -> Result<Duration> {
    let (took, found) = task(async move {
        let begun = clock();
        let found = work.await?;
        Ok((clock().saturating_sub(begun), found))
    })
    .await?;
    if holds(&found) { Ok(took) } else { Err(wrong("an operation on a collection gave something else")) }
}

async fn insert(numbers: &Collection<RawDocumentBuf>, documents: Vec<RawDocumentBuf>) -> Result<Duration> {
    let numbers = numbers.clone();
    let all = |inserted: &usize| *inserted == BATCH.unsigned_abs() as usize;
    timed(async move { Ok(numbers.insert_many(&documents).await?.inserted_ids.len()) }, all).await
}

async fn insert_bare(numbers: &Bare, documents: Vec<RawDocumentBuf>) -> Result<Duration> {
    let numbers = numbers.clone();
    let all = |inserted: &usize| *inserted == BATCH.unsigned_abs() as usize;
    timed(async move { Ok(numbers.insert_many(&documents).await?.inserted_ids.len()) }, all).await
}

async fn range(numbers: &Collection<RawDocumentBuf>, from: i64) -> Result<Duration> {
    let numbers = numbers.clone();
    let filter = doc! { "at": { "$gte": from, "$lt": from + BATCH } };
    timed(async move { Ok(numbers.find(filter).await?.to_vec().await?) }, |found| is_range(found)).await
}

async fn range_bare(numbers: &Bare, from: i64) -> Result<Duration> {
    let numbers = numbers.clone();
    let filter = doc! { "at": { "$gte": from, "$lt": from + BATCH } };
    timed(async move { Ok(numbers.find(filter).await?.try_collect::<Vec<_>>().await?) }, |found| is_range(found)).await
}

fn is_range(found: &[RawDocumentBuf]) -> bool {
    found.len() as i64 == BATCH
}

async fn read(numbers: &Collection<RawDocumentBuf>, id: i64) -> Result<Duration> {
    let numbers = numbers.clone();
    timed(async move { Ok(numbers.find_one(doc! { "_id": id }).await?) }, Option::is_some).await
}

async fn read_bare(numbers: &Bare, id: i64) -> Result<Duration> {
    let numbers = numbers.clone();
    timed(async move { Ok(numbers.find_one(doc! { "_id": id }).await?) }, Option::is_some).await
}
