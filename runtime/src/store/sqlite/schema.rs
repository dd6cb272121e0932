//! The tables, their version, and how an older file becomes a current one. `docs/sqlite-store.md` describes them.
//!
//! Never changes what a released version wrote: a new version is a new entry of [`MIGRATIONS`] that only adds.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::failure::{Failure, Fault};
use crate::error::{Error, ErrorKind};
use crate::store::Stamp;

/// `PRAGMA application_id` of a store: "outl".
pub(super) const APPLICATION: i32 = 0x6F75_746C;

/// One step per schema version: the first makes version 1 of an empty file.
pub(super) const MIGRATIONS: &[&str] = &[VERSION_1];

const VERSION_1: &str = "
CREATE TABLE outlast_meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE outlast_workers (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    build INTEGER NOT NULL,
    registered INTEGER NOT NULL,
    state INTEGER NOT NULL
) STRICT;
CREATE TABLE outlast_executions (
    id TEXT PRIMARY KEY,
    function TEXT NOT NULL,
    version INTEGER NOT NULL,
    arguments BLOB NOT NULL,
    digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    owner INTEGER,
    epoch INTEGER NOT NULL,
    wake_at INTEGER,
    created INTEGER NOT NULL,
    started INTEGER,
    deadline INTEGER,
    parent TEXT,
    seed INTEGER NOT NULL,
    crashes INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER,
    outcome INTEGER,
    value BLOB,
    reason BLOB,
    until_build INTEGER,
    mail INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX outlast_executions_open ON outlast_executions (owner, function, version, wake_at) WHERE status = 0;
CREATE INDEX outlast_executions_created ON outlast_executions (created);
CREATE INDEX outlast_executions_ended ON outlast_executions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX outlast_executions_parent ON outlast_executions (parent) WHERE parent IS NOT NULL;
CREATE INDEX outlast_executions_parked ON outlast_executions (until_build) WHERE status = 4;
CREATE TABLE outlast_rows (
    execution TEXT NOT NULL,
    seq INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    type INTEGER NOT NULL,
    kind INTEGER,
    name TEXT,
    digest BLOB,
    ordinal INTEGER,
    name_ordinal INTEGER,
    arguments BLOB,
    outcome INTEGER,
    value BLOB,
    attempts INTEGER,
    build INTEGER,
    message TEXT,
    PRIMARY KEY (execution, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outlast_rows_message ON outlast_rows (execution, message) WHERE message IS NOT NULL;
CREATE TABLE outlast_attempts (
    execution TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    next INTEGER NOT NULL,
    error BLOB NOT NULL,
    started INTEGER NOT NULL,
    PRIMARY KEY (execution, name, digest, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE outlast_inbox (
    execution TEXT NOT NULL,
    n INTEGER NOT NULL,
    message TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT,
    payload BLOB NOT NULL,
    source TEXT,
    status INTEGER,
    outcome INTEGER,
    PRIMARY KEY (execution, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outlast_inbox_message ON outlast_inbox (execution, message);
CREATE TABLE outlast_watchers (
    watched TEXT NOT NULL,
    execution TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (watched, execution, message)
) STRICT, WITHOUT ROWID;
CREATE TABLE outlast_tombstones (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    ended_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outlast_tombstones_ended ON outlast_tombstones (ended_at);
CREATE TABLE outlast_collections (n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE outlast_documents (
    n INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    key BLOB NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (collection, key)
) STRICT;
CREATE TABLE outlast_indexes (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    name TEXT NOT NULL,
    model BLOB NOT NULL,
    multikey INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, name)
) STRICT;
CREATE TABLE outlast_entries (
    idx INTEGER NOT NULL,
    entry BLOB NOT NULL,
    document INTEGER NOT NULL,
    PRIMARY KEY (idx, entry, document)
) STRICT, WITHOUT ROWID;
CREATE TABLE outlast_changes (
    n INTEGER PRIMARY KEY,
    stamp INTEGER NOT NULL,
    collection INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    key BLOB NOT NULL,
    before BLOB,
    after BLOB
) STRICT;
";

/// `executions.status` of one that is owned, due or waiting; an ended one has the number of its `End`.
pub(super) const OPEN: u8 = 0;
/// `executions.status` of one that is parked.
pub(super) const PARKED: u8 = 4;

/// What a file is, before anything is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it yet.
    Empty,
    /// A store of this schema version.
    Store(usize),
}

/// What lies in the database, refusing what isn't ours.
pub(super) fn inspect(connection: &Connection, migrations: &[&str]) -> Result<Found, Fault> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(Found::Empty);
    }
    if application != APPLICATION {
        return Err(Error::of(
            ErrorKind::Damaged,
            format!(
                "this is a SQLite database of another application (application_id {application}, {tables} tables), \
                 not a store of outlast: name another file"
            ),
        )
        .into());
    }
    match usize::try_from(version) {
        Ok(version) if version <= migrations.len() => Ok(Found::Store(version)),
        _ => Err(Error::of(
            ErrorKind::Damaged,
            format!(
                "the store has schema version {version}, this build of outlast {} knows versions up to {}: \
                 use the release that wrote it, or a later one",
                env!("CARGO_PKG_VERSION"),
                migrations.len()
            ),
        )
        .into()),
    }
}

/// Brings the database to the newest version, in one transaction; makes the first contents of an empty one.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str], now: Stamp) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at again under the lock: another process may have been first.
    let from = match inspect(&transaction, migrations)? {
        Found::Empty => 0,
        Found::Store(version) => version,
    };
    if from == migrations.len() {
        return Ok(());
    }
    for step in &migrations[from..] {
        transaction.execute_batch(step)?;
    }
    if from == 0 {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Failure::Io(format!("no random bytes: {error}")))?;
        let mut insert = transaction.prepare("INSERT INTO outlast_meta (key, value) VALUES (?, ?)")?;
        insert.execute(params!["digest_key", &random[..16]])?;
        insert.execute(params!["incarnation", crate::digest::hex(&random[16..])])?;
        insert.execute(params!["created", now.0])?;
        insert.execute(params!["purge_clock", now.0])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(())
}

/// A value of `meta`.
pub(super) fn meta<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached("SELECT value FROM outlast_meta WHERE key = ?")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

/// Sets a value of `meta`.
pub(super) fn set_meta(connection: &Connection, key: &str, value: impl rusqlite::ToSql) -> Result<(), Failure> {
    let mut statement =
        connection.prepare_cached("INSERT INTO outlast_meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?;
    statement.execute(params![key, value])?;
    Ok(())
}
