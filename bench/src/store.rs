//! A store of a run: made, opened again afterwards, and looked through for every record.

use std::path::{Path, PathBuf};

use outlast::{App, Running};
use rusqlite::{Connection, OpenFlags};

use crate::{Failure, Result};

/// A store's file in a folder of its own, removed with it.
pub(crate) struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir_in(parent)? })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("outlast.db")
    }

    pub(crate) async fn start(&self) -> Result<Running> {
        start(&self.file()).await
    }

    /// Opens the file again: so many executions have succeeded, with so many rows in their records, without a gap.
    pub(crate) fn prove(&self, executions: u64, rows: u64) -> Result<()> {
        let connection = Connection::open_with_flags(self.file(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
        let ended = one("SELECT count(*) FROM outlast_executions WHERE status = 1")?;
        let unended = one("SELECT count(*) FROM outlast_executions WHERE status <> 1")?;
        let found = one("SELECT count(*) FROM outlast_rows")?;
        let gaps = one(
            "SELECT count(*) FROM (SELECT max(seq) + 1 AS n, count(*) AS c FROM outlast_rows GROUP BY execution) \
             WHERE n <> c",
        )?;
        let whole: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
        if (ended, unended, found, gaps, whole.as_str()) == (executions, 0, rows, 0, "ok") {
            return Ok(());
        }
        Err(Failure::Wrong(format!(
            "the store has {ended} of {executions} executions, {unended} open, {found} of {rows} rows, {gaps} gaps: {whole}"
        )))
    }
}

/// Starts an app with default options on a file.
pub(crate) async fn start(file: &Path) -> Result<Running> {
    Ok(App::new().store(format!("sqlite://{}", file.display())).start().await?)
}
