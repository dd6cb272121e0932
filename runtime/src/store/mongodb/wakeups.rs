//! What has changed: this handle's own commits at once, others' through a change stream, and by looking where there is
//! none.
//!
//! Events are hints: whoever hears of one looks for itself. So a stream that breaks is opened anew from now on, and one
//! look makes up for what was missed. The task owns the stream alone; nothing selects over it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bson::{Bson, RawDocumentBuf, doc};
use mongodb::Client;
use mongodb::change_stream::ChangeStream;
use tokio::task::AbortHandle;

use super::failure::Failure;
use super::interests::concerns;
use super::schema::Tables;
use super::shared::Shared;

/// How long the server waits for something to happen before it says that nothing has.
const AWAIT: Duration = Duration::from_secs(2);

/// The first pause.
const SHORT: Duration = Duration::from_millis(4);
/// The longest, where each is cut short.
const LONGEST: Duration = Duration::from_millis(500);

/// The look-out: its task, and the client that it shares with the leases.
#[derive(Clone)]
pub(super) struct LookOut {
    client: Client,
    task: AbortHandle,
}

impl LookOut {
    /// Ends it, and all that the driver does for it.
    pub(super) async fn stop(self) {
        self.task.abort();
        self.client.shutdown().immediate(true).await;
    }
}

/// Starts the look-out.
pub(super) fn start(shared: &Arc<Shared>) -> LookOut {
    let _entered = shared.runtime.enter();
    // The stream holds a connection all the time.
    let client = shared.aside.clone();
    let tables = Tables::of(&client.database(shared.own.name()));
    let task = shared.runtime.spawn(look_out(Arc::downgrade(shared), tables)).abort_handle();
    LookOut { client, task }
}

async fn look_out(shared: Weak<Shared>, tables: Tables) {
    let mut stream: Option<ChangeStream<RawDocumentBuf>> = None;
    let mut said = false;
    let mut cut_short = 0;
    loop {
        let Some(alive) = shared.upgrade().filter(|alive| !alive.is_closed()) else { return };
        let Some(open) = &mut stream else {
            match watch(&tables).await {
                Ok(opened) => {
                    alive.interests.follow(true);
                    said = false;
                    stream = Some(opened);
                }
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        let failure = Failure::of(&error, &alive.redaction).error(&alive.name);
                        tracing::warn!(error = %failure, "changes can't be followed: they are looked for");
                    }
                    let poll = alive.options.poll;
                    drop(alive);
                    tokio::time::sleep(poll).await;
                }
            }
            // What was missed, or can't be heard.
            if let Some(alive) = shared.upgrade() {
                alive.bump();
            }
            continue;
        };
        let begun = Instant::now();
        // Without the store: a wait for the server mustn't keep it alive.
        drop(alive);
        let next = open.next_if_any().await;
        let Some(alive) = shared.upgrade() else { return };
        match next {
            Ok(Some(event)) => {
                cut_short = 0;
                if concerns(&alive, &event) {
                    alive.bump();
                }
            }
            Ok(None) if open.is_alive() => {
                // The driver opens a broken stream again and again by itself, without a wait; and some servers end the
                // wait at any write, whether it is of interest or not.
                if begun.elapsed() >= AWAIT / 2 {
                    cut_short = 0;
                    continue;
                }
                let pause = pause_after(cut_short).min(alive.options.poll);
                cut_short += 1;
                drop(alive);
                tokio::time::sleep(pause).await;
            }
            Ok(None) | Err(_) => {
                stream = None;
                alive.interests.follow(false);
                // A stream ends with its collection, too.
                if let Ok(true) = alive.look_at_incarnation(&alive.tables.meta).await {
                    return;
                }
                alive.bump();
            }
        }
    }
}

/// How long to leave the server alone after so many waits in a row that were cut short and one more: hardly, so that
/// what comes next is heard of; then ever longer.
pub(super) fn pause_after(cut_short: u32) -> Duration {
    (SHORT * 2_u32.saturating_pow(cut_short)).min(LONGEST)
}

async fn watch(tables: &Tables) -> mongodb::error::Result<ChangeStream<RawDocumentBuf>> {
    let updated = |field: &str| {
        let mut condition = bson::Document::new();
        condition.insert(format!("updateDescription.updatedFields.{field}"), doc! { "$exists": true });
        Bson::Document(condition)
    };
    let interesting = vec![
        updated("due"),
        updated("bell"),
        updated("status"),
        doc! { "updateDescription.removedFields": "tell" }.into(),
        doc! { "operationType": { "$in": ["insert", "replace"] }, "fullDocument.due": { "$exists": true } }.into(),
    ];
    let pipeline = [
        doc! { "$match": { "operationType": { "$in": ["insert", "update", "replace"] }, "$or": interesting } },
        doc! { "$project": {
            "operationType": 1,
            "documentKey": 1,
            "new": "$fullDocument.queue",
            "queue": "$updateDescription.updatedFields.queue",
            "due": "$updateDescription.updatedFields.due",
            "status": "$updateDescription.updatedFields.status",
            "removed": "$updateDescription.removedFields",
            "bell": "$updateDescription.updatedFields.bell",
        } },
    ];
    let stream = tables.executions.watch().pipeline(pipeline).max_await_time(AWAIT).await?;
    Ok(stream.with_type())
}
