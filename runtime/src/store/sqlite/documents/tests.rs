//! Documents through the real store, on a file: what a plan finds, what indexes hold, what a failed write leaves.

mod partial;
mod scans;

use std::sync::Arc;

use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::{Connection, params};

use super::super::{SqliteOptions, SqliteStore};
use super::catalogue;
use crate::data::filter::tests::{PATHS, document, filter, means, value};
use crate::data::models::{IndexModel, IndexOptions, UpdateModifications};
use crate::data::operation::{Query, Target, Verb, Write};
use crate::data::sort::Sort;
use crate::data::{Operation, Reply};
use crate::error::{ErrorKind, Result};
use crate::store::Store;
use crate::store::conformance::case::all;

/// A store on a file of its own.
struct File {
    runtime: tokio::runtime::Runtime,
    store: Arc<SqliteStore>,
    directory: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = runtime.block_on(SqliteStore::open(SqliteOptions::file(directory.path().join("t.db")))).unwrap();
        Self { runtime, store, directory }
    }

    fn run(&self, collection: &str, verb: Verb) -> Result<Reply> {
        let operation = Operation { collection: collection.into(), verb, comment: None, bypass_validation: false };
        self.runtime.block_on(self.store.data(operation))
    }

    fn insert(&self, collection: &str, documents: &[Document]) -> Result<Reply> {
        let documents = documents.iter().map(|document| RawDocumentBuf::try_from(document).unwrap()).collect();
        self.run(collection, Verb::Insert { documents, ordered: false, single: false })
    }

    fn index(&self, collection: &str, keys: Document, options: IndexOptions) -> Result<Reply> {
        self.run(collection, Verb::CreateIndexes(vec![IndexModel { keys, options: Some(options) }]))
    }

    fn find(&self, collection: &str, query: Query) -> Result<Vec<Document>> {
        let reply = self.run(collection, Verb::Find(query))?;
        let found = self.runtime.block_on(all(reply))?;
        Ok(found.into_iter().map(|body| Document::try_from(body).unwrap()).collect())
    }

    fn all(&self, collection: &str) -> Vec<Document> {
        self.find(collection, Query::default()).unwrap()
    }

    fn explain(&self, collection: &str, query: Query) -> Document {
        match self.run(collection, Verb::Explain(query)).unwrap() {
            Reply::Document(Some(explained)) => Document::try_from(explained).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn update(&self, collection: &str, filter: Document, update: Document, many: bool, upsert: bool) -> Result<Reply> {
        let target = Target { filter, ..Target::default() };
        let update = UpdateModifications::Document(update);
        self.run(collection, Verb::Write(Write::Update { target, update, array_filters: Vec::new(), many, upsert }))
    }

    fn connection(&self) -> Connection {
        Connection::open(self.directory.path().join("t.db")).unwrap()
    }

    /// Compares what the table of entries has with what the documents say.
    fn check_entries(&self, collection: &str) {
        let connection = self.connection();
        let Some(known) = catalogue::find(&connection, collection).unwrap() else { return };
        for index in &known.indexes {
            let mut statement =
                connection.prepare("SELECT n, body FROM outlast_documents WHERE collection = ?").unwrap();
            let mut expected = Vec::new();
            let rows =
                statement.query_map([known.number], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
            for (number, body) in rows.unwrap().map(rusqlite::Result::unwrap) {
                let entries = index.spec.entries(&RawDocumentBuf::from_bytes(body).unwrap()).unwrap();
                assert!(index.multikey || entries.len() <= 1, "{} should be multikey", index.spec.name());
                expected.extend(entries.into_iter().map(|entry| (entry, number)));
            }
            expected.sort();
            let mut statement =
                connection.prepare("SELECT entry, document FROM outlast_entries WHERE idx = ?").unwrap();
            let rows = statement.query_map(params![index.number], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            let mut entries: Vec<(Vec<u8>, i64)> = rows.map(rusqlite::Result::unwrap).collect();
            entries.sort();
            assert_eq!(entries, expected, "the entries of {}", index.spec.name());
        }
    }
}

fn index() -> impl Strategy<Value = (Document, IndexOptions)> {
    let path = prop_oneof![4 => prop::sample::select(PATHS.to_vec()), 1 => Just("_id")];
    let keys = prop::collection::vec((path, prop_oneof![Just(1), Just(-1)]), 1..4);
    let partial = prop_oneof![3 => Just(None), 1 => filter().prop_map(Some)];
    (keys, any::<bool>(), any::<bool>(), partial).prop_map(|(keys, unique, sparse, partial)| {
        let options = IndexOptions {
            unique: Some(unique && sparse),
            sparse: Some(sparse && partial.is_none()),
            partial_filter_expression: partial,
            ..IndexOptions::default()
        };
        (keys.into_iter().map(|(path, direction)| (path.to_owned(), direction.into())).collect(), options)
    })
}

fn sort() -> impl Strategy<Value = Document> {
    let path = prop_oneof![4 => prop::sample::select(PATHS.to_vec()), 1 => Just("_id")];
    prop::collection::vec((path, prop_oneof![Just(1), Just(-1)]), 0..3)
        .prop_map(|fields| fields.into_iter().map(|(path, direction)| (path.to_owned(), direction.into())).collect())
}

fn change() -> impl Strategy<Value = (Document, Document, bool)> {
    let operator = prop_oneof![Just("$set"), Just("$unset"), Just("$push"), Just("$min")];
    (filter(), operator, prop::sample::select(PATHS.to_vec()), value(), any::<bool>())
        .prop_map(|(filter, operator, path, value, many)| (filter, doc! { operator: { path: value } }, many))
}

fn numbered(documents: Vec<Document>) -> Vec<Document> {
    let with_id = |(id, fields): (usize, Document)| {
        let mut document = doc! { "_id": id as i32 };
        document.extend(fields);
        document
    };
    documents.into_iter().enumerate().map(with_id).collect()
}

/// The documents that are meant, in order; `None` where two arrays make an order impossible.
fn expected(documents: &[Document], filter: &Document, sort: &Document) -> Option<Vec<(Vec<u8>, Document)>> {
    let sort = Sort::parse(sort).unwrap();
    let mut found = Vec::new();
    for document in documents.iter().filter(|document| means(filter, document)) {
        found.push((sort.key(&RawDocumentBuf::try_from(document).unwrap()).ok()?, document.clone()));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Some(found)
}

#[test]
fn whatever_the_plan_the_same_documents_come_in_the_same_order() {
    let file = File::new();
    let mut number = 0;
    let case = (
        prop::collection::vec(document(), 0..12),
        prop::collection::vec(index(), 0..4),
        prop::collection::vec(change(), 0..3),
        prop::collection::vec((filter(), sort(), 0..3_usize, 0..5_usize), 1..6),
        any::<bool>(),
    );
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() });
    let counter = std::cell::RefCell::new(&mut number);
    let run = runner.run(&case, |(documents, indexes, changes, queries, indexes_first)| {
        **counter.borrow_mut() += 1;
        let name = format!("c{}", counter.borrow());
        let make = |indexes: Vec<(Document, IndexOptions)>| {
            for (keys, options) in indexes {
                // Arrays beside each other, keys that are taken: such an index isn't made.
                drop(file.index(&name, keys, options));
            }
        };
        let documents = numbered(documents);
        if indexes_first {
            make(indexes);
            drop(file.insert(&name, &documents));
        } else {
            drop(file.insert(&name, &documents));
            make(indexes);
        }
        file.check_entries(&name);
        for (filter, update, many) in changes {
            let before = file.all(&name);
            if file.update(&name, filter, update, many, false).is_err() {
                prop_assert_eq!(
                    format!("{:?}", file.all(&name)),
                    format!("{before:?}"),
                    "a failed write leaves nothing"
                );
            }
            file.check_entries(&name);
        }
        let documents = file.all(&name);
        for (filter, sort, skip, limit) in queries {
            let query = |skip, limit| Query {
                filter: filter.clone(),
                sort: Some(sort.clone()),
                skip,
                limit,
                ..Query::default()
            };
            let Some(expected) = expected(&documents, &filter, &sort) else { continue };
            let plan = || file.explain(&name, query(0, 0));
            let texts = |all: &[Document]| all.iter().map(|document| format!("{document:?}")).collect::<Vec<_>>();
            let order = Sort::parse(&sort).unwrap();
            let keys = |all: &[Document]| {
                let key = |document: &Document| order.key(&RawDocumentBuf::try_from(document).unwrap()).unwrap();
                all.iter().map(key).collect::<Vec<_>>()
            };
            let found = file.find(&name, query(0, 0)).unwrap();
            let wanted: Vec<Vec<u8>> = expected.iter().map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(keys(&found), wanted.clone(), "{} {} {}", filter, sort, plan());
            let (mut one, mut other) =
                (texts(&found), texts(&expected.iter().map(|(_, document)| document.clone()).collect::<Vec<_>>()));
            one.sort();
            other.sort();
            prop_assert_eq!(one, other, "{} {} {}", filter, sort, plan());
            let part = file.find(&name, query(skip as u64, limit as u64)).unwrap();
            let until = if limit == 0 { usize::MAX } else { limit };
            let wanted: Vec<_> = wanted.into_iter().skip(skip).take(until).collect();
            prop_assert_eq!(keys(&part), wanted, "{} {} {} {} {}", filter, sort, skip, limit, plan());
        }
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_taken_key_leaves_nothing_half_written_and_the_others_stand() {
    let file = File::new();
    let unique = IndexOptions { unique: Some(true), ..IndexOptions::default() };
    file.index("users", doc! { "email": 1 }, unique.clone()).unwrap();
    let users = [
        doc! { "_id": 1, "email": "a" },
        doc! { "_id": 2, "email": "a" },
        doc! { "_id": 3 },
        doc! { "_id": 4, "email": null },
        doc! { "_id": 5, "email": ["b", "b", "c"] },
        doc! { "_id": 6, "email": ["x", "c"] },
    ];
    let error = file.insert("users", &users).unwrap_err();
    assert_eq!(
        error.write_errors().iter().map(|one| (one.index, one.code)).collect::<Vec<_>>(),
        [(1, 11_000), (3, 11_000), (5, 11_000)]
    );
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(file.all("users").len(), 3);
    file.check_entries("users");
    let error = file.update("users", doc! {}, doc! { "$set": { "email": "z" } }, true, false).unwrap_err();
    assert!(error.is_duplicate_key(), "{error}");
    assert_eq!(file.all("users")[0].get_str("email").unwrap(), "a", "many are changed whole or not at all");
    file.check_entries("users");
    assert!(file.index("users", doc! { "x": 1 }, unique.clone()).unwrap_err().is_duplicate_key(), "two are missing");
    assert!(file.index("users", doc! { "x": 1 }, IndexOptions { sparse: Some(true), ..unique.clone() }).is_ok());
    let partial = IndexOptions { partial_filter_expression: Some(doc! { "x": { "$gt": 1 } }), ..unique };
    assert!(file.index("users", doc! { "y": 1 }, partial).is_ok());
    file.check_entries("users");
}

#[test]
fn arrays_beside_each_other_are_refused_and_leave_nothing() {
    let file = File::new();
    file.index("c", doc! { "a": 1, "b": -1 }, IndexOptions::default()).unwrap();
    let error = file.insert("c", &[doc! { "_id": 1, "a": [1, 2], "b": [1, 2] }]).unwrap_err();
    assert_eq!(error.write_errors()[0].code, 171);
    assert!(file.all("c").is_empty());
    file.insert("c", &[doc! { "_id": 1, "a": [1, 2], "b": 1 }]).unwrap();
    assert_eq!(file.update("c", doc! {}, doc! { "$set": { "b": [1] } }, false, false).unwrap_err().code(), Some(171));
    file.check_entries("c");
}

#[test]
fn an_index_is_made_once_and_another_of_its_name_or_keys_is_refused() {
    let file = File::new();
    let called = |name: &str| IndexOptions { name: Some(name.into()), ..IndexOptions::default() };
    file.index("c", doc! { "a": 1 }, IndexOptions::default()).unwrap();
    file.index("c", doc! { "a": 1 }, IndexOptions { unique: Some(false), ..IndexOptions::default() }).unwrap();
    let refusal = |keys: Document, options| file.index("c", keys, options).unwrap_err().code();
    assert_eq!(refusal(doc! { "a": 1 }, IndexOptions { unique: Some(true), ..IndexOptions::default() }), Some(86));
    assert_eq!(refusal(doc! { "a": 1 }, called("other")), Some(85));
    assert_eq!(refusal(doc! { "b": 1 }, called("a_1")), Some(86));
    assert!(file.index("c", doc! { "a": -1 }, IndexOptions::default()).is_ok(), "another order is another index");
    let Reply::Indexes(all) = file.run("c", Verb::ListIndexes).unwrap() else { panic!("no indexes") };
    let names: Vec<_> = all.into_iter().filter_map(|model| model.options?.name).collect();
    assert_eq!(names, ["_id_", "a_1", "a_-1"]);
}

#[test]
fn explaining_says_the_index_and_how_much_was_looked_at() {
    let file = File::new();
    let documents: Vec<_> = (0..1_000).map(|id| doc! { "_id": id, "n": id, "kind": id % 2 }).collect();
    file.insert("c", &documents).unwrap();
    let query = |filter: Document, sort: Document| Query { filter, sort: Some(sort), ..Query::default() };
    let counts = |explained: &Document| {
        (
            explained.get_i64("entries_examined").unwrap(),
            explained.get_i64("documents_examined").unwrap(),
            explained.get_i64("returned").unwrap(),
        )
    };
    let range = || query(doc! { "n": { "$gte": 10, "$lt": 20 } }, doc! {});
    let scanned = file.explain("c", range());
    assert_eq!((scanned.get_str("stage").unwrap(), counts(&scanned)), ("scan", (0, 1_000, 10)));
    file.index("c", doc! { "n": 1 }, IndexOptions::default()).unwrap();
    let bounded = file.explain("c", range());
    assert_eq!((bounded.get_str("index").unwrap(), counts(&bounded)), ("n_1", (10, 10, 10)));
    let by_id = file.explain("c", query(doc! { "_id": 7 }, doc! {}));
    assert_eq!((by_id.get_str("stage").unwrap(), counts(&by_id)), ("_id", (0, 1, 1)));
    let sorted = file.explain("c", Query { limit: 3, ..query(doc! {}, doc! { "n": -1 }) });
    assert_eq!((sorted.get_bool("sorted_in_memory").unwrap(), counts(&sorted)), (false, (3, 3, 3)));
    // One array, and two ends are no interval any more.
    file.insert("c", &[doc! { "_id": "array", "n": [5, 500] }]).unwrap();
    let found = file.find("c", range()).unwrap();
    assert_eq!(found.len(), 11, "5 is below 20 and 500 above 10");
}

#[test]
fn time_is_over_only_for_documents_that_are_in_the_index() {
    let file = File::new();
    let options = IndexOptions {
        expire_after: Some(std::time::Duration::from_secs(10)),
        partial_filter_expression: Some(doc! { "done": true }),
        ..IndexOptions::default()
    };
    file.index("c", doc! { "at": 1 }, options).unwrap();
    let at = |millis: i64| Bson::DateTime(DateTime::from_millis(millis));
    file.insert(
        "c",
        &[
            doc! { "_id": 1, "at": at(0), "done": true },
            doc! { "_id": 2, "at": at(0), "done": false },
            doc! { "_id": 3, "at": at(95_000), "done": true },
            doc! { "_id": 4, "at": "text", "done": true },
            doc! { "_id": 5, "at": [at(99_000), at(1)], "done": true },
        ],
    )
    .unwrap();
    let connection = file.connection();
    let expired = super::expire(&connection, crate::store::Stamp(100_000), 100);
    assert!(matches!(expired, Ok(2)));
    let left: Vec<_> = file.all("c").iter().map(|document| document.get_i32("_id").unwrap()).collect();
    assert_eq!(left, [2, 3, 4]);
    file.check_entries("c");
}

#[test]
fn an_upsert_makes_what_the_filter_and_the_update_say() {
    let file = File::new();
    let made = |collection: &str, filter: Document, update: Document| {
        file.update(collection, filter, update, false, true).map(|_| file.all(collection).remove(0))
    };
    assert_eq!(
        made("a", doc! { "_id": 1, "b.c": 2, "d": { "$gt": 5 } }, doc! { "$set": { "e": 3 } }).unwrap(),
        doc! { "_id": 1, "b": { "c": 2 }, "e": 3 }
    );
    assert_eq!(
        made("b", doc! { "x": 1 }, doc! { "$setOnInsert": { "_id": 9 }, "$inc": { "x": 1 } }).unwrap(),
        doc! { "_id": 9, "x": 2 }
    );
    for (filter, update, code) in [
        (doc! { "_id": 1 }, doc! { "$set": { "_id": 2 } }, 66),
        (doc! { "x": 1 }, doc! { "$set": { "x.y": 2 } }, 28),
        (doc! { "x": 1, "x.y": 1 }, doc! { "$set": { "z": 2 } }, 54),
        (doc! { "x": 1 }, doc! { "$set": { "x.$": 2 } }, 2),
    ] {
        let error = file.update("c", filter.clone(), update.clone(), false, true).unwrap_err();
        assert_eq!(error.code(), Some(code), "{filter} {update}: {error}");
    }
    assert!(file.all("c").is_empty());
}

#[test]
fn documents_that_cannot_be_stored_are_refused() {
    let file = File::new();
    let deep = (0..200).fold(doc! {}, |inner, _| doc! { "a": inner });
    let error = |document: Document| file.insert("c", &[document]).unwrap_err().write_errors()[0].code;
    assert_eq!(error(doc! { "_id": 1, "deep": deep.clone() }), 15);
    let regex = bson::Regex { pattern: "x".try_into().unwrap(), options: "".try_into().unwrap() };
    for id in [Bson::Array(vec![]), Bson::Undefined, regex.into()] {
        assert_eq!(error(doc! { "_id": id }), 53);
    }
    for id in [Bson::Null, Bson::MinKey, Bson::Double(f64::NAN), doc! { "a": [1] }.into(), "a\0b".into(), false.into()]
    {
        file.insert("c", &[doc! { "_id": id.clone(), "": 1, "a.b": { "$c": "\0" } }]).unwrap();
        let found = file.find("c", Query { filter: doc! { "_id": id.clone() }, ..Query::default() }).unwrap();
        assert_eq!(found.len(), 1, "{id}");
        file.update("c", doc! { "_id": id.clone() }, doc! { "$set": { "x": 1 } }, false, false).unwrap();
    }
    file.insert("d", &[doc! { "_id": 1, "a": (0..170).fold(doc! {}, |inner, _| doc! { "a": inner }) }]).unwrap();
    let path = vec!["a"; 171].join(".");
    let update = doc! { "$set": { path: (0..20).fold(doc! {}, |inner, _| doc! { "a": inner }) } };
    assert_eq!(file.update("d", doc! {}, update, false, false).unwrap_err().code(), Some(15));
}

#[test]
fn a_second_handle_sees_indexes_and_arrays_that_the_first_one_made() {
    let file = File::new();
    let path = file.directory.path().join("t.db");
    let second = file.runtime.block_on(SqliteStore::open(SqliteOptions::file(path))).unwrap();
    let find = |filter: Document| {
        let verb = Verb::Find(Query { filter, ..Query::default() });
        let operation = Operation { collection: "c".into(), verb, comment: None, bypass_validation: false };
        file.runtime.block_on(async { all(second.data(operation).await?).await }).unwrap().len()
    };
    file.insert("c", &[doc! { "_id": 1, "n": 1 }]).unwrap();
    assert_eq!(find(doc! { "n": 1 }), 1);
    file.index("c", doc! { "n": 1 }, IndexOptions::default()).unwrap();
    assert_eq!(find(doc! { "n": { "$gt": 3, "$lt": 5 } }), 0);
    file.insert("c", &[doc! { "_id": 2, "n": [1, 9] }]).unwrap();
    assert_eq!(find(doc! { "n": { "$gt": 3, "$lt": 5 } }), 1, "an index of arrays is asked otherwise");
    file.run("c", Verb::DropIndex(None)).unwrap();
    file.insert("c", &[doc! { "_id": 3, "n": 4 }]).unwrap();
    assert_eq!(find(doc! { "n": { "$gt": 3, "$lt": 5 } }), 2);
}
