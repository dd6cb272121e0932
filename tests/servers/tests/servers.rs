//! Servers start, stop, die and come back, and leave nothing behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use bson::{Document, doc};
use outlast_test_servers::Mongo;

#[tokio::test]
async fn a_database_of_the_shared_server() {
    let mongo = Mongo::start();
    let documents = mongo.database().await.collection::<Document>("d");
    documents.insert_one(doc! { "_id": 1 }).await.unwrap();
}

#[tokio::test]
async fn auth() {
    let mongo = Mongo::with_auth();
    let documents = mongo.database().await.collection::<Document>("d");
    documents.insert_one(doc! { "_id": 1 }).await.unwrap();
}

#[tokio::test]
async fn tls() {
    let mongo = Mongo::with_tls();
    let documents = mongo.database().await.collection::<Document>("d");
    documents.insert_one(doc! { "_id": 1 }).await.unwrap();
}
