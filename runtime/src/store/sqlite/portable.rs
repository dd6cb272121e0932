//! The store in pieces: out of one snapshot on a reader's thread, and into an empty file.

use std::sync::Arc;

use bson::RawDocumentBuf;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::SqliteStore;
use super::desk::Desk;
use super::documents;
use super::failure::{Failure, Fault};
use super::readers::{After, Readers};
use super::records::{self, end_of, outcome_number};
use super::schema::{OPEN, PARKED, meta, set_meta};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Digest, Epoch, ExecutionId, Piece, Pieces, Piped, Portable, Stamp, Status, Watcher};

/// The most documents or rows of a piece, and about the most bytes.
const MOST: usize = 500;
const BYTES: usize = 1 << 20;

/// `meta.importing`: the store is being filled.
const IMPORTING: &str = "importing";

/// `meta.key_before_import`: the digest key that comes back if the import breaks off.
const KEY_BEFORE: &str = "key_before_import";

/// `meta.changes_before_import`: the last change that isn't the import's.
const CHANGES_BEFORE: &str = "changes_before_import";

/// What an import fills, and changes beside.
const FILLED: &[&str] = &[
    "executions",
    "rows",
    "attempts",
    "inbox",
    "watchers",
    "tombstones",
    "entries",
    "indexes",
    "documents",
    "collections",
];

/// Takes pieces; `false` if nobody wants more.
type Sink<'s> = &'s mut dyn FnMut(Piece) -> bool;

/// How many documents and executions there are.
pub(super) fn total(connection: &Connection) -> Result<u64, Failure> {
    let count =
        |table: &str| connection.query_row(&format!("SELECT count(*) FROM outlast_{table}"), [], |row| row.get(0));
    let (documents, executions): (i64, i64) = (count("documents")?, count("executions")?);
    Ok((documents + executions).unsigned_abs())
}

/// All of the store.
pub(super) fn export(connection: &Connection, sink: Sink<'_>) -> Result<(), Fault> {
    let foreign = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'outlast\\_%' ESCAPE '\\' AND \
                   name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut foreign = connection.prepare(foreign)?;
    for name in foreign.query_map([], |row| row.get::<_, String>(0))? {
        tracing::warn!(table = name?, "the application's own SQL tables aren't part of an export");
    }
    let mut names = connection.prepare("SELECT n, name FROM outlast_collections ORDER BY n")?;
    let names = names.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Arc<str>>(1)?)))?;
    for (number, name) in names.collect::<rusqlite::Result<Vec<_>>>()? {
        let indexes = documents::own_indexes(connection, &name)?;
        if !sink(Piece::Collection { name: name.clone(), indexes }) || !of_collection(connection, number, &name, sink)?
        {
            return Ok(());
        }
    }
    let mut ids = connection.prepare("SELECT id FROM outlast_executions ORDER BY created, id")?;
    let mut ids = ids.query([])?;
    while let Some(row) = ids.next()? {
        if !of_execution(connection, &ExecutionId(row.get(0)?), sink)? {
            return Ok(());
        }
    }
    let mut tombstones = connection.prepare("SELECT id, digest, ended_at FROM outlast_tombstones ORDER BY id")?;
    let mut tombstones = tombstones.query([])?;
    while let Some(row) = tombstones.next()? {
        let (id, digest) = (ExecutionId(row.get(0)?), records::digest(row, 1)?);
        if !sink(Piece::Tombstone { id, digest, ended: Stamp(row.get(2)?) }) {
            return Ok(());
        }
    }
    Ok(())
}

