//! How soon a worker begins what a caller without one has created; beside the change stream that tells it.

use std::time::Duration;

use mongodb::bson::doc;
use outlast::App;
use outlast_test_servers::Mongo;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::functions::noticed;
use crate::worker::Worker;
use crate::{Result, bare, clock, micros, proof, task, wrong};

/// As long as outlast's own stream has the server wait.
const AWAIT: Duration = Duration::from_millis(500);

pub(crate) async fn measure(mongo: &Mongo, count: u64) -> Result<Json> {
    let worker = Worker::start(&mongo.uri())?;
    let caller = App::new().store(mongo.uri()).caller_only().start().await?;
    let database = bare::database(mongo).await?;
    let inserts = bare::durable(&database, "bare");
    database.create_collection("bare").await?;
    let mut events = follow(mongo).await?;

    let (mut claims, mut creations, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    // The first isn't measured.
    for number in 0..=count {
        let asked = clock();
        let handle = noticed().start().await?;
        let created = clock();
        let begun = Duration::from_nanos(handle.result().await?);
        let inserts = inserts.clone();
        let inserted = task(async move {
            let begun = clock();
            inserts.insert_one(doc! { "_id": number as i64 }).await?;
            Ok(begun)
        });
        let inserted = inserted.await?;
        let heard = events.recv().await.ok_or_else(|| wrong("the change stream has ended"))?;
        if number > 0 {
            claims.push(micros(begun.saturating_sub(asked)));
            creations.push(micros(created.saturating_sub(asked)));
            changes.push(micros(heard.saturating_sub(inserted)));
        }
    }
    caller.shutdown().await;
    worker.end()?;
    proof::prove(&database, count + 1, count + 1).await?;
    Ok(json!({ "ours": claims, "creations": creations, "bare": changes }))
}

/// When the change stream of another client tells of each insert.
async fn follow(mongo: &Mongo) -> Result<mpsc::UnboundedReceiver<Duration>> {
    let watched = bare::database(mongo).await?.collection::<mongodb::bson::Document>("bare");
    let mut stream = watched.watch().max_await_time(AWAIT).await?;
    let (tell, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while stream.is_alive() {
            match stream.next_if_any().await {
                Ok(Some(_)) if tell.send(clock()).is_ok() => {}
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return,
            }
        }
    });
    Ok(events)
}
