//! `collection` on the embedded store beside bare SQLite that writes and reads the same rows: batches, ranges over an
//! index, single reads.

use std::path::Path;
use std::time::{Duration, Instant};

use outlast::bson::{RawDocumentBuf, doc};
use outlast::{Collection, IndexModel, collection};
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

use super::Setting;
use crate::report::{Entry, median, percentile};
use crate::store::Store;
use crate::{Failure, Result};

/// Documents of a batch, batches, documents of a range.
const BATCH: i64 = 1_000;
const BATCHES: i64 = 40;
const RANGE: i64 = 1_000;
const READS: i64 = 500;

/// About 300 bytes, with a field that is indexed.
fn document(number: i64) -> Result<RawDocumentBuf> {
    let at = (number * 7_919) % (BATCH * BATCHES);
    let document = doc! { "_id": number, "at": at, "text": "x".repeat(240), "paid": number % 2 == 0 };
    RawDocumentBuf::try_from(&document).map_err(|error| Failure::Wrong(error.to_string()))
}

/// What a run measured, ours and bare, in microseconds each.
#[derive(Default)]
struct Times {
    batches: [Vec<f64>; 2],
    ranges: [Vec<f64>; 2],
    reads: [Vec<f64>; 2],
}

pub(crate) fn measure(setting: &Setting) -> Result<Vec<Entry>> {
    let mut all = Times::default();
    for _ in 0..setting.runs(3) {
        let times = run(setting)?;
        for (into, from) in
            [(&mut all.batches, times.batches), (&mut all.ranges, times.ranges), (&mut all.reads, times.reads)]
        {
            for (into, from) in into.iter_mut().zip(from) {
                into.push(percentile(&from, 0.5));
            }
        }
    }
    let times = |name: &str, [ours, bare]: &[Vec<f64>; 2], most: f64| {
        let (value, limit) = (median(ours), median(bare));
        let ratio = value / limit;
        Entry::new(name, "µs", ours.clone())
            .limit(limit)
            .bar(format!("≤ {most:.1} × bare SQLite: {ratio:.2} ×"), ratio <= most)
    };
    let [reads, bare] = &all.reads;
    let (read, limit) = (median(reads), median(bare));
    let read = Entry::new("collection_read_us", "µs", reads.clone())
        .limit(limit)
        .bar(format!("≤ 25 µs more than bare SQLite: {:.1}", read - limit), read <= limit + 25.0);
    Ok(vec![
        times("collection_batch_us", &all.batches, 1.5).note("1,000 documents of 300 bytes with one index, one commit"),
        times("collection_range_us", &all.ranges, 1.5).note("1,000 of 40,000 documents by a range over the index"),
        read,
    ])
}

fn run(setting: &Setting) -> Result<Times> {
    let store = Store::new(&setting.folder)?;
    let runtime = Runtime::new()?;
    let mut times = Times::default();
    let bare = runtime.block_on(async {
        let app = store.start().await?;
        let numbers = collection::<RawDocumentBuf>("numbers");
        let index = IndexModel::builder().keys(doc! { "at": 1 }).build();
        numbers.create_index(index).await?;
        // The first batch makes what the others find.
        insert(&numbers, -1).await?;
        let bare = Bare::like(&store.file(), &setting.folder)?;
        for batch in 0..BATCHES {
            times.batches[0].push(micros(insert(&numbers, batch).await?));
            times.batches[1].push(micros(bare.insert(batch)?));
        }
        for number in 0..READS {
            let from = (number * 61) % (BATCH * BATCHES - RANGE);
            if number % 10 == 0 {
                times.ranges[0].push(micros(range(&numbers, from).await?));
                times.ranges[1].push(micros(bare.range(from)?));
            }
            let begun = Instant::now();
            let found = numbers.find_one(doc! { "_id": from }).await?;
            times.reads[0].push(micros(begun.elapsed()));
            wanted(found.is_some(), "a document that was inserted")?;
            times.reads[1].push(micros(bare.read(from)?));
        }
        let count = numbers.count_documents(doc! {}).await?;
        wanted(count == (BATCH * (BATCHES + 1)).unsigned_abs(), "every document")?;
        app.shutdown().await;
        Ok::<_, Failure>(bare)
    })?;
    wanted(bare.count()? == BATCH * BATCHES, "every row of the bare database")?;
    Ok(times)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn wanted(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::Wrong(format!("{what} isn't there"))) }
}

