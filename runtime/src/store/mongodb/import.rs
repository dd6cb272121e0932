//! Filling an empty store with pieces of another one.
//!
//! A store that is being filled is marked: whoever opens it is refused until all is in it, and it has another incarnation
//! and digest key from then on. What breaks off is taken back: the store is empty again, and what it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::Collection;
use mongodb::error::ErrorKind as DriverKind;
use serde::Serialize;

use super::entries::{self, At, outcome_number};
use super::executions::{code, watcher};
use super::export::{is_of_application, is_own};
use super::failure::{DUPLICATE_KEY, Failure, Fault};
use super::inbox::{Posting, TAKEN};
use super::schema::{OPEN, PARKED, TOMBSTONE, binary};
use super::shared::{Pause, Shared};
use super::{keyed, random};
use crate::data::models::IndexModel;
use crate::error::{Error, ErrorKind};
use crate::store::{Attempt, ExecutionId, MessageBody, Piece, Portable, Row, Stamp, Status};

/// About the most bytes of one insert.
const MOST_BYTES: usize = 8 << 20;
/// How long a server that is away is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The execution whose rows are coming: what stands behind them in its log.
pub(super) struct Tail {
    id: ExecutionId,
    epoch: i64,
    /// Messages to it are still told apart from those that were taken.
    open: bool,
    /// The place behind its last row.
    next: i64,
    attempts: Vec<Attempt>,
    crashes: u32,
}

/// Documents on their way into outlast's own collections.
#[derive(Default)]
struct Batch {
    executions: Vec<Document>,
    log: Vec<Document>,
    inbox: Vec<Document>,
    bytes: usize,
}

fn twice(what: &str) -> Error {
    Error::of(ErrorKind::Damaged, format!("{what} comes twice in what is imported"))
}

/// The error of a store that was filled half-way.
pub(super) fn half_filled(database: &str) -> Error {
    Error::of(
        ErrorKind::Damaged,
        format!(
            "an import into this store hasn't ended, so it holds a part: wait for its end, or, if it was killed, drop the \
             database {database} and import again"
        ),
    )
}

impl Shared {
    /// Marks the store, which must be empty. Gives back its incarnation from now on.
    pub(super) async fn begin_import(&self, digest_key: &[u8]) -> Result<(), Fault> {
        self.check_empty().await?;
        let incarnation = crate::digest::hex(&random::<16>()?);
        self.incarnation.add(incarnation.clone());
        let unmarked = doc! { "_id": "store", "importing": { "$exists": false } };
        let mark = doc! {
            "importing": &incarnation,
            "before": { "digest_key": "$digest_key", "incarnation": "$incarnation" },
            "digest_key": { "$literal": binary(digest_key.to_vec()) },
            "incarnation": &incarnation,
        };
        let marked = self.command(self.tables.meta.update_one(unmarked, vec![doc! { "$set": mark }])).await?;
        if marked.matched_count == 0 {
            return Err(half_filled(self.own.name()).into());
        }
        *self.importing.lock().await = None;
        // Who was quicker than the mark is seen now.
        if let Err(fault) = self.check_empty().await {
            self.unmark().await?;
            return Err(fault);
        }
        Ok(())
    }

    async fn check_empty(&self) -> Result<(), Fault> {
        let conflict = |what: &str| {
            let message = format!("the store has {what} already: import into one that is empty");
            Fault::from(Error::of(ErrorKind::Conflict, message))
        };
        if let Some(found) = self.command(self.tables.executions.find_one(doc! {})).await? {
            let ended = found.get_i32("status").is_ok_and(|status| status == TOMBSTONE);
            return Err(conflict(if ended { "tombstones" } else { "executions" }));
        }
        if let Some(name) = self.application_collections().await?.first() {
            return Err(conflict(&format!("collections ({name})")));
        }
        if self.alive().await? > 0 {
            let message = "workers of the store are alive: stop them before an import".to_owned();
            return Err(Error::of(ErrorKind::Conflict, message).into());
        }
        Ok(())
    }

    /// The store is what it was before it was marked.
    async fn unmark(&self) -> Result<(), Failure> {
        let before = doc! {
            "digest_key": "$before.digest_key", "incarnation": "$before.incarnation",
            "importing": "$$REMOVE", "before": "$$REMOVE",
        };
        let marked = doc! { "_id": "store", "importing": { "$exists": true } };
        self.command(self.tables.meta.update_one(marked, vec![doc! { "$set": before }])).await.map(drop)
    }

    /// The store is whole.
    pub(super) async fn end_import(&self) -> Result<(), Fault> {
        let mut batch = Batch::default();
        self.finish_log(&mut batch).await;
        self.put(&mut batch).await?;
        let done = doc! { "$unset": { "importing": "", "before": "" } };
        self.command(self.tables.meta.update_one(doc! { "_id": "store" }, done)).await?;
        Ok(())
    }

