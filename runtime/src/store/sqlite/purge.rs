//! Removing what is older than its retention, a small group at a time, against a clock that can't jump.
//!
//! `docs/sqlite-store.md`, "Purging", says how `purge_clock` moves and why.

use rusqlite::params;

use super::clock::Boot;
use super::desk::Desk;
use super::documents;
use super::failure::{Failure, Fault};
use super::schema::{meta, set_meta};
use crate::store::{ExecutionId, Retention, Stamp};

/// How much one group removes of each kind.
const AT_ONCE: i64 = 200;

/// The purge clock's speed against boot time, at most.
const SPEED: u64 = 10;

impl Desk<'_> {
    /// Removes some of what is too old; `true` if more is left. `opened` is when this handle was: a purge after a reboot
    /// counts from there.
    pub(super) fn purge(
        &mut self,
        retention: Retention,
        wall: Stamp,
        now: &Boot,
        opened: &Boot,
    ) -> Result<bool, Fault> {
        let clock = self.move_purge_clock(wall, now, opened)?;
        let before =
            |kept: std::time::Duration| clock.0.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        let executions = self.purge_executions(before(retention.executions))?;
        let tombstones = self.purge_tombstones(before(retention.tombstones))?;
        let changes = self.purge_changes(before(retention.executions))?;
        let expired = documents::expire(&self.connection, wall, AT_ONCE as usize)?;
        Ok([executions, tombstones, changes, expired].contains(&(AT_ONCE as usize)))
    }

    fn move_purge_clock(&self, wall: Stamp, now: &Boot, opened: &Boot) -> Result<Stamp, Failure> {
        let connection = &self.connection;
        let clock: i64 = meta(connection, "purge_clock")?.unwrap_or(wall.0);
        let boot: Option<String> = meta(connection, "purge_boot")?;
        let last: Option<i64> = meta(connection, "purge_boottime")?;
        let since = match (boot, last) {
            (Some(boot), Some(last)) if *boot == *now.id && !boot.is_empty() => last as u64,
            _ => opened.milliseconds,
        };
        let gone_by = now.milliseconds.saturating_sub(since).saturating_mul(SPEED);
        let clock = clock.saturating_add(i64::try_from(gone_by).unwrap_or(i64::MAX)).min(wall.0);
        set_meta(connection, "purge_clock", clock)?;
        set_meta(connection, "purge_boot", &*now.id)?;
        set_meta(connection, "purge_boottime", now.milliseconds as i64)?;
        Ok(Stamp(clock))
    }

    /// Ended executions whose parent has ended too; what stays of each is a tombstone.
    fn purge_executions(&mut self, before: i64) -> Result<usize, Failure> {
        let connection = &self.connection;
        let mut find = connection.prepare_cached(
            "SELECT id FROM outlast_executions AS old INDEXED BY outlast_executions_ended \
             WHERE ended_at < ?1 AND ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outlast_executions AS parent \
             WHERE parent.id = old.parent AND parent.status IN (0, 4)) ORDER BY ended_at LIMIT ?2",
        )?;
        let old = find.query_map(params![before, AT_ONCE], |row| row.get(0).map(ExecutionId))?;
        let old: Vec<ExecutionId> = old.collect::<rusqlite::Result<_>>()?;
        for id in &old {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO outlast_tombstones SELECT id, digest, ended_at FROM outlast_executions \
                     WHERE id = ?",
                )?
                .execute([&*id.0])?;
            for sql in [
                "DELETE FROM outlast_executions WHERE id = ?",
                "DELETE FROM outlast_rows WHERE execution = ?",
                "DELETE FROM outlast_attempts WHERE execution = ?",
                "DELETE FROM outlast_inbox WHERE execution = ?",
                "DELETE FROM outlast_watchers WHERE watched = ?",
            ] {
                connection.prepare_cached(sql)?.execute([&*id.0])?;
            }
        }
        Ok(old.len())
    }

    fn purge_tombstones(&mut self, before: i64) -> Result<usize, Failure> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM outlast_tombstones WHERE id IN \
             (SELECT id FROM outlast_tombstones INDEXED BY outlast_tombstones_ended \
             WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
        )?;
        Ok(delete.execute(params![before, AT_ONCE])?)
    }

    /// The newest row stays, so that its number isn't given out again.
    fn purge_changes(&mut self, before: i64) -> Result<usize, Failure> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM outlast_changes WHERE n IN (SELECT n FROM outlast_changes \
             WHERE n < (SELECT max(n) FROM outlast_changes) ORDER BY n LIMIT ?2) AND stamp < ?1",
        )?;
        Ok(delete.execute(params![before, AT_ONCE])?)
    }
}