async fn insert(numbers: &Collection<RawDocumentBuf>, batch: i64) -> Result<Duration> {
    let documents = (batch * BATCH..(batch + 1) * BATCH).map(document).collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    numbers.insert_many(&documents).await?;
    Ok(begun.elapsed())
}

async fn range(numbers: &Collection<RawDocumentBuf>, from: i64) -> Result<Duration> {
    let begun = Instant::now();
    let found = numbers.find(doc! { "at": { "$gte": from, "$lt": from + RANGE } }).await?.to_vec().await?;
    let took = begun.elapsed();
    wanted(found.len() as i64 == RANGE, "a range")?;
    Ok(took)
}

/// Bare SQLite with the store's own tables and pragmas.
struct Bare {
    connection: Connection,
    _folder: tempfile::TempDir,
}

impl Bare {
    fn like(file: &Path, folder: &Path) -> Result<Self> {
        let folder = tempfile::tempdir_in(folder)?;
        let connection = crate::limit::empty_like(file, &folder.path().join("bare.db"))?;
        Ok(Self { connection, _folder: folder })
    }

    /// The rows of a batch as the store writes them: documents, entries of the index, the change log.
    fn insert(&self, batch: i64) -> Result<Duration> {
        let documents = (batch * BATCH..(batch + 1) * BATCH).map(document).collect::<Result<Vec<_>>>()?;
        let key = |number: i64| [&[10_u8][..], &(number as f64).to_bits().to_be_bytes(), &[0x80, 0, 0]].concat();
        let begun = Instant::now();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut documents_in =
            self.connection.prepare_cached("INSERT INTO outlast_documents (collection, key, body) VALUES (1, ?, ?)")?;
        let mut entries =
            self.connection.prepare_cached("INSERT INTO outlast_entries (idx, entry, document) VALUES (1, ?, ?)")?;
        let mut changes = self.connection.prepare_cached(
            "INSERT INTO outlast_changes (stamp, collection, operation, key, before, after) VALUES (?, 1, 1, ?, NULL, \
             ?)",
        )?;
        for (place, document) in documents.iter().enumerate() {
            let number = batch * BATCH + place as i64;
            documents_in.execute(params![key(number), document.as_bytes()])?;
            let at = (number * 7_919) % (BATCH * BATCHES);
            entries.execute(params![key(at), self.connection.last_insert_rowid()])?;
            changes.execute(params![1_764_000_000_000_i64, key(number), document.as_bytes()])?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(begun.elapsed())
    }

    fn range(&self, from: i64) -> Result<Duration> {
        let key = |number: i64| [&[10_u8][..], &(number as f64).to_bits().to_be_bytes(), &[0x80, 0, 0]].concat();
        let begun = Instant::now();
        let mut find = self.connection.prepare_cached(
            "SELECT d.body FROM outlast_entries AS e CROSS JOIN outlast_documents AS d ON d.n = e.document \
             WHERE e.idx = 1 AND e.entry >= ? AND e.entry < ? ORDER BY e.entry, e.document",
        )?;
        let found = find.query_map(params![key(from), key(from + RANGE)], |row| row.get::<_, Vec<u8>>(0))?;
        let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
        let took = begun.elapsed();
        wanted(found.len() as i64 == RANGE, "a range of the bare database")?;
        Ok(took)
    }

    fn read(&self, number: i64) -> Result<Duration> {
        let key = [&[10_u8][..], &(number as f64).to_bits().to_be_bytes(), &[0x80, 0, 0]].concat();
        let begun = Instant::now();
        let mut find =
            self.connection.prepare_cached("SELECT body FROM outlast_documents WHERE collection = 1 AND key = ?")?;
        let body: Vec<u8> = find.query_row([key], |row| row.get(0))?;
        let took = begun.elapsed();
        wanted(!body.is_empty(), "a row of the bare database")?;
        Ok(took)
    }

    fn count(&self) -> Result<i64> {
        Ok(self.connection.query_row("SELECT count(*) FROM outlast_documents", [], |row| row.get(0))?)
    }
}
