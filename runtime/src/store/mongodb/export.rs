//! All of the store in pieces, out of one snapshot of the server's.
//!
//! Every read is one of a snapshot session, so documents and executions are of one moment, whatever is written meanwhile.
//! A server that takes such a session and doesn't hold it is found out first: there nobody may be writing.

use std::sync::Arc;

use bson::{Document, RawDocumentBuf, doc};
use mongodb::results::CollectionType;
use mongodb::{ClientSession, Collection, Database, IndexModel as DriverIndexModel, SessionCursor};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::client::snapshot_options;
use super::data;
use super::entries::{What, entry};
use super::executions::Execution;
use super::failure::{Failure, Fault};
use super::inbox::message;
use super::log::Log;
use super::schema::{TOMBSTONE, Tables};
use super::shared::Shared;
use crate::data::collection::RESERVED;
use crate::data::models::IndexModel;
use crate::error::{Error, ErrorKind, Result};
use crate::hashing::FastMap;
use crate::store::{
    BoxFuture, Epoch, ExecutionId, Message, MessageBody, Piece, Pieces, Piped, Portable, Row, Stamp, Status,
};

/// The most documents or rows of a piece, and about the most bytes.
const MOST: usize = 500;
const BYTES: usize = 1 << 20;
/// The server's codes for a snapshot that it doesn't have any more.
const TOO_OLD: [i32; 2] = [239, 246];

impl Shared {
    /// Starts to read all of the store.
    pub(super) async fn start_export(self: &Arc<Self>) -> Result<Box<dyn Pieces>, Fault> {
        let database = self.client.database_with_options(self.own.name(), snapshot_options());
        let tables = Tables::of(&database);
        let session = self.snapshot(&tables).await?;
        let names = self.application_collections().await?;
        let mut total = self.command(self.tables.executions.count_documents(doc! { "status": { "$gte": 0 } })).await?;
        for name in &names {
            total += self.command(self.own.collection::<Document>(name).estimated_document_count()).await?;
        }
        let (sender, pieces) = mpsc::channel(2);
        let shared = self.clone();
        let mut reading = Reading { shared, database, tables, session, sender, untold: FastMap::default() };
        drop(self.runtime.spawn(async move {
            if let Err(failure) = reading.all(&names).await {
                let error = reading.error(&failure);
                drop(reading.sender.send(Err(error)).await);
            }
        }));
        Ok(Box::new(Piped { total, pieces }))
    }