fn of_collection(connection: &Connection, number: i64, name: &Arc<str>, sink: Sink<'_>) -> Result<bool, Failure> {
    let mut all = connection.prepare_cached("SELECT body FROM outlast_documents WHERE collection = ? ORDER BY key")?;
    let mut all = all.query([number])?;
    let (mut some, mut bytes) = (Vec::new(), 0);
    let mut give = |documents: Vec<RawDocumentBuf>| {
        documents.is_empty() || sink(Piece::Documents { collection: name.clone(), documents })
    };
    while let Some(row) = all.next()? {
        let body: Vec<u8> = row.get(0)?;
        bytes += body.len();
        let document = RawDocumentBuf::from_bytes(body)
            .map_err(|error| Failure::Damaged(format!("a document in {name} can't be read: {error}")))?;
        some.push(document);
        if some.len() >= MOST || bytes >= BYTES {
            bytes = 0;
            if !give(std::mem::take(&mut some)) {
                return Ok(false);
            }
        }
    }
    Ok(give(some))
}

fn of_execution(connection: &Connection, id: &ExecutionId, sink: Sink<'_>) -> Result<bool, Fault> {
    let Some(portable) = portable(connection, id)? else { return Ok(true) };
    if !sink(Piece::Execution(Box::new(portable))) {
        return Ok(false);
    }
    let messages = records::messages_of_rows(connection, id)?;
    let rows = records::rows(connection, id)?;
    let (mut some, mut bytes) = (Vec::new(), 0);
    for row in rows {
        bytes += row.bytes();
        let message = messages.get(&row.seq).cloned();
        some.push((row, message));
        if some.len() >= MOST || bytes >= BYTES {
            bytes = 0;
            if !sink(Piece::Rows { execution: id.clone(), rows: std::mem::take(&mut some) }) {
                return Ok(false);
            }
        }
    }
    Ok(some.is_empty() || sink(Piece::Rows { execution: id.clone(), rows: some }))
}

