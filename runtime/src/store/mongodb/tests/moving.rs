//! `export` and `import`: from the embedded store to MongoDB and back, and what is refused on the way.

use bson::Document;

use super::*;
use crate::archive::import;
use crate::archive::tests::{contents, exported, full};
use crate::data::models::{IndexModel, IndexOptions};
use crate::data::operation::Verb;
use crate::store::conformance::case::{
    all, call, find, id, insert, outcome, request, signal, step, succeeded, watcher,
};
use crate::store::sqlite::tests::case_on as embedded_case;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{End, Finished, MessageBody, RowKind, Value, Write};
use crate::{Error, ErrorKind};

async fn opened(path: &std::path::Path) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteOptions::file(path)).await.unwrap()
}

fn operation(collection: &str, verb: Verb) -> Operation {
    Operation { collection: collection.into(), verb, comment: None, bypass_validation: false }
}

/// An embedded store with more of everything: indexes of each kind, ends of each kind, messages taken and waiting,
/// deaths, values too large for a document.
async fn everything(path: &std::path::Path) -> Arc<SqliteStore> {
    let store = full(path).await;
    let case = embedded_case(store.clone()).await;
    let model = |keys: Document, options: IndexOptions| IndexModel::builder().keys(keys).options(options).build();
    let indexes = vec![
        model(doc! { "tags": 1, "n": -1 }, IndexOptions::builder().build()),
        model(doc! { "n": 1 }, IndexOptions::builder().sparse(true).build()),
        model(doc! { "at": 1 }, IndexOptions::builder().expire_after(Duration::from_secs(1 << 30)).build()),
        model(
            doc! { "code": 1 },
            IndexOptions::builder()
                .name("codes".to_owned())
                .unique(true)
                .partial_filter_expression(doc! { "code": { "$gt": 5 } })
                .build(),
        ),
    ];
    store.data(operation("indexed", Verb::CreateIndexes(indexes))).await.unwrap();
    for number in 0..20 {
        let document = doc! { "_id": number, "tags": ["a", number], "n": f64::from(number), "at": bson::DateTime::now(), "code": number };
        store.data(insert("indexed", document).unwrap()).await.unwrap();
    }
    store.data(insert("large", doc! { "_id": "l", "text": "x".repeat(15 << 20) }).unwrap()).await.unwrap();
    let large = |byte: u8| vec![byte; 20 << 20];
    let failed = case.owned_call(NewExecution { arguments: large(1), ..call("failed", 5) }).await.unwrap();
    case.must(&failed, Write::Row { row: outcome("large", 0, Value::Ok(large(2))), from: None }).await.unwrap();
    let error = Finished { end: End::Failed, value: Value::Err(large(3)) };
    case.must(&failed, Write::End(error)).await.unwrap();
    // One that has taken a signal, has another, and whose worker died twice.
    let signalled = case.owned("signalled").await.unwrap();
    store.post(id("signalled"), signal("taken", "rating")).await.unwrap();
    store.inbox(id("signalled")).await.unwrap();
    let arrived = RowKind::Arrival { name: "rating".into(), payload: b"taken".to_vec() };
    case.must(&signalled, Write::Row { row: arrived, from: Some("taken".into()) }).await.unwrap();
    let mut waiting = signal("waits", "rating");
    if let MessageBody::Signal { payload, .. } = &mut waiting.body {
        *payload = large(4);
    }
    store.post(id("signalled"), waiting).await.unwrap();
    store
}

/// Collections and their indexes by their names, which is one order among several that servers list them in; all else
/// as it came.
fn by_collection(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = contents(bytes);
    let rest = all.split_off(all.iter().position(|body| body.contains_key("execution")).unwrap());
    for indexes in all.iter_mut().filter_map(|body| body.get_array_mut("indexes").ok()) {
        indexes
            .sort_by_key(|index| index.as_document().and_then(|index| index.get_str("name").ok()).map(str::to_owned));
    }
    let name = |body: &Document| body.get_str("collection").or_else(|_| body.get_str("of")).unwrap_or("").to_owned();
    all.sort_by_key(name);
    all.extend(rest);
    all.iter().map(|body| body.to_vec().unwrap()).collect()
}