    /// The application's collections, by name.
    pub(super) async fn application_collections(&self) -> Result<Vec<Arc<str>>, Fault> {
        let mut cursor = self.command(self.own.list_collections()).await?;
        let mut names = Vec::new();
        while let Some(found) = self.command(data::next(&mut cursor)).await? {
            let name = found.name.as_str();
            if !is_of_application(name) {
                continue;
            }
            match found.collection_type {
                CollectionType::Collection => {
                    let options = &found.options;
                    if options.validator.is_some() || options.collation.is_some() || options.capped == Some(true) {
                        tracing::warn!(collection = name, "a collection's own options don't leave with it");
                    }
                    names.push(name.into());
                }
                CollectionType::View => tracing::warn!(view = name, "views aren't part of an export"),
                _ => {
                    let text =
                        format!("{name} is a time series, which no export can hold: move and drop it by other means");
                    return Err(Error::of(ErrorKind::Unsupported, text).into());
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// A session that sees one moment; where the server has none, one that sees a store in which nobody works.
    async fn snapshot(&self, tables: &Tables) -> Result<ClientSession, Fault> {
        let mut session = self.command(self.client.start_session().snapshot(true)).await?;
        let store = || tables.meta.find_one(doc! { "_id": "store" });
        let before = self.command(store().session(&mut session)).await?;
        let mark = self.tables.meta.update_one(doc! { "_id": "store" }, doc! { "$inc": { "exports": 1_i64 } });
        self.command(mark).await?;
        let after = self.command(store().session(&mut session)).await?;
        let working = self.alive().await?;
        if before != after && working > 0 {
            let text = format!(
                "the store {} is on a server that holds no snapshot between reads, and {working} of its workers are \
                 alive, whose writes would be torn apart: stop them, and export again",
                self.name
            );
            return Err(Error::of(ErrorKind::Conflict, text).into());
        }
        Ok(session)
    }

    /// How many workers are alive.
    pub(super) async fn alive(&self) -> Result<usize, Failure> {
        let now = self.server_now();
        let is_alive = |worker: &&Document| {
            worker.get_i64("until").unwrap_or(i64::MIN) >= now && !worker.get_bool("dead").unwrap_or_default()
        };
        Ok(self.workers().await?.iter().filter(is_alive).count())
    }
}

/// Whether a collection is the store's.
pub(super) fn is_own(name: &str) -> bool {
    name.starts_with(RESERVED)
}

/// Whether a collection can be the application's: it is neither the store's nor the server's own.
pub(super) fn is_of_application(name: &str) -> bool {
    !is_own(name) && !name.starts_with("system.")
}

/// An export under way.
struct Reading {
    shared: Arc<Shared>,
    /// With the concern that snapshots have.
    database: Database,
    tables: Tables,
    session: ClientSession,
    sender: mpsc::Sender<Result<Vec<Piece>>>,
    /// Ends of which not all watchers have been told at the moment of the snapshot: what they would have got.
    untold: FastMap<ExecutionId, Vec<Message>>,
}

/// Nobody reads the export any more.
struct Gone;

impl Reading {
    fn error(&self, failure: &Failure) -> Error {
        let error = failure.error(&self.shared.name);
        match failure {
            Failure::Other(code, _) if TOO_OLD.contains(code) => error.context(
                "the server no longer has the moment that is exported: let it keep more with the parameter \
                 `minSnapshotHistoryWindowInSeconds`, drop nothing meanwhile, and export again",
            ),
            _ => error,
        }
    }

    async fn give(&self, piece: Piece) -> Result<(), Gone> {
        self.sender.send(Ok(vec![piece])).await.map_err(|_| Gone)
    }

    async fn next<T: DeserializeOwned>(&mut self, cursor: &mut SessionCursor<T>) -> Result<Option<T>, Failure> {
        let session = &mut self.session;
        self.shared.command(async { cursor.next(session).await.transpose() }).await
    }

    /// A cursor on the snapshot.
    async fn cursor<T: Send + Sync>(
        &mut self,
        of: &Collection<T>,
        filter: Document,
        sort: Document,
    ) -> Result<SessionCursor<T>, Failure> {
        let find = of.find(filter).sort(sort).session(&mut self.session);
        let opened: BoxFuture<'_, _> = Box::pin(find.into_future());
        self.shared.command(opened).await
    }

    /// All documents of a query, their spilled values in place.
    async fn gathered(
        &mut self,
        of: &Collection<Document>,
        filter: Document,
        sort: Document,
    ) -> Result<Vec<Document>, Failure> {
        let mut cursor = self.cursor(of, filter, sort).await?;
        let mut all = Vec::new();
        while let Some(mut document) = self.next(&mut cursor).await? {
            self.shared.restore_within(&mut document, Some((&self.tables.blobs, &mut self.session))).await?;
            all.push(document);
        }
        Ok(all)
    }

    async fn all(&mut self, names: &[Arc<str>]) -> Result<(), Failure> {
        self.find_untold().await?;
        for name in names {
            if self.collection(name).await?.is_err() {
                return Ok(());
            }
        }
        let executions = self.tables.executions.clone();
        let (there, oldest) = (doc! { "status": { "$gte": 0 } }, doc! { "created": 1, "_id": 1 });
        let mut cursor = self.cursor(&executions, there, oldest).await?;
        while let Some(mut found) = self.next(&mut cursor).await? {
            self.shared.restore_within(&mut found, Some((&self.tables.blobs, &mut self.session))).await?;
            if self.execution(Execution(found)).await?.is_err() {
                return Ok(());
            }
        }
        let mut cursor = self.cursor(&executions, doc! { "status": TOMBSTONE }, doc! { "_id": 1 }).await?;
        while let Some(found) = self.next(&mut cursor).await? {
            let ended = Stamp(found.get_i64("gone").unwrap_or_default());
            let mut found = Execution(found);
            let piece = Piece::Tombstone { id: found.id()?, digest: found.digest()?, ended };
            if self.give(piece).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// An end and its news are one write in an export, as they are on other stores.
    async fn find_untold(&mut self) -> Result<(), Failure> {
        let executions = self.tables.executions.clone();
        for ended in self.gathered(&executions, doc! { "tell": true }, doc! { "ended": 1, "_id": 1 }).await? {
            let mut ended = Execution(ended);
            let (id, watchers) = (ended.id()?, ended.watchers());
            let Some(finished) = ended.finished()? else { continue };
            for watcher in watchers {
                let body = MessageBody::Ended { execution: id.clone(), finished: finished.clone() };
                let message = Message { id: watcher.message, body };
                self.untold.entry(watcher.execution).or_default().push(message);
            }
        }
        Ok(())
    }

    async fn collection(&mut self, name: &Arc<str>) -> Result<Result<(), Gone>, Failure> {
        let collection = self.database.collection::<RawDocumentBuf>(name);
        let indexes = self.indexes(&collection).await?;
        if self.give(Piece::Collection { name: name.clone(), indexes }).await.is_err() {
            return Ok(Err(Gone));
        }
        let mut cursor = self.cursor(&collection, doc! {}, doc! { "_id": 1 }).await?;
        let (mut documents, mut bytes) = (Vec::new(), 0);
        loop {
            let next = self.next(&mut cursor).await?;
            let ended = next.is_none();
            if let Some(document) = next {
                bytes += document.as_bytes().len();
                documents.push(document);
            }
            if ended || documents.len() >= MOST || bytes >= BYTES {
                bytes = 0;
                let piece = Piece::Documents { collection: name.clone(), documents: std::mem::take(&mut documents) };
                let empty = matches!(&piece, Piece::Documents { documents, .. } if documents.is_empty());
                if !empty && self.give(piece).await.is_err() {
                    return Ok(Err(Gone));
                }
            }
            if ended {
                return Ok(Ok(()));
            }
        }
    }

    /// The indexes that outlast has words for; the others are named.
    async fn indexes(&self, of: &Collection<RawDocumentBuf>) -> Result<Vec<IndexModel>, Failure> {
        let mut cursor = self.shared.command(of.list_indexes()).await?;
        let mut indexes = Vec::new();
        while let Some(model) = self.shared.command(data::next(&mut cursor)).await? {
            if model.keys == doc! { "_id": 1 } {
                continue;
            }
            if is_movable(&model) {
                indexes.push(model.into());
            } else {
                let name = model.options.and_then(|options| options.name).unwrap_or_default();
                tracing::warn!(collection = of.name(), index = name, "an index of a kind that no export can hold");
            }
        }
        Ok(indexes)
    }

    async fn execution(&mut self, mut found: Execution) -> Result<Result<(), Gone>, Failure> {
        let id = found.id()?;
        let (log, messages) = self.log(&id, found.epoch()).await?;
        let portable = self.portable(&mut found, &id, &log).await?;
        if self.give(Piece::Execution(Box::new(portable))).await.is_err() {
            return Ok(Err(Gone));
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let mut left = log.record.into_iter().peekable();
        while let Some(row) = left.next() {
            bytes += row.bytes();
            let message = messages.get(&row.seq).cloned();
            rows.push((row, message));
            if left.peek().is_none() || rows.len() >= MOST || bytes >= BYTES {
                bytes = 0;
                let piece = Piece::Rows { execution: id.clone(), rows: std::mem::take(&mut rows) };
                if self.give(piece).await.is_err() {
                    return Ok(Err(Gone));
                }
            }
        }
        Ok(Ok(()))
    }

    /// A log, and which rows were messages. One that was never claimed has none.
    async fn log(&mut self, id: &ExecutionId, epoch: Epoch) -> Result<(Log, FastMap<u64, Arc<str>>), Failure> {
        let mut messages = FastMap::default();
        if epoch == Epoch(0) {
            return Ok((Log::default(), messages));
        }
        let table = self.tables.log.clone();
        let filter = self.shared.entries_of(std::slice::from_ref(id));
        let found = self.gathered(&table, filter, doc! { "_id": 1 }).await?;
        let mut entries = found.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| entry.place);
        for entry in &entries {
            if let What::Row(Row { seq, .. }, Some(message)) = &entry.what {
                messages.insert(*seq, message.clone());
            }
        }
        Ok((Log::of(entries), messages))
    }

    async fn portable(&mut self, found: &mut Execution, id: &ExecutionId, log: &Log) -> Result<Portable, Failure> {
        let status = found.state(Stamp::now())?;
        let ended = matches!(status, Status::Ended(_));
        let mut attempts: Vec<_> = log.attempts.iter().map(|(_, attempt)| attempt.clone()).collect();
        attempts.sort_by(|a, b| {
            let of = |key: &crate::store::Key| (key.name.to_string(), key.digest, key.ordinal);
            of(&a.key).cmp(&of(&b.key))
        });
        let mut watchers = found.watchers();
        watchers.sort_by(|a, b| (a.execution.as_str(), &a.message).cmp(&(b.execution.as_str(), &b.message)));
        if ended {
            // Told, or among the untold.
            watchers.clear();
            attempts.clear();
        }
        let inbox = if ended { Vec::new() } else { self.inbox(id, found.posts(), log).await? };
        Ok(Portable {
            id: id.clone(),
            function: found.function()?,
            version: found.version()?,
            digest: found.digest()?,
            status,
            epoch: found.epoch(),
            wake: found.due(),
            created: found.created()?,
            started: found.started(),
            deadline: found.deadline(),
            parent: found.parent(),
            seed: found.seed()?,
            crashes: log.crashes(found.calm()),
            ended: found.ended(),
            finished: found.finished()?,
            arguments: found.arguments(),
            reason: found.reason(),
            until_build: found.until_build(),
            attempts,
            inbox,
            watchers,
        })
    }

    /// The messages that wait, with those of ends that were under way.
    async fn inbox(&mut self, id: &ExecutionId, posts: i64, log: &Log) -> Result<Vec<Message>, Failure> {
        let mut inbox = Vec::new();
        if posts > 0 {
            let table = self.tables.inbox.clone();
            let found = self.gathered(&table, doc! { "e": id.as_str() }, doc! { "at": 1, "order": 1 }).await?;
            inbox = found.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
            inbox.retain(|message| !log.moved.contains(&message.id));
        }
        for message in self.untold.remove(id).unwrap_or_default() {
            let there = inbox.iter().any(|there: &Message| there.id == message.id);
            if !there && !log.moved.contains(&message.id) {
                inbox.push(message);
            }
        }
        Ok(inbox)
    }
}

/// Whether all of an index is in outlast's words.
fn is_movable(model: &DriverIndexModel) -> bool {
    let plain = |(path, direction): (&String, &bson::Bson)| direction.as_str().is_none() && !path.contains("$**");
    let odd = model.options.as_ref().is_some_and(|options| {
        options.collation.is_some()
            || options.wildcard_projection.is_some()
            || options.hidden == Some(true)
            || options.storage_engine.is_some()
            || options.weights.is_some()
    });
    model.keys.iter().all(plain) && !odd
}