    /// Takes out all that was put in. Nobody else has written: the store was marked, and empty.
    pub(super) async fn abort_import(&self) -> Result<(), Fault> {
        let marked = doc! { "_id": "store", "importing": { "$exists": true } };
        if self.command(self.tables.meta.find_one(marked)).await?.is_none() {
            return Ok(());
        }
        for name in self.application_collections().await? {
            self.command(self.own.collection::<Document>(&name).drop()).await?;
        }
        for table in [&self.tables.log, &self.tables.inbox, &self.tables.blobs, &self.tables.executions] {
            self.command(table.delete_many(doc! {})).await?;
        }
        Ok(self.unmark().await?)
    }

    /// Puts pieces in.
    pub(super) async fn import(&self, pieces: Vec<Piece>) -> Result<(), Fault> {
        let mut batch = Batch::default();
        for piece in pieces {
            match piece {
                Piece::Collection { name, indexes } => self.make_collection(&name, &indexes).await?,
                Piece::Documents { collection, documents } => {
                    let table = self.own.collection::<RawDocumentBuf>(&collection);
                    self.insert_whole(&table, &documents).await?;
                }
                Piece::Execution(execution) => {
                    self.finish_log(&mut batch).await;
                    self.put_execution(&mut batch, *execution).await?;
                }
                Piece::Rows { execution, rows } => self.put_rows(&mut batch, &execution, rows).await?,
                Piece::Tombstone { id, digest, ended } => {
                    let digest = binary(digest.0.to_vec());
                    let left = doc! { "_id": id.as_str(), "status": TOMBSTONE, "digest": digest, "gone": ended.0 };
                    batch.executions.push(left);
                }
            }
            if batch.bytes >= MOST_BYTES {
                self.put(&mut batch).await?;
            }
        }
        self.put(&mut batch).await
    }

    async fn make_collection(&self, name: &str, indexes: &[IndexModel]) -> Result<(), Fault> {
        if !is_of_application(name) {
            let text =
                format!("a collection {name} can't be in MongoDB: give it another name where it is, and export again");
            return Err(Error::of(ErrorKind::Conflict, text).into());
        }
        self.command(self.own.create_collection(name)).await?;
        if !indexes.is_empty() {
            let table = self.own.collection::<Document>(name);
            self.command(table.create_indexes(indexes.iter().cloned().map(mongodb::IndexModel::from))).await?;
        }
        Ok(())
    }

    async fn put_execution(&self, batch: &mut Batch, execution: Portable) -> Result<(), Fault> {
        let id = execution.id;
        let open = execution.finished.is_none();
        let (status, due) = match execution.status {
            Status::Running | Status::Ready => (OPEN, Some(execution.created)),
            Status::Waiting => (OPEN, execution.wake),
            Status::Parked => (PARKED, execution.wake),
            Status::Ended(end) => (i32::from(end as u8), None),
        };
        let code = code(&execution.function, execution.version);
        batch.bytes += execution.arguments.len() + 1024;
        let mut document = doc! {
            "_id": id.as_str(),
            "function": &*execution.function,
            "version": i64::from(execution.version),
            "code": &*code,
            "arguments": self.spill(&id, execution.arguments).await?,
            "digest": binary(execution.digest.0.to_vec()),
            "status": status,
            "epoch": execution.epoch.0 as i64,
            "created": execution.created.0,
            "seed": execution.seed as i64,
            "posts": execution.inbox.len() as i64,
            // Its fences count as crashes from here on.
            "calm": (execution.epoch.0 as i64).saturating_sub(i64::from(execution.crashes)),
        };
        if let Some(due) = due {
            document.extend(doc! { "due": due.0, "queue": code });
        }
        let stamps = [("started", execution.started), ("deadline", execution.deadline), ("ended", execution.ended)];
        for (name, stamp) in stamps {
            document.extend(stamp.map(|stamp| (name.to_owned(), Bson::from(stamp.0))));
        }
        document.extend(execution.parent.map(|parent| ("parent".to_owned(), Bson::from(parent.as_str()))));
        document.extend(execution.until_build.map(|build| ("until_build".to_owned(), Bson::from(build as i64))));
        if let Some(reason) = execution.reason {
            document.insert("reason", self.spill(&id, reason).await?);
        }
        if let Some(finished) = execution.finished {
            let value = finished.value.bytes().to_vec();
            batch.bytes += value.len();
            let outcome = outcome_number(&finished.value);
            document.extend(doc! { "outcome": outcome, "value": self.spill(&id, value).await? });
        }
        if open && !execution.watchers.is_empty() {
            document.insert("watchers", execution.watchers.iter().map(watcher).collect::<Vec<_>>());
        }
        if execution.inbox.iter().any(|message| matches!(message.body, MessageBody::Cancel { .. })) {
            document.insert("cancel", true);
        }
        batch.executions.push(document);
        for message in execution.inbox {
            let posting = Posting::new(message)?;
            batch.bytes += posting.size();
            batch.inbox.push(self.message_document(&id, &posting).await?);
        }
        *self.importing.lock().await = Some(Tail {
            id,
            epoch: execution.epoch.0 as i64,
            open,
            next: 0,
            attempts: execution.attempts,
            crashes: execution.crashes,
        });
        Ok(())
    }

