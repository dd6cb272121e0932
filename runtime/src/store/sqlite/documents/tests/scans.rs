//! What an index finds is what looking at each document finds: random collections, indexes and queries, through the store.

use std::sync::Arc;

use bson::{Bson, Document, RawDocumentBuf, doc};

use crate::data::models::{IndexModel, IndexOptions, UpdateModifications};
use crate::data::operation::{Operation, Query, Target, Verb, Write};
use crate::data::{Reply, index::IndexSpec};
use crate::store::Store;
use crate::store::sqlite::{SqliteOptions, SqliteStore};

/// A small generator: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<T: Clone>(&mut self, some: &[T]) -> T {
        some[self.below(some.len() as u64) as usize].clone()
    }
}

fn scalar(random: &mut Random) -> Bson {
    let small = random.below(6) as i32 - 2;
    match random.below(12) {
        0..3 => small.into(),
        3 => i64::from(small).into(),
        4 => (f64::from(small) + 0.5).into(),
        5 => Bson::Double(f64::NAN),
        6 => Bson::Null,
        7 => random.of(&["", "a", "ab", "b"]).into(),
        8 => (random.below(2) == 0).into(),
        9 => bson::DateTime::from_millis(small.into()).into(),
        10 => Bson::Double(-0.0),
        _ => random.of(&[Bson::MinKey, Bson::MaxKey, "1.5".parse::<bson::Decimal128>().unwrap().into()]),
    }
}

fn value(random: &mut Random, depth: u64) -> Bson {
    match random.below(8) {
        0 if depth > 0 => (0..random.below(3)).map(|_| value(random, depth - 1)).collect::<Vec<_>>().into(),
        1 if depth > 0 => fields(random, depth - 1).into(),
        _ => scalar(random),
    }
}

/// Some of the fields that filters and indexes ask for.
fn fields(random: &mut Random, depth: u64) -> Document {
    let mut document = Document::new();
    for name in ["a", "b", "c"] {
        if random.below(4) > 0 {
            document.insert(name, value(random, depth));
        }
    }
    document
}

const PATHS: &[&str] = &["a", "b", "c", "a.b", "a.a", "b.c", "a.0", "c.b.a"];

