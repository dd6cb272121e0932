//! What `doctor` says of a store: facts, and what is wrong with the way out.

use rusqlite::Connection;

use super::failure::Failure;
use super::liveness::{Found, Liveness};
use super::reads::Listed;
use super::schema::{MIGRATIONS, meta};
use crate::store::{Report, Stamp};

/// How far the purge clock may be behind before it is worth a word.
const LATE: i64 = 24 * 60 * 60 * 1000;

/// What can be read in the database.
pub(super) fn of_database(connection: &Connection, thorough: bool, now: Stamp) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut fact = |name, value: String| report.facts.push((name, value));
    fact("SQLite", rusqlite::version().to_owned());
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    fact("schema", format!("{version} (this build: {})", MIGRATIONS.len()));
    fact("incarnation", meta(connection, "incarnation")?.unwrap_or_default());
    fact("journal mode", connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?);
    let created: Option<i64> = meta(connection, "created")?;
    fact("created", created.map_or_else(String::new, moment));
    for (name, sql) in [
        ("owned", "SELECT count(*) FROM outlast_executions WHERE status = 0 AND owner IS NOT NULL"),
        ("due or waiting", "SELECT count(*) FROM outlast_executions WHERE status = 0 AND owner IS NULL"),
        ("parked", "SELECT count(*) FROM outlast_executions WHERE status = 4"),
        ("ended", "SELECT count(*) FROM outlast_executions WHERE ended_at IS NOT NULL"),
        ("tombstones", "SELECT count(*) FROM outlast_tombstones"),
        ("changes kept", "SELECT count(*) FROM outlast_changes"),
    ] {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        fact(name, count.to_string());
    }
    let clock: Option<i64> = meta(connection, "purge_clock")?;
    if let Some(clock) = clock.filter(|clock| now.0.saturating_sub(*clock) > LATE) {
        report.problems.push(format!(
            "purging is {} hours behind the wall clock: it catches up by itself, or the clock has jumped ahead",
            now.0.saturating_sub(clock) / 3_600_000
        ));
    }
    foreign_triggers(connection, &mut report)?;
    check(connection, thorough, &mut report)?;
    Ok(report)
}

fn moment(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |moment| moment.to_string())
}

/// Triggers on our tables slow each write down, and can change what it does.
fn foreign_triggers(connection: &Connection, report: &mut Report) -> Result<(), Failure> {
    let mut find = connection.prepare("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger'")?;
    let found = find.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    for trigger in found {
        let (name, table) = trigger?;
        report.problems.push(format!("the trigger {name} on the table {table} isn't outlast's: drop it"));
    }
    Ok(())
}

fn check(connection: &Connection, thorough: bool, report: &mut Report) -> Result<(), Failure> {
    if !thorough {
        return Ok(());
    }
    let mut check = connection.prepare("PRAGMA integrity_check(20)")?;
    let found = check.query_map([], |row| row.get::<_, String>(0))?;
    for line in found {
        let line = line?;
        if line != "ok" {
            report.problems.push(format!("the file is damaged: {line}. Stop all its processes and restore a backup"));
        }
    }
    Ok(())
}

/// What can be seen of the workers.
pub(super) fn of_workers(workers: &[Listed], liveness: &Liveness, report: &mut Report) {
    let mut alive = 0;
    for worker in workers {
        match liveness.look(&worker.name) {
            Ok(Found::Alive) => alive += 1,
            Ok(Found::Hung(beat)) => report.problems.push(format!(
                "worker {} hangs: its last heartbeat was at {} ms of this boot. Look for a stopped process",
                worker.name, beat.milliseconds
            )),
            Ok(Found::Dead) => report
                .problems
                .push(format!("worker {} is dead: the next sweep of another worker takes its work back", worker.name)),
            Err(error) => report.problems.push(format!("worker {} can't be looked at: {error}", worker.name)),
        }
    }
    report.facts.push(("workers alive", format!("{alive} of {}", workers.len())));
}
