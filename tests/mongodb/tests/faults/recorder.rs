//! The history of a store as its server tells it: a change stream of the executions and their logs, by a connection that
//! no fault is made on.

use std::sync::{Arc, Mutex};

use bson::{Bson, Document, doc};
use mongodb::Client;
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType};
use tokio::task::JoinHandle;

use crate::history::{Event, What};

/// `type` of a log's entry that is a fence, and of an outcome.
const FENCE: i32 = 6;
const OUTCOME: i32 = 1;

/// Follows a store.
pub(crate) struct Recorder {
    events: Arc<Mutex<Vec<Event>>>,
    following: JoinHandle<()>,
}

impl Recorder {
    /// Begins with what happens from now on.
    pub(crate) async fn start(uri: &str) -> Self {
        let database = Client::with_uri_str(uri).await.unwrap().default_database().unwrap();
        let theirs = doc! { "$match": { "ns.coll": { "$in": ["outlast.executions", "outlast.log"] } } };
        let mut stream = database.watch().pipeline([theirs.clone()]).await.unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let noted = events.clone();
        let following = tokio::spawn(async move {
            let mut token = stream.resume_token();
            loop {
                match stream.next_if_any().await {
                    Ok(Some(event)) => {
                        token = Some(event.id.clone());
                        noted.lock().unwrap().extend(read(event));
                    }
                    Ok(None) => {}
                    // The server is away: from the same place, as soon as it is back.
                    Err(_) => loop {
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                        let again = database.watch().pipeline([theirs.clone()]).resume_after(token.clone());
                        if let Ok(again) = again.await {
                            stream = again;
                            break;
                        }
                    },
                }
            }
        });
        Self { events, following }
    }

    /// The history, once it has so many ends.
    pub(crate) async fn history(self, ends: usize) -> Vec<Event> {
        let ended = || {
            let events = self.events.lock().unwrap();
            events.iter().filter(|event| matches!(event.what, What::Ended { .. })).count()
        };
        crate::started::within("the change stream tells of all ends", async {
            while ended() < ends {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
        self.following.abort();
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

fn read(event: ChangeStreamEvent<Document>) -> Option<Event> {
    let collection = event.ns.as_ref().and_then(|place| place.coll.clone())?;
    let at = event.wall_time.map_or(0, bson::DateTime::timestamp_millis);
    let key = event.document_key.as_ref()?.get("_id")?.clone();
    let (execution, what) = match (collection.as_str(), &event.operation_type, key) {
        ("outlast.log", OperationType::Insert, Bson::Document(id)) => {
            (id.get_str("e").ok()?.to_owned(), entry(&id, event.full_document.as_ref()?)?)
        }
        ("outlast.executions", OperationType::Insert, Bson::String(id)) => {
            let made = event.full_document.as_ref()?;
            let owner = made.get_str("owner").ok()?.to_owned();
            (id, What::Owned { owner, epoch: made.get_i64("epoch").ok()? })
        }
        ("outlast.executions", OperationType::Update, Bson::String(id)) => {
            let change = event.update_description.as_ref()?;
            (id, update(&change.updated_fields, &change.removed_fields)?)
        }
        _ => return None,
    };
    Some(Event { execution, at, what })
}

fn entry(id: &Document, entry: &Document) -> Option<What> {
    let (place, epoch) = (id.get_i64("p").ok()?, entry.get_i64("epoch").ok()?);
    let kind = entry.get_i32("type").ok()?;
    if kind == FENCE {
        return Some(What::Fence { place, epoch });
    }
    let step = (kind == OUTCOME).then(|| {
        format!("{}#{}", entry.get_str("name").unwrap_or_default(), entry.get_i64("name_ordinal").unwrap_or_default())
    });
    Some(What::Record { place, epoch, step })
}

fn update(updated: &Document, removed: &[String]) -> Option<What> {
    if let Ok(status @ 1..=3) = updated.get_i32("status") {
        let _ = status;
        return Some(What::Ended { epoch: updated.get_i64("left").ok()? });
    }
    if let Ok(owner) = updated.get_str("owner") {
        return Some(What::Owned { owner: owner.to_owned(), epoch: updated.get_i64("epoch").ok()? });
    }
    removed.iter().any(|field| field == "owner").then_some(What::Free)
}