fn condition(random: &mut Random) -> Bson {
    let operator = random.of(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type", "$size"]);
    let inside: Bson = match operator {
        "$in" | "$nin" => (0..random.below(4)).map(|_| scalar(random)).collect::<Vec<_>>().into(),
        "$exists" => (random.below(2) == 0).into(),
        "$type" => random.of(&["number", "string", "array", "null", "object"]).into(),
        "$size" => (random.below(3) as i32).into(),
        _ => value(random, 1),
    };
    doc! { operator: inside }.into()
}

fn filter(random: &mut Random, depth: u64) -> Document {
    let mut document = Document::new();
    for _ in 0..=random.below(3) {
        match random.below(9) {
            0 if depth > 0 => {
                let several: Vec<Document> = (0..=random.below(2)).map(|_| filter(random, depth - 1)).collect();
                document.insert(random.of(&["$and", "$or", "$nor"]), several);
            }
            1 => drop(document.insert(random.of(PATHS), value(random, 1))),
            2 => {
                let range = doc! { "$gte": scalar(random), "$lt": scalar(random) };
                document.insert(random.of(PATHS), range);
            }
            3 => {
                let inside = doc! { "$elemMatch": { "$gte": scalar(random), "$lte": scalar(random) } };
                document.insert(random.of(PATHS), inside);
            }
            4 => drop(document.insert(random.of(PATHS), doc! { "$not": condition(random) })),
            _ => drop(document.insert(random.of(PATHS), condition(random))),
        }
    }
    document
}

fn keys(random: &mut Random) -> Document {
    let mut keys = Document::new();
    for _ in 0..=random.below(3) {
        keys.insert(random.of(PATHS), random.of(&[1, -1]));
    }
    keys
}

fn index(random: &mut Random, number: usize) -> IndexModel {
    let mut options = IndexOptions::builder().name(format!("i{number}"));
    match random.below(4) {
        0 => options = options.sparse(true),
        1 => options = options.partial_filter_expression(filter(random, 0)),
        _ => (),
    }
    IndexModel::builder().keys(keys(random)).options(options.build()).build()
}

async fn ask(store: &Arc<SqliteStore>, verb: Verb) -> crate::Result<Reply> {
    store.data(Operation { collection: "things".into(), verb, comment: None, bypass_validation: false }).await
}

/// In their order: ids; or the error's code. An order by two arrays beside each other is refused.
async fn found(store: &Arc<SqliteStore>, query: &Query) -> Result<Vec<Bson>, Option<i32>> {
    let reply = ask(store, Verb::Find(query.clone())).await.map_err(|error| error.code())?;
    let all = crate::store::conformance::case::all(reply).await.map_err(|error| error.code())?;
    Ok(all.iter().map(|document| Bson::try_from(document.get("_id").unwrap().unwrap()).unwrap()).collect())
}

async fn fill(store: &Arc<SqliteStore>, random: &mut Random, count: i32) {
    for id in 0..count {
        let mut document = doc! { "_id": id };
        document.extend(fields(random, 2));
        let documents = vec![RawDocumentBuf::try_from(&document).unwrap()];
        // Two arrays in one index are refused, and that is all that may be.
        match ask(store, Verb::Insert { documents, ordered: true, single: true }).await {
            Ok(_) => (),
            Err(error) => assert_eq!(error.code(), Some(171), "{document}: {error:?}"),
        }
    }
}

/// Each document's entries, from the document itself and from the table.
fn entries_are_those_of_the_documents(path: &std::path::Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut indexes = connection.prepare("SELECT n, model FROM outlast_indexes").unwrap();
    let indexes: Vec<(i64, Vec<u8>)> =
        indexes.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let mut documents = connection.prepare("SELECT n, body FROM outlast_documents").unwrap();
    let documents: Vec<(i64, Vec<u8>)> =
        documents.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let mut wanted = Vec::new();
    for (number, model) in &indexes {
        let spec = IndexSpec::stored(&Document::from_reader(model.as_slice()).unwrap()).unwrap();
        for (document, body) in &documents {
            let body = RawDocumentBuf::from_bytes(body.clone()).unwrap();
            wanted.extend(spec.entries(&body).unwrap().into_iter().map(|entry| (*number, entry, *document)));
        }
    }
    wanted.sort();
    let mut entries = connection.prepare("SELECT idx, entry, document FROM outlast_entries ORDER BY 1, 2, 3").unwrap();
    let came: Vec<(i64, Vec<u8>, i64)> =
        entries.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect();
    assert_eq!(came, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_finds_what_a_scan_finds_in_the_same_order() {
    let first = std::env::var("OUTLAST_TEST_SEED")
        .map_or_else(|_| crate::engine::random_bytes::<4>(), |seed| seed.parse::<u32>().unwrap().to_le_bytes());
    let first = u32::from_le_bytes(first);
    println!("OUTLAST_TEST_SEED={first}");
    let (mut used, mut sorted) = (0, 0);
    for round in 0..12_u64 {
        let random = &mut Random(u64::from(first) + round);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("with.db");
        let with = SqliteStore::open(SqliteOptions::file(&path)).await.unwrap();
        let without = SqliteStore::open(SqliteOptions::file(folder.path().join("without.db"))).await.unwrap();
        for number in 0..4 {
            // The same keys under another name are refused.
            match ask(&with, Verb::CreateIndexes(vec![index(random, number)])).await {
                Ok(_) => (),
                Err(error) => assert_eq!(error.code(), Some(85), "{error:?}"),
            }
        }
        fill(&with, random, 60).await;
        // The same documents: those that an index refused aren't there.
        let all = ask(&with, Verb::Find(Query::default())).await.unwrap();
        let documents = crate::store::conformance::case::all(all).await.unwrap();
        ask(&without, Verb::Insert { documents, ordered: true, single: false }).await.unwrap();
        for _ in 0..120 {
            let filter = filter(random, 1);
            let mut sort = if random.below(2) == 0 { keys(random) } else { Document::new() };
            sort.insert("_id", 1);
            let query =
                Query { filter, sort: Some(sort), skip: random.below(3), limit: random.below(20), ..Query::default() };
            let (left, right) = (found(&with, &query).await, found(&without, &query).await);
            let plan = match ask(&with, Verb::Explain(query.clone())).await {
                Ok(Reply::Document(plan)) => plan,
                Ok(_) => panic!("a plan is a document"),
                Err(error) => {
                    assert_eq!(left, Err(error.code()));
                    None
                }
            };
            let stage = plan.as_ref().and_then(|plan| plan.get_str("stage").ok());
            used += usize::from(stage == Some("index"));
            sorted += usize::from(left.is_ok());
            assert_eq!(left, right, "seed {first}, round {round}: {query:#?}\n{plan:?}");
        }
        // Changes and removals keep the entries.
        for _ in 0..20 {
            let target = Target { filter: filter(random, 0), ..Target::default() };
            let update =
                UpdateModifications::Document(doc! { "$set": { random.of(&["a", "b", "c"]): value(random, 2) } });
            let write = if random.below(4) == 0 {
                Write::Delete { target, many: false }
            } else {
                Write::Update { target, update, array_filters: Vec::new(), many: random.below(2) == 0, upsert: false }
            };
            match ask(&with, Verb::Write(write)).await {
                Ok(_) => (),
                Err(error) => assert_eq!(error.code(), Some(171), "{error:?}"),
            }
        }
        with.close().await;
        entries_are_those_of_the_documents(&path);
    }
    assert!(used > 100 && sorted > 700, "indexes are used: {used}, and of 1,440 {sorted} weren't refused");
}
