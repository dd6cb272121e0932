//! The statements of the hot path, compiled once and held: rusqlite's cache finds one by its text, and lets go of what was
//! bound to it, which takes as long as binding it does.

use rusqlite::{Connection, PrepFlags, Statement};

use super::failure::Failure;

/// What the writer runs most.
pub(super) struct Statements<'c> {
    pub(super) begin: Statement<'c>,
    pub(super) commit: Statement<'c>,
    /// Asked for at the start of each group.
    pub(super) incarnation: Statement<'c>,
    /// The same.
    pub(super) stands: Statement<'c>,
    pub(super) create: Statement<'c>,
    pub(super) take: Statement<'c>,
    pub(super) outcome: Statement<'c>,
    pub(super) end: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn new(connection: &'c Connection) -> Result<Self, Failure> {
        let prepare = |sql| connection.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT);
        Ok(Self {
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            incarnation: prepare("SELECT value FROM outlast_meta WHERE key = 'incarnation'")?,
            stands: prepare("SELECT 1 FROM outlast_workers WHERE n = ? AND state = 0")?,
            create: prepare(CREATE)?,
            take: prepare(TAKE)?,
            outcome: prepare(OUTCOME)?,
            end: prepare(END)?,
        })
    }
}

/// Says no to an id that is there, and to one of which only the tombstone is left. `OR FAIL`, since an insertion out of a
/// `SELECT` has SQLite copy each page first in case it must be taken back alone; this one has one row, and the group goes
/// with it.
const CREATE: &str = "INSERT OR FAIL INTO outlast_executions (id, function, version, arguments, digest, status, \
     owner, epoch, wake_at, created, started, deadline, parent, seed) \
     SELECT ?1, ?2, ?3, ?4, ?5, 0, ?6, ?6 IS NOT NULL, ?7, ?8, ?9, ?10, ?11, ?12 \
     WHERE NOT EXISTS (SELECT 1 FROM outlast_tombstones WHERE id = ?1) ON CONFLICT DO NOTHING";

const TAKE: &str = "UPDATE outlast_executions SET owner = ?1, epoch = epoch + 1, started = coalesce(started, \
     max(created, ?2)), wake_at = NULL WHERE id = ?3 \
     RETURNING epoch, function, version, arguments, seed, started, deadline, reason, crashes, mail";

const OUTCOME: &str = "INSERT INTO outlast_rows (execution, seq, stamp, type, kind, name, digest, ordinal, \
     name_ordinal, arguments, outcome, value, attempts, build, message) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const END: &str = "UPDATE outlast_executions SET status = ?, owner = NULL, wake_at = NULL, ended_at = ?, outcome = ?, \
     value = ?, reason = NULL WHERE id = ? AND mail = ?";