fn portable(connection: &Connection, id: &ExecutionId) -> Result<Option<Portable>, Failure> {
    let now = Stamp::now();
    let mut find = connection.prepare_cached(
        "SELECT function, version, arguments, digest, status, owner IS NOT NULL, epoch, wake_at, created, started, \
         deadline, parent, seed, crashes, ended_at, outcome, value, reason, until_build FROM outlast_executions WHERE \
         id = ?",
    )?;
    let mut rows = find.query([&*id.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let stamp = |column| row.get::<_, Option<i64>>(column).map(|stamp| stamp.map(Stamp));
    let (number, wake): (u8, _) = (row.get(4)?, stamp(7)?);
    let status = match number {
        OPEN if row.get(5)? => Status::Running,
        OPEN if wake.is_some_and(|wake| wake <= now) => Status::Ready,
        OPEN => Status::Waiting,
        PARKED => Status::Parked,
        ended => Status::Ended(end_of(ended)?),
    };
    let finished = match status {
        Status::Ended(_) => Some(records::finished(number, row.get(15)?, row.get(16)?)?),
        _ => None,
    };
    Ok(Some(Portable {
        id: id.clone(),
        function: records::name(row, 0)?,
        version: row.get(1)?,
        arguments: row.get(2)?,
        digest: records::digest(row, 3)?,
        status,
        epoch: Epoch(row.get::<_, i64>(6)? as u64),
        wake,
        created: Stamp(row.get(8)?),
        started: stamp(9)?,
        deadline: stamp(10)?,
        parent: row.get::<_, Option<Arc<str>>>(11)?.map(ExecutionId),
        seed: row.get::<_, i64>(12)? as u64,
        crashes: row.get(13)?,
        ended: stamp(14)?,
        finished,
        reason: row.get(17)?,
        until_build: row.get::<_, Option<i64>>(18)?.map(|build| build as u64),
        attempts: records::attempts(connection, id)?,
        inbox: records::inbox(connection, id)?,
        watchers: watchers(connection, id)?,
    }))
}

fn watchers(connection: &Connection, of: &ExecutionId) -> Result<Vec<Watcher>, Failure> {
    let mut find = connection.prepare_cached(
        "SELECT execution, message FROM outlast_watchers WHERE watched = ? ORDER BY execution, message",
    )?;
    let found =
        find.query_map([&*of.0], |row| Ok(Watcher { execution: ExecutionId(row.get(0)?), message: row.get(1)? }))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The error of a store that was filled half-way.
pub(super) fn check_whole(connection: &Connection) -> Result<(), Fault> {
    match meta::<i64>(connection, IMPORTING)? {
        Some(_) => Err(Error::of(
            ErrorKind::Damaged,
            "an import into this store hasn't ended, so it holds a part: wait for its end, or, if it was killed, remove the \
             store and import again",
        )
        .into()),
        None => Ok(()),
    }
}

impl Desk<'_> {
    pub(super) fn begin_import(&mut self, digest_key: &[u8]) -> Result<(), Fault> {
        for table in ["executions", "documents", "collections", "tombstones"] {
            let found: Option<i64> = self
                .connection
                .query_row(&format!("SELECT 1 FROM outlast_{table} LIMIT 1"), [], |row| row.get(0))
                .optional()?;
            if found.is_some() {
                let message = format!("the store has {table} already: import into one that is empty");
                return Err(Error::of(ErrorKind::Conflict, message).into());
            }
        }
        if let Some(before) = meta::<Vec<u8>>(&self.connection, "digest_key")? {
            set_meta(&self.connection, KEY_BEFORE, before)?;
        }
        set_meta(&self.connection, "digest_key", digest_key)?;
        let last = "SELECT coalesce(max(n), 0) FROM outlast_changes";
        let last: i64 = self.connection.query_row(last, [], |row| row.get(0))?;
        set_meta(&self.connection, CHANGES_BEFORE, last)?;
        Ok(set_meta(&self.connection, IMPORTING, 1_i64)?)
    }

    pub(super) fn end_import(&mut self) -> Result<(), Fault> {
        let marks = [IMPORTING, KEY_BEFORE, CHANGES_BEFORE];
        self.connection.execute("DELETE FROM outlast_meta WHERE key IN (?, ?, ?)", marks)?;
        Ok(())
    }

    pub(super) fn abort_import(&mut self) -> Result<(), Fault> {
        if meta::<i64>(&self.connection, IMPORTING)?.is_none() {
            return Ok(());
        }
        for table in FILLED {
            self.connection.execute(&format!("DELETE FROM outlast_{table}"), [])?;
        }
        // Whoever follows changes never hears of documents that weren't kept.
        if let Some(last) = meta::<i64>(&self.connection, CHANGES_BEFORE)? {
            self.connection.execute("DELETE FROM outlast_changes WHERE n > ?", [last])?;
        }
        documents::forget(&self.connection)?;
        if let Some(before) = meta::<Vec<u8>>(&self.connection, KEY_BEFORE)? {
            set_meta(&self.connection, "digest_key", before)?;
        }
        self.end_import()
    }

    pub(super) fn import(&mut self, pieces: &[Piece]) -> Result<(), Fault> {
        pieces.iter().try_for_each(|piece| self.import_piece(piece))
    }

    fn import_piece(&mut self, piece: &Piece) -> Result<(), Fault> {
        let connection = &self.connection;
        match piece {
            Piece::Collection { name, indexes } => Ok(documents::make(connection, name, indexes)?),
            Piece::Documents { collection, documents } => {
                Ok(documents::put(connection, self.stamp, collection, documents)?)
            }
            Piece::Execution(execution) => self.import_execution(execution),
            Piece::Rows { execution, rows } => {
                for (row, message) in rows {
                    let (outcome, message) = (&mut self.statements.outcome, message.as_deref());
                    if !records::insert_row(connection, outcome, execution, row.seq, row.stamp, &row.kind, message)? {
                        return Err(twice(&format!("row {} of {execution}", row.seq)).into());
                    }
                }
                Ok(())
            }
            Piece::Tombstone { id, digest: Digest(digest), ended } => {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO outlast_tombstones VALUES (?, ?, ?)")?
                    .execute(params![&*id.0, digest.as_slice(), ended.0])?;
                Ok(())
            }
        }
    }

    fn import_execution(&mut self, execution: &Portable) -> Result<(), Fault> {
        let connection = &self.connection;
        let (status, wake) = match execution.status {
            Status::Running | Status::Ready => (OPEN, Some(execution.created)),
            Status::Waiting => (OPEN, execution.wake),
            Status::Parked => (PARKED, execution.wake),
            Status::Ended(end) => (end as u8, None),
        };
        let finished = execution.finished.as_ref();
        let mail = !execution.inbox.is_empty() || !execution.watchers.is_empty();
        let inserted = connection
            .prepare_cached(
                "INSERT OR IGNORE INTO outlast_executions (id, function, version, arguments, digest, status, owner, \
                 epoch, wake_at, \
                 created, started, deadline, parent, seed, crashes, ended_at, outcome, value, reason, until_build, mail) \
                 VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                &*execution.id.0,
                &*execution.function,
                execution.version,
                execution.arguments,
                execution.digest.0.as_slice(),
                status,
                execution.epoch.0 as i64,
                wake.map(|wake| wake.0),
                execution.created.0,
                execution.started.map(|stamp| stamp.0),
                execution.deadline.map(|stamp| stamp.0),
                execution.parent.as_ref().map(|parent| &*parent.0),
                execution.seed as i64,
                execution.crashes,
                execution.ended.map(|stamp| stamp.0),
                finished.map(|finished| outcome_number(&finished.value)),
                finished.map(|finished| finished.value.bytes()),
                execution.reason,
                execution.until_build.map(|build| build as i64),
                mail,
            ])?;
        if inserted == 0 {
            return Err(twice(&format!("the execution {}", execution.id)).into());
        }
        for attempt in &execution.attempts {
            records::put_attempt(connection, &execution.id, attempt)?;
        }
        for message in &execution.inbox {
            records::put_message(connection, &execution.id, message)?;
        }
        for watcher in &execution.watchers {
            connection.prepare_cached("INSERT OR IGNORE INTO outlast_watchers VALUES (?, ?, ?)")?.execute(params![
                &*execution.id.0,
                &*watcher.execution.0,
                &*watcher.message
            ])?;
        }
        Ok(())
    }
}

fn twice(what: &str) -> Error {
    Error::of(ErrorKind::Damaged, format!("{what} comes twice in what is imported"))
}

impl SqliteStore {
    /// Starts to read all of the store on a reader's thread; in memory, where a snapshot can't be kept, reads it at once.
    pub(super) async fn start_export(&self) -> Result<Box<dyn Pieces>> {
        let Some(readers) = &self.readers else {
            let (total, all) = self.read(|connection| Ok((total(connection)?, gathered(connection)?))).await?;
            let (sender, pieces) = mpsc::channel(2);
            let _ = sender.try_send(Ok(all));
            return Ok(Box::new(Piped { total, pieces }));
        };
        let (sender, pieces) = mpsc::channel(2);
        let (reply, answer) = oneshot::channel();
        let file = self.shared.file.clone();
        let job = move |connection: Result<&Connection, Failure>, readers: &Arc<Readers>| {
            let begun = connection.and_then(|connection| Ok((connection, total(connection)?)));
            let begun = begun.and_then(|begun| readers.lend().map(|()| begun));
            let (connection, total) = match begun {
                Ok(begun) => begun,
                Err(failure) => {
                    drop(reply.send(Err(failure.error(&file))));
                    return After::Stay;
                }
            };
            if reply.send(Ok(total)).is_ok()
                && let Err(fault) = export(connection, &mut |piece| sender.blocking_send(Ok(vec![piece])).is_ok())
            {
                let _ = sender.blocking_send(Err(fault.error(&file)));
            }
            After::Go
        };
        if !readers.submit(Box::new(job)) {
            return Err(super::closed());
        }
        let total = self.wait(answer).await?;
        Ok(Box::new(Piped { total, pieces }))
    }
}

fn gathered(connection: &Connection) -> Result<Vec<Piece>, Fault> {
    let mut all = Vec::new();
    export(connection, &mut |piece| {
        all.push(piece);
        true
    })?;
    Ok(all)
}
