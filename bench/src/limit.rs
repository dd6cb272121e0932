//! The limit: bare SQLite, writing what a run of outlast has written, row by row and in groups of the same size.
//!
//! Takes the tables, indexes and rows from the run's own file, and writes them into a new one with the same pragmas and
//! held statements: what is left out is everything but the database.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Statement, params_from_iter};

use crate::Result;

/// A table's rows, each all of its columns.
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    fn read(connection: &Connection, sql: &str) -> Result<Self> {
        let mut statement = connection.prepare(sql)?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let count = columns.len();
        let rows = statement.query_map([], |row| (0..count).map(|at| row.get(at)).collect())?;
        let rows = rows.collect::<rusqlite::Result<_>>()?;
        Ok(Self { columns, rows })
    }

    fn insert(&self, name: &str) -> String {
        let places = vec!["?"; self.columns.len()].join(", ");
        format!("INSERT INTO {name} ({}) VALUES ({places})", self.columns.join(", "))
    }
}

/// What a run has written.
pub(crate) struct Written {
    schema: Vec<String>,
    creations: Table,
    ends: Table,
    rows: Table,
    documents: Table,
    changes: Table,
}

impl Written {
    /// Reads what stands in a run's file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let schema = schema(&connection)?;
        let read = |sql| Table::read(&connection, sql);
        Ok(Self {
            schema,
            creations: read(
                "SELECT id, function, version, arguments, digest, 0 AS status, 1 AS owner, epoch, created, started, \
                 seed FROM outlast_executions ORDER BY id",
            )?,
            ends: read("SELECT status, ended_at, outcome, value, id FROM outlast_executions ORDER BY id")?,
            rows: read(
                "SELECT execution, seq, stamp, type, kind, name, digest, ordinal, name_ordinal, arguments, outcome, \
                 value, attempts, build, message FROM outlast_rows ORDER BY seq, execution",
            )?,
            documents: read("SELECT collection, key, body FROM outlast_documents ORDER BY key")?,
            changes: read("SELECT stamp, collection, operation, key, before, after FROM outlast_changes ORDER BY n")?,
        })
    }

    /// How many commands the run's writer had: creations, rows, ends.
    pub(crate) fn commands(&self) -> usize {
        self.creations.rows.len() + self.rows.rows.len() + self.ends.rows.len()
    }

    /// Writes it all into a new file, in this many groups.
    pub(crate) fn write(&self, folder: &Path, groups: u64) -> Result<Duration> {
        let folder = tempfile::tempdir_in(folder)?;
        let connection = Connection::open(folder.path().join("bare.db"))?;
        prepare(&connection, &self.schema)?;
        let size = self.commands().div_ceil(groups.max(1) as usize);
        let begun = Instant::now();
        let mut group = Group::new(&connection, size)?;
        let mut insert = connection.prepare(&self.creations.insert("outlast_executions"))?;
        for row in &self.creations.rows {
            group.one(&mut insert, row)?;
        }
        let mut insert = connection.prepare(&self.rows.insert("outlast_rows"))?;
        let mut document = connection.prepare(&self.documents.insert("outlast_documents"))?;
        let mut change = connection.prepare(&self.changes.insert("outlast_changes"))?;
        let mut savepoint = connection.prepare("SAVEPOINT body")?;
        let mut release = connection.prepare("RELEASE body")?;
        let each = self.documents.rows.len() / self.rows.rows.len().max(1);
        for (at, row) in self.rows.rows.iter().enumerate() {
            if each == 0 {
                group.one(&mut insert, row)?;
                continue;
            }
            // A transaction: its writes and its row in a savepoint.
            savepoint.execute([])?;
            for write in at * each..(at + 1) * each {
                document.execute(params_from_iter(&self.documents.rows[write]))?;
                change.execute(params_from_iter(&self.changes.rows[write]))?;
            }
            insert.execute(params_from_iter(row))?;
            release.execute([])?;
            group.written()?;
        }
        let mut end = connection.prepare(
            "UPDATE outlast_executions SET status = ?, owner = NULL, wake_at = NULL, ended_at = ?, outcome = ?, value \
             = ?, reason = NULL WHERE id = ?",
        )?;
        for row in &self.ends.rows {
            group.one(&mut end, row)?;
        }
        group.finish()?;
        Ok(begun.elapsed())
    }
}

/// A new file with the tables and pragmas of a run's.
pub(crate) fn empty_like(file: &Path, new: &Path) -> Result<Connection> {
    let connection = Connection::open(new)?;
    prepare(&connection, &schema(&Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?)?;
    Ok(connection)
}

/// The statements that made a file's tables and indexes.
fn schema(connection: &Connection) -> Result<Vec<String>> {
    let mut schema = connection.prepare(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rootpage",
    )?;
    Ok(schema.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// The pragmas of outlast's own connection, and its tables.
fn prepare(connection: &Connection, schema: &[String]) -> Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY")?;
    for table in schema {
        connection.execute_batch(table)?;
    }
    Ok(())
}

/// Statements, committed by so many.
struct Group<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    size: usize,
    written: usize,
}

impl<'c> Group<'c> {
    fn new(connection: &'c Connection, size: usize) -> Result<Self> {
        let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
        begin.execute([])?;
        Ok(Self { begin, commit: connection.prepare("COMMIT")?, size, written: 0 })
    }

    fn one(&mut self, statement: &mut Statement<'_>, row: &[Value]) -> Result<()> {
        statement.execute(params_from_iter(row))?;
        self.written()
    }

    fn written(&mut self) -> Result<()> {
        self.written += 1;
        if self.written.is_multiple_of(self.size) {
            self.commit.execute([])?;
            self.begin.execute([])?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.commit.execute([])?;
        Ok(())
    }
}

/// Bare commits of one row each, as a record's next row: how long each took.
pub(crate) struct Bare {
    connection: Connection,
    row: Vec<Value>,
    insert: String,
    _folder: tempfile::TempDir,
}

impl Bare {
    /// With the rows of a run's file as they are.
    pub(crate) fn like(file: &Path, folder: &Path) -> Result<Self> {
        let written = Written::read(file)?;
        let folder = tempfile::tempdir_in(folder)?;
        let connection = Connection::open(folder.path().join("bare.db"))?;
        prepare(&connection, &written.schema)?;
        let insert = written.rows.insert("outlast_rows");
        let row = written.rows.rows.into_iter().next().unwrap_or_default();
        Ok(Self { connection, row, insert, _folder: folder })
    }

    pub(crate) fn commits(&mut self, from: u64, count: u64) -> Result<Vec<Duration>> {
        let mut begin = self.connection.prepare_cached("BEGIN IMMEDIATE")?;
        let mut commit = self.connection.prepare_cached("COMMIT")?;
        let mut insert = self.connection.prepare_cached(&self.insert)?;
        let mut times = Vec::with_capacity(count as usize);
        for seq in from..from + count {
            if let Some(place) = self.row.get_mut(1) {
                *place = Value::Integer(seq as i64);
            }
            let start = Instant::now();
            begin.execute([])?;
            insert.execute(params_from_iter(&self.row))?;
            commit.execute([])?;
            times.push(start.elapsed());
        }
        Ok(times)
    }
}