    async fn put_rows(
        &self,
        batch: &mut Batch,
        execution: &ExecutionId,
        rows: Vec<(Row, Option<Arc<str>>)>,
    ) -> Result<(), Fault> {
        let mut tail = self.importing.lock().await;
        let Some(tail) = tail.as_mut().filter(|tail| tail.id == *execution) else {
            let text = format!("rows of {execution} come without it in what is imported");
            return Err(Error::of(ErrorKind::Damaged, text).into());
        };
        for (row, message) in rows {
            let place = row.seq as i64;
            if place != tail.next {
                let text =
                    format!("row {place} of {execution} comes where row {} is to be in what is imported", tail.next);
                return Err(Error::of(ErrorKind::Damaged, text).into());
            }
            tail.next += 1;
            batch.bytes += row.bytes() + 512;
            let at = At { place, epoch: tail.epoch, stamp: row.stamp };
            let values = self.spilled(execution, &row.kind).await?;
            batch.log.push(entries::row(execution, at, row.seq, &row.kind, message.as_deref(), values));
            if let Some(message) = message.filter(|_| tail.open) {
                batch.inbox.push(doc! { "_id": keyed(execution, &message), "state": TAKEN });
            }
        }
        Ok(())
    }

    /// What stands behind the rows: attempts, and a fence for each death since.
    async fn finish_log(&self, batch: &mut Batch) {
        let Some(tail) = self.importing.lock().await.take() else { return };
        let stamp = Stamp::now();
        let mut place = tail.next;
        let mut at = |epoch| {
            place += 1;
            At { place: place - 1, epoch, stamp }
        };
        for attempt in &tail.attempts {
            batch.bytes += attempt.error.len() + 512;
            batch.log.push(entries::attempt(&tail.id, at(tail.epoch), attempt));
        }
        for death in (0..i64::from(tail.crashes)).rev() {
            batch.log.push(entries::fence(&tail.id, at(tail.epoch - death)));
        }
    }

    async fn put(&self, batch: &mut Batch) -> Result<(), Fault> {
        let Batch { executions, log, inbox, .. } = std::mem::take(batch);
        self.insert_whole(&self.tables.executions, &executions).await?;
        self.insert_whole(&self.tables.log, &log).await?;
        self.insert_whole(&self.tables.inbox, &inbox).await
    }

    /// Inserts all, and once: what is there already was sent before the last answer was lost, or comes twice.
    async fn insert_whole<T>(&self, into: &Collection<T>, documents: &[T]) -> Result<(), Fault>
    where
        T: Serialize + Send + Sync,
    {
        if documents.is_empty() {
            return Ok(());
        }
        let (begun, mut pause, mut sent) = (Instant::now(), Pause::new(), false);
        loop {
            let inserting = into.insert_many(documents).ordered(false);
            let failure = match tokio::time::timeout(PATIENCE, inserting.into_future()).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => {
                    let failure = Failure::of(&error, &self.redaction);
                    match &*error.kind {
                        DriverKind::InsertMany(failed) if failed.write_concern_error.is_none() => {
                            let mut refused = failed.write_errors.iter().flatten();
                            let again = |error: &mongodb::error::IndexedWriteError| {
                                sent && error.code == DUPLICATE_KEY && error.message.contains("_id_")
                            };
                            match refused.find(|error| !again(error)) {
                                None => return Ok(()),
                                Some(first) => return Err(refusal(into.name(), first).into()),
                            }
                        }
                        _ => failure,
                    }
                }
                Err(_) => Failure::Unreachable(format!("no answer within {PATIENCE:?}")),
            };
            sent = true;
            if failure.is_final() || begun.elapsed() > PATIENCE || !pause.after(self, &failure).await {
                return Err(failure.into());
            }
        }
    }
}

/// Why a document isn't taken.
fn refusal(collection: &str, error: &mongodb::error::IndexedWriteError) -> Error {
    if error.code == DUPLICATE_KEY && is_own(collection) {
        return twice(&format!("something of {collection}"));
    }
    let text = format!("MongoDB doesn't take a document of {collection}: {}", error.message);
    Error::of(ErrorKind::Invalid, text).with_code(error.code).into_terminal()
}
