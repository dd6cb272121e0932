//! What is opened, and what is refused: each with a clear error, soon.

use std::time::Instant;

use super::*;
use crate::ErrorKind;

/// The error of a store that can't be opened; within ten seconds.
async fn refusal(options: MongoOptions) -> Error {
    let begun = Instant::now();
    let error = MongoStore::open(options).await.err().expect("it is refused");
    assert!(begun.elapsed() < Duration::from_millis(10_500), "{:?}", begun.elapsed());
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_is_refused() {
    let standalone = server::standalone();
    let error = refusal(MongoOptions::new(standalone.uri())).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("rs.initiate()"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(MongoOptions::new(format!("mongodb://ann:s3cr%65t@127.0.0.1:{port}/shop"))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = format!("{error:?}");
    assert!(text.contains("reached") && !text.contains("s3cr") && !text.contains("ann"), "{text}");
    // One that takes the call and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = refusal(MongoOptions::new(format!("mongodb://127.0.0.1:{port}/shop?directConnection=true"))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused() {
    let uri = server::uri().replace("mongodb://", "mongodb://ann:s3cret@");
    let error = refusal(MongoOptions::new(uri)).await;
    let text = format!("{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{text}");
    assert!(text.contains("refuses this user") && !text.contains("s3cret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_url_is_said_without_its_password() {
    for uri in ["mongodb://ann:s3c/ret@host/shop", "mongodb://ann:s3cret@host:port", "mongodb://", "mongodb://h/a.b"] {
        let error = refusal(MongoOptions::new(uri)).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{uri}: {error:?}");
        assert!(!format!("{error:?}").contains("s3c"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused() {
    let database = server::new_database();
    let store = MongoStore::open(hasty(&database)).await.unwrap();
    let newer = doc! { "$set": { "version": 2 } };
    store.shared.tables.meta.update_one(doc! { "_id": "store" }, newer).await.unwrap();
    store.close().await;
    let error = refusal(hasty(&database)).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_start_at_once_one_makes_the_key() {
    let database = server::new_database();
    let opening = (0..6).map(|_| MongoStore::open(hasty(&database)));
    let stores: Vec<_> = futures::future::join_all(opening).await.into_iter().map(Result::unwrap).collect();
    assert!(stores.iter().all(|store| store.digest_key() == stores[0].digest_key()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_uris_concerns_are_the_applications_alone() {
    let mut options = hasty(&server::new_database());
    options.uri = format!("{}&w=1&readConcernLevel=local&retryWrites=false", server::uri());
    let store = MongoStore::open(options).await.unwrap();
    let own = store.shared.tables.log.write_concern().cloned().unwrap();
    assert_eq!((own.w, own.journal), (Some(mongodb::options::Acknowledgment::Majority), Some(true)));
    let plain = store.shared.plain.write_concern().cloned().unwrap();
    assert_eq!(plain.w, Some(mongodb::options::Acknowledgment::Nodes(1)));
    assert_eq!(store.shared.client_options.retry_writes, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_uri_names_no_concerns_the_applications_are_the_safe_ones() {
    let store = MongoStore::open(hasty(&server::new_database())).await.unwrap();
    let (writes, reads) = (store.shared.plain.write_concern().unwrap(), store.shared.plain.read_concern().unwrap());
    assert_eq!((&writes.w, writes.journal), (&Some(mongodb::options::Acknowledgment::Majority), Some(true)));
    assert_eq!(reads.level, mongodb::options::ReadConcernLevel::Majority);
}

/// The level that the command of an estimate is sent with, by that of the URI.
#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_is_asked_for_with_a_concern_that_it_has() {
    for (asked, sent) in [("snapshot", "local"), ("available", "available"), ("majority", "majority")] {
        let heard = Heard::default();
        let mut options = MongoOptions { heard: Some(heard.clone()), ..hasty(&server::new_database()) };
        options.uri = format!("{}&readConcernLevel={asked}", server::uri());
        let store = MongoStore::open(options).await.unwrap();
        let verb = crate::data::operation::Verb::EstimatedCount { max_time: None };
        let estimate = Operation { collection: "things".into(), verb, comment: None, bypass_validation: false };
        store.data(estimate).await.unwrap();
        assert!(heard.with_levels().contains(&format!("count things {sent}")), "{:?}", heard.with_levels());
    }
}
