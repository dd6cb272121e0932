//! The driver alone: a client as outlast's own is, and collections with the indexes of its own.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, ServerMonitoringMode, WriteConcern,
};
use mongodb::{Client, Collection, Database};
use outlast_test_servers::Mongo;

use crate::{Result, wrong};

/// Connections of one client, outlast's for work.
pub(crate) const CONNECTIONS: u32 = 3;

/// The database of a run, by a client with nothing else to do.
pub(crate) async fn database(mongo: &Mongo) -> Result<Database> {
    let mut options = ClientOptions::parse(mongo.uri()).await?;
    options.max_pool_size.get_or_insert(CONNECTIONS);
    options.server_monitoring_mode.get_or_insert(ServerMonitoringMode::Poll);
    options.heartbeat_freq.get_or_insert(Duration::from_secs(2));
    Ok(Client::with_options(options)?.database(mongo.name()))
}

/// A collection whose writes are on most members' disks before they are answered, and whose reads show nothing else: as
/// outlast's own are, and the application's where the URI says nothing.
pub(crate) fn durable<T: Send + Sync>(database: &Database, name: &str) -> Collection<T> {
    let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(concern).read_concern(ReadConcern::majority());
    database.collection_with_options(name, options.build())
}

/// A collection as one of outlast's own is, its indexes too.
pub(crate) async fn like(database: &Database, own: &str, name: &str) -> Result<Collection<Document>> {
    let collection = durable(database, name);
    database.create_collection(name).await?;
    let indexes: Vec<_> = database.collection::<Document>(own).list_indexes().await?.try_collect().await?;
    for index in indexes.into_iter().filter(|index| index.keys != doc! { "_id": 1 }) {
        collection.create_index(index).await?;
    }
    Ok(collection)
}

/// An execution as it is stored after its end, and its rows in order.
pub(crate) async fn stored(database: &Database, id: &str) -> Result<(Document, Vec<Document>)> {
    let execution = database.collection::<Document>("outlast.executions").find_one(doc! { "_id": id }).await?;
    let execution = execution.ok_or_else(|| wrong(format!("the execution {id} isn't there")))?;
    let log = database.collection::<Document>("outlast.log");
    let mut rows: Vec<Document> = log.find(doc! { "_id.e": id }).await?.try_collect().await?;
    rows.sort_by_key(|row| row.get_document("_id").and_then(|id| id.get_i64("p")).unwrap_or_default());
    if rows.is_empty() {
        return Err(wrong(format!("the execution {id} has no rows")));
    }
    Ok((execution, rows))
}
