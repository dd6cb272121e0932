//! Data operations through the driver, outside transactions and in them.

use bson::{Bson, Document, RawDocumentBuf};

use super::*;
use crate::ErrorKind;
use crate::data::models::{IndexModel, IndexOptions, ReturnDocument, UpdateModifications};
use crate::data::operation::{Change, Query, Target, Verb, Write as DataWrite};
use crate::store::conformance::case::{Case, Ledger, all, call, insert, key, update};
use crate::store::{Kind, Outcome, RowKind, Slot, TransactionBody, TransactionFault, Value, Verdict, Write};

fn operation(verb: Verb) -> Operation {
    Operation { collection: "orders".into(), verb, comment: Some("a test".into()), bypass_validation: false }
}

fn raw(document: Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

fn target(filter: Document) -> Target {
    Target { filter, ..Target::default() }
}

async fn opened() -> (Case, Arc<MongoStore>) {
    case_on(hasty(&server::new_database())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn several_writes_say_what_they_did() {
    let (_, store) = opened().await;
    let set = |filter: Document, upsert| DataWrite::Update {
        target: target(filter),
        update: UpdateModifications::Document(doc! { "$set": { "state": "paid" } }),
        array_filters: Vec::new(),
        many: true,
        upsert,
    };
    let writes = vec![
        DataWrite::Insert(raw(doc! { "_id": 1 })),
        DataWrite::Insert(raw(doc! { "_id": 2 })),
        set(doc! {}, false),
        set(doc! { "_id": 9 }, true),
        DataWrite::Replace { target: target(doc! { "_id": 1 }), replacement: raw(doc! { "n": 5 }), upsert: false },
        DataWrite::Insert(raw(doc! { "_id": 2 })),
        DataWrite::Delete { target: target(doc! { "_id": 2 }), many: false },
    ];
    let error = store.data(operation(Verb::Bulk { writes: writes.clone(), ordered: false })).await.err().unwrap();
    assert_eq!((error.kind(), error.code(), error.write_errors().len()), (ErrorKind::Conflict, Some(11_000), 1));
    assert_eq!(error.write_errors()[0].index, 5);
    let done = error.partial_result().unwrap();
    assert_eq!((done.inserted_count, done.matched_count, done.deleted_count, done.upserted_count), (2, 3, 1, 1));
    assert_eq!(done.upserted_ids[&3], Bson::Int32(9));
    let ordered = vec![writes[0].clone(), DataWrite::Insert(raw(doc! { "_id": 7 }))];
    let error = store.data(operation(Verb::Bulk { writes: ordered, ordered: true })).await.err().unwrap();
    assert_eq!(error.partial_result().unwrap().inserted_count, 0, "the first failure ends it");
    let documents = vec![raw(doc! { "_id": 20 }), raw(doc! { "_id": 20 }), raw(doc! { "_id": 21 })];
    let many = Verb::Insert { documents, ordered: false, single: false };
    let error = store.data(operation(many)).await.err().unwrap();
    let mut ids: Vec<_> = error.partial_result().unwrap().inserted_ids.into_iter().collect();
    ids.sort_by_key(|(place, _)| *place);
    assert_eq!(ids, [(0, Bson::Int32(20)), (2, Bson::Int32(21))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_have_their_options() {
    let (_, store) = opened().await;
    let documents = (0..600).map(|number| raw(doc! { "_id": number, "kind": number % 3 })).collect();
    store.data(operation(Verb::Insert { documents, ordered: true, single: false })).await.unwrap();
    let query = Query {
        filter: doc! { "kind": 1 },
        sort: Some(doc! { "_id": -1 }),
        skip: 1,
        limit: 150,
        projection: Some(doc! { "kind": 0 }),
        batch_size: Some(10),
        ..Query::default()
    };
    let reply = store.data(operation(Verb::Find(query.clone()))).await.unwrap();
    assert!(matches!(reply, Reply::Rows(_)), "as they come");
    let found = all(reply).await.unwrap();
    assert_eq!((found.len(), found[0].clone()), (150, raw(doc! { "_id": 595 })));
    let first = store.data(operation(Verb::Find(Query { limit: 1, ..query.clone() }))).await.unwrap();
    assert!(matches!(first, Reply::Documents(found) if found.len() == 1));
    let count = |verb| async { store.data(operation(verb)).await.unwrap() };
    assert!(matches!(count(Verb::Count(query.clone())).await, Reply::Count(150)));
    assert!(matches!(count(Verb::EstimatedCount { max_time: None }).await, Reply::Count(600)));
    let kinds = count(Verb::Distinct { field: "kind".into(), query: Query::default() }).await;
    assert!(matches!(kinds, Reply::Values(values) if values.len() == 3));
    assert!(matches!(count(Verb::Explain(query)).await, Reply::Document(Some(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_made_listed_and_dropped() {
    let (_, store) = opened().await;
    assert!(matches!(store.data(operation(Verb::ListIndexes)).await.unwrap(), Reply::Indexes(none) if none.is_empty()));
    let options = IndexOptions::builder().unique(true).build();
    let model = IndexModel::builder().keys(doc! { "email": 1 }).options(options).build();
    let made = store.data(operation(Verb::CreateIndexes(vec![model]))).await.unwrap();
    let Reply::Indexes(made) = made else { panic!("{made:?}") };
    let name = made[0].options.clone().unwrap().name.unwrap();
    assert_eq!(name, "email_1");
    store.data(insert("orders", doc! { "_id": 1, "email": "a" }).unwrap()).await.unwrap();
    let taken = store.data(insert("orders", doc! { "_id": 2, "email": "a" }).unwrap()).await.err().unwrap();
    assert!(taken.is_duplicate_key());
    let upsert = || DataWrite::Update {
        target: target(doc! { "_id": 2 }),
        update: UpdateModifications::Document(doc! { "$set": { "email": "a" } }),
        array_filters: Vec::new(),
        many: false,
        upsert: true,
    };
    let of_command = Verb::FindAndModify { write: upsert(), returned: ReturnDocument::Before, projection: None };
    for verb in [Verb::Write(upsert()), of_command] {
        let taken = store.data(operation(verb)).await.err().unwrap();
        let said = doc! { "keyPattern": { "email": 1 }, "keyValue": { "email": "a" } };
        assert_eq!(taken.details(), Some(&said));
    }
    let Reply::Indexes(listed) = store.data(operation(Verb::ListIndexes)).await.unwrap() else { panic!() };
    assert_eq!(listed.len(), 2);
    store.data(operation(Verb::DropIndex(Some(name.clone())))).await.unwrap();
    let gone = store.data(operation(Verb::DropIndex(Some(name)))).await.err().unwrap();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    store.data(operation(Verb::Drop)).await.unwrap();
    assert!(matches!(store.data(operation(Verb::EstimatedCount { max_time: None })).await.unwrap(), Reply::Count(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_found_and_modified() {
    let (_, store) = opened().await;
    let inc = |returned, upsert| Verb::FindAndModify {
        write: DataWrite::Update {
            target: target(doc! { "_id": "n" }),
            update: UpdateModifications::Pipeline(vec![
                doc! { "$set": { "n": { "$add": [{ "$ifNull": ["$n", 0] }, 1] } } },
            ]),
            array_filters: Vec::new(),
            many: false,
            upsert,
        },
        returned,
        projection: Some(doc! { "_id": 0 }),
    };
    let found = |reply: Reply| match reply {
        Reply::Document(found) => found,
        other => panic!("{other:?}"),
    };
    let modify = |verb| async { found(store.data(operation(verb)).await.unwrap()) };
    assert_eq!(modify(inc(ReturnDocument::After, false)).await, None);
    assert_eq!(modify(inc(ReturnDocument::After, true)).await, Some(raw(doc! { "n": 1 })));
    assert_eq!(modify(inc(ReturnDocument::Before, false)).await, Some(raw(doc! { "n": 1 })));
    let delete = DataWrite::Delete { target: target(doc! { "_id": "n" }), many: false };
    let verb = Verb::FindAndModify { write: delete, returned: ReturnDocument::Before, projection: None };
    assert_eq!(modify(verb).await, Some(raw(doc! { "_id": "n", "n": 2 })));
}

/// Adds one to `value`, or begins with one.
fn one_more() -> Change {
    Change(Arc::new(|before: Option<RawDocumentBuf>| {
        let value = before.as_ref().and_then(|before| before.get_i64("value").ok()).unwrap_or_default();
        Ok(Some(raw(doc! { "_id": "count", "value": value + 1 })))
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_many_change_at_once_loses_no_change() {
    let (_, store) = opened().await;
    let changes = (0..20).map(|_| store.data(operation(Verb::Modify { id: "count".into(), change: one_more() })));
    for changed in futures::future::join_all(changes).await {
        changed.unwrap();
    }
    let found = all(store.data(operation(Verb::Find(Query::default()))).await.unwrap()).await.unwrap();
    assert_eq!(found, [raw(doc! { "_id": "count", "value": 20_i64 })]);
    let remove = Verb::Modify { id: "count".into(), change: Change(Arc::new(|_| Ok(None))) };
    assert!(matches!(store.data(operation(remove)).await.unwrap(), Reply::Document(None)));
    assert!(matches!(store.data(operation(Verb::EstimatedCount { max_time: None })).await.unwrap(), Reply::Count(0)));
}

fn row(value: &str) -> RowKind {
    RowKind::Outcome(Outcome {
        kind: Kind::Transaction,
        key: key("book", 0),
        name_ordinal: 0,
        arguments: Vec::new(),
        value: Value::Ok(value.as_bytes().to_vec()),
        attempts: 1,
        build: 1,
    })
}

/// A transaction of operations, whatever becomes of each.
fn body(operations: Vec<Operation>, heeds_errors: bool) -> Write {
    Write::Transaction(TransactionBody {
        run: Box::new(move || {
            let operations = operations.clone();
            Box::pin(async move {
                for operation in operations {
                    let access = crate::data::current().unwrap();
                    if access.data(operation).await.is_err() && heeds_errors {
                        return Verdict::RollBack(row("failed"));
                    }
                }
                Verdict::Commit(row("done"))
            })
        }),
        failed: Box::new(|fault| {
            let words = match fault {
                TransactionFault::Refused(error) => error.to_string(),
                other => format!("{other:?}"),
            };
            Some(row(&words))
        }),
    })
}

async fn outcome_of(case: &Case, name: &str, write: Write) -> String {
    let claimed = case.owned(name).await.unwrap();
    case.must(&claimed, write).await.unwrap();
    match case.details(name).await.unwrap().record.pop().unwrap().kind {
        RowKind::Outcome(outcome) => String::from_utf8(outcome.value.bytes().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_goes_on_after_an_error_is_not_kept() {
    let (case, store) = opened().await;
    store.data(insert("orders", doc! { "_id": 1 }).unwrap()).await.unwrap();
    let operations =
        || vec![insert("orders", doc! { "_id": 2 }).unwrap(), insert("orders", doc! { "_id": 1 }).unwrap()];
    let words = outcome_of(&case, "a", body(operations(), false)).await;
    assert!(words.contains("went on") && words.contains("E11000"), "{words}");
    assert_eq!(outcome_of(&case, "b", body(operations(), true)).await, "failed");
    assert!(
        matches!(store.data(operation(Verb::EstimatedCount { max_time: None })).await.unwrap(), Reply::Count(1)),
        "nothing was kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_made_before_a_transaction_or_not_at_all() {
    let (case, store) = opened().await;
    let model = IndexModel::builder().keys(doc! { "email": 1 }).build();
    let create = || operation(Verb::CreateIndexes(vec![model.clone()]));
    assert_eq!(outcome_of(&case, "a", body(vec![create()], true)).await, "done", "a write of its own");
    let late = vec![insert("orders", doc! { "_id": 2 }).unwrap(), create()];
    assert_eq!(outcome_of(&case, "b", body(late, true)).await, "failed");
    assert!(matches!(store.data(operation(Verb::EstimatedCount { max_time: None })).await.unwrap(), Reply::Count(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_conflict_are_all_kept() {
    let (case, store) = opened().await;
    store.data(insert("orders", doc! { "_id": 1, "n": 0_i64 }).unwrap()).await.unwrap();
    let mut owners = Vec::new();
    for number in 0..12_u8 {
        let claimed = case.owned_call(call(&number.to_string(), number)).await.unwrap();
        let ledger = Arc::new(Ledger::default());
        let write = body(vec![update("orders", doc! { "_id": 1 }, doc! { "$inc": { "n": 1_i64 } })], true);
        let (execution, epoch, owner) = (claimed.id.clone(), claimed.epoch, ledger.clone());
        store.submit(Submission { execution, epoch, slot: Slot::default(), write, owner, ticket: 0 });
        owners.push(ledger);
    }
    for owner in owners {
        assert_eq!(owner.told(1).await[0].1.map(|done| done.seq), Ok(Some(0)));
    }
    let found = all(store.data(operation(Verb::Find(Query::default()))).await.unwrap()).await.unwrap();
    assert_eq!(found, [raw(doc! { "_id": 1, "n": 12_i64 })]);
}