fn assert_same(first: &[u8], second: &[u8]) {
    let (first, second) = (by_collection(first), by_collection(second));
    for (first, second) in first.iter().zip(&second) {
        if first != second {
            let read = |bytes: &Vec<u8>| Document::from_reader(bytes.as_slice()).unwrap().to_string();
            let short = |text: String| text.chars().take(3000).collect::<String>();
            panic!("{}\nis not\n{}", short(read(first)), short(read(second)));
        }
    }
    assert_eq!(first.len(), second.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_here_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = everything(&folder.path().join("first.db")).await;
    let (there, moved) = exported(&*embedded).await;
    let store = MongoStore::open(hasty(&server::new_database())).await.unwrap();
    assert_eq!(import(&*store, &there[..], |_, _| ()).await.unwrap().executions, moved.executions);
    let name = store.shared.own.name().to_owned();
    store.close().await;
    let store = MongoStore::open(hasty(&name)).await.unwrap();
    assert_eq!(store.digest_key(), embedded.digest_key(), "calls are told apart as before");
    let (here, again) = exported(&*store).await;
    assert_same(&there, &here);
    assert_eq!((again.documents, again.rows, again.tombstones), (moved.documents, moved.rows, moved.tombstones));
    let back = opened(&folder.path().join("back.db")).await;
    import(&*back, &here[..], |_, _| ()).await.unwrap();
    back.close().await;
    let back = opened(&folder.path().join("back.db")).await;
    assert_same(&there, &exported(&*back).await.0);
    goes_on(&store).await;
}

/// What was moved works where it is.
async fn goes_on(store: &Arc<MongoStore>) {
    let taken = store.data(insert("customers", doc! { "_id": "new", "email": "7@x" }).unwrap()).await.unwrap_err();
    assert!(taken.is_duplicate_key(), "its index holds");
    let found = all(store.data(find("odd", doc! {})).await.unwrap()).await.unwrap();
    assert!(found[0].get_f64("n").unwrap().is_nan());
    assert!(matches!(store.create(call("ended", 1)).await.unwrap(), Created::Ended(_)), "the same call, ended");
    assert!(!store.post(id("signalled"), signal("taken", "rating")).await.unwrap(), "taken once");
    let worker = store.register(1).await.unwrap();
    let mut claimed = store.claim(request(&worker, 10)).await.unwrap();
    claimed.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    let ids: Vec<_> = claimed.iter().map(|claimed| claimed.id.as_str()).collect();
    assert_eq!(ids, ["running", "signalled"]);
    let (running, signalled) = (&claimed[0], &claimed[1]);
    assert_eq!((running.epoch.0, running.record.len(), running.attempts.len(), running.inbox.len()), (2, 1, 1, 2));
    assert_eq!((signalled.record.len(), signalled.inbox.len()), (1, 1));
    let case = conformance::case::Case { stores: Arc::new(Databases::default()), store: store.clone(), worker };
    assert_eq!(case.must(running, step("two", 1)).await.unwrap().seq, Some(1), "its record goes on");
    case.must(running, Write::End(succeeded(1))).await.unwrap();
    let told = case.details("parked").await.unwrap().inbox;
    assert!(told.iter().any(|message| &*message.id == "w"), "its watcher hears of the end: {told:?}");
    conformance::case::sound(&**store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deaths_are_counted_on() {
    let (mut case, store) = case_on(hasty(&server::new_database())).await;
    case.owned("a").await.unwrap();
    for _ in 0..3 {
        expire(&case, &store).await;
        case.worker = store.register(1).await.unwrap();
        store.sweep(&case.worker).await.unwrap();
        case.claim().await.unwrap();
    }
    store.leave(&case.worker).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = exported(&*store).await;
    let embedded = opened(&folder.path().join("copy.db")).await;
    import(&*embedded, &bytes[..], |_, _| ()).await.unwrap();
    embedded.close().await;
    let embedded = opened(&folder.path().join("copy.db")).await;
    let (again, _) = exported(&*embedded).await;
    assert_same(&bytes, &again);
    let third = MongoStore::open(hasty(&server::new_database())).await.unwrap();
    import(&*third, &again[..], |_, _| ()).await.unwrap();
    let worker = third.register(1).await.unwrap();
    let claimed = third.claim(request(&worker, 1)).await.unwrap();
    let crashes = contents(&bytes)[1].get_document("execution").unwrap().get_i64("crashes").unwrap();
    assert_eq!((i64::from(claimed[0].crashes), crashes), (3, 3));
}

async fn refused(store: &MongoStore, bytes: &[u8]) -> Error {
    import(store, bytes, |_, _| ()).await.unwrap_err()
}

async fn is_empty(store: &MongoStore) -> bool {
    let tables = &store.shared.tables;
    let mut held = store.shared.application_collections().await.unwrap().len() as u64;
    for table in [&tables.executions, &tables.log, &tables.inbox, &tables.blobs] {
        held += table.count_documents(doc! {}).await.unwrap();
    }
    held == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = exported(&*everything(&folder.path().join("first.db")).await).await;
    let database = server::new_database();
    let store = MongoStore::open(hasty(&database)).await.unwrap();
    let meta = || async { store.shared.tables.meta.find_one(doc! { "_id": "store" }).await.unwrap() };
    let before = meta().await;
    let mut flipped = bytes.clone();
    flipped[bytes.len() - 300] ^= 1;
    for broken in [&bytes[..bytes.len() / 3], &bytes[..bytes.len() - 1], &flipped] {
        let error = refused(&store, broken).await;
        let said = error.messages().join(": ");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{said}");
        assert!(said.contains("nothing was imported") && said.contains("at byte"), "{said}");
        assert!(is_empty(&store).await);
        assert_eq!(meta().await, before, "key and incarnation, too");
    }
    import(&*store, &bytes[..], |_, _| ()).await.unwrap();
    assert!(!is_empty(&store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_store_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = exported(&*full(&folder.path().join("first.db")).await).await;
    let with_execution = MongoStore::open(hasty(&server::new_database())).await.unwrap();
    with_execution.create(call("a", 1)).await.unwrap();
    let with_document = MongoStore::open(hasty(&server::new_database())).await.unwrap();
    with_document.data(insert("customers", doc! { "_id": 1 }).unwrap()).await.unwrap();
    let with_worker = MongoStore::open(hasty(&server::new_database())).await.unwrap();
    with_worker.register(1).await.unwrap();
    for (store, what) in [(&with_execution, "executions"), (&with_document, "customers"), (&with_worker, "workers")] {
        let error = refused(store, &bytes).await;
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
    assert!(with_execution.details(id("a")).await.unwrap().is_some(), "what was there stays");
    assert_eq!(all(with_document.data(find("customers", doc! {})).await.unwrap()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_with_a_name_of_the_servers_own_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = opened(&folder.path().join("first.db")).await;
    embedded.data(insert("system.letters", doc! { "_id": 1 }).unwrap()).await.unwrap();
    let (bytes, _) = exported(&*embedded).await;
    let error = refused(&MongoStore::open(hasty(&server::new_database())).await.unwrap(), &bytes).await;
    assert!(error.messages().concat().contains("system.letters can't be in MongoDB"), "{error:?}");
    embedded.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_filled_half_way_is_refused() {
    let database = server::new_database();
    let store = MongoStore::open(hasty(&database)).await.unwrap();
    store.begin_import(vec![7; 16]).await.unwrap();
    // Another import, and whoever opens it: the first one's process was killed.
    assert_eq!(store.begin_import(vec![8; 16]).await.unwrap_err().kind(), ErrorKind::Damaged);
    store.close().await;
    let error = MongoStore::open(hasty(&database)).await.err().unwrap();
    assert!(error.to_string().contains(&format!("drop the database {database}")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_half_told_is_whole_in_an_export() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    case.owned_call(NewExecution { watcher: Some(watcher("b", "w")), ..call("a", 1) }).await.unwrap();
    case.owned("b").await.unwrap();
    // As its owner's end leaves it, and then dies.
    let half = doc! {
        "$set": { "status": 1, "ended": 5_i64, "outcome": 1, "value": schema::binary(vec![9]), "tell": true },
        "$unset": { "owner": "" },
    };
    store.shared.tables.executions.update_one(doc! { "_id": "a" }, half).await.unwrap();
    store.leave(&case.worker).await.unwrap();
    let copy = MongoStore::open(hasty(&server::new_database())).await.unwrap();
    import(&*copy, &exported(&*store).await.0[..], |_, _| ()).await.unwrap();
    let inbox = copy.details(id("b")).await.unwrap().unwrap().inbox;
    let body = MessageBody::Ended { execution: id("a"), finished: succeeded(9) };
    assert_eq!(inbox, [Message { id: "w".into(), body }]);
    let worker = copy.register(1).await.unwrap();
    let claimed = copy.claim(request(&worker, 5)).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].inbox, inbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_exported_is_read_in_the_snapshot() {
    let heard = Heard::default();
    let mut options = hasty(&server::new_database());
    options.heard = Some(heard.clone());
    let (case, store) = case_on(options).await;
    store.data(insert("customers", doc! { "_id": 1 }).unwrap()).await.unwrap();
    let claimed = case.owned("a").await.unwrap();
    case.must(&claimed, Write::Row { row: outcome("large", 0, Value::Ok(vec![1; 6 << 20])), from: None })
        .await
        .unwrap();
    store.post(id("a"), signal("m", "rating")).await.unwrap();
    store.leave(&case.worker).await.unwrap();
    let before = heard.with_levels().len();
    exported(&*store).await;
    let asked = heard.with_levels().split_off(before);
    for name in ["meta", "executions", "log", "inbox", "blobs"].map(|name| format!("outlast.{name}")) {
        let of: Vec<_> = asked.iter().filter(|asked| asked.starts_with(&format!("find {name} "))).collect();
        assert!(!of.is_empty() && of.iter().all(|asked| asked.ends_with(" snapshot")), "{name}: {of:?}");
    }
    assert!(asked.contains(&"find customers snapshot".to_owned()), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_one_moment() {
    let (_case, store) = case_on(hasty(&server::new_database())).await;
    store.data(insert("customers", doc! { "_id": 1 }).unwrap()).await.unwrap();
    match store.export().await {
        // A server that holds no snapshots: with a worker alive it can't be told what is written meanwhile.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert!(error.to_string().contains("no snapshot"), "{error}");
        }
        Ok(mut pieces) => {
            store.data(insert("customers", doc! { "_id": 2 }).unwrap()).await.unwrap();
            let mut documents = 0;
            loop {
                let some = pieces.next().await.unwrap();
                if some.is_empty() {
                    break;
                }
                for piece in some {
                    if let Piece::Documents { documents: more, .. } = piece {
                        documents += more.len();
                    }
                }
            }
            assert_eq!(documents, 1);
        }
    }
}
