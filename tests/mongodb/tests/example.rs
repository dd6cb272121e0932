//! The worked example `crud` on MongoDB: the program that people run, with a URI of the kind that they have.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::process::Command;

use outlast_test_servers::Mongo;

fn crud(store: &str) -> (bool, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_crud-on-mongodb")).env("OUTLAST_STORE", store).output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (done.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worked_example_is_right_on_mongodb() {
    let mongo = Mongo::start();
    let uri = mongo.uri();
    let uri = format!("{uri}{}retryWrites=true&w=majority", if uri.contains('?') { '&' } else { '?' });
    // The second run takes away what the first has left.
    for _ in 0..2 {
        let (right, said) = crud(&uri);
        assert!(right && said.ends_with("all of it is right\n"), "{said}");
    }
    let customers = mongo.database().await.collection::<bson::Document>("crud-customers");
    assert_eq!(customers.count_documents(bson::doc! {}).await.unwrap(), 1, "it was there that it ran");
}

#[test]
fn the_worked_example_fails_where_there_is_no_store() {
    let mongo = Mongo::start();
    let (right, said) = crud(&mongo.uri().replace(mongo.name(), "admin"));
    assert!(!right && said.contains("the database `admin` can't hold a store"), "{said}");
}
