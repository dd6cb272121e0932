//! What is asked of a store without writing to it. Runs on a reader, or on the writer's thread for a store in memory.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, params};

use super::executions::{Taken, unknown_execution};
use super::failure::{Failure, Fault};
use super::records;
use super::schema::{OPEN, PARKED};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    ClaimRequest, Details, Epoch, ExecutionId, Filter, Finished, Stamp, Status, Summary, Wakeups, WorkerId,
};

/// The rest of a claim: its record, attempts and inbox.
pub(super) fn fill(connection: &Connection, taken: &mut Taken) -> Result<(), Failure> {
    let Taken { claimed, mail } = taken;
    if claimed.epoch > Epoch(1) {
        claimed.record = records::rows(connection, &claimed.id)?;
        claimed.attempts = records::attempts(connection, &claimed.id)?;
    }
    if *mail {
        claimed.inbox = records::inbox(connection, &claimed.id)?;
    }
    Ok(())
}

/// What concerns a worker.
pub(super) fn wakeups(connection: &Connection, request: &ClaimRequest, now: Stamp) -> Result<Wakeups, Failure> {
    // From the inbox on: few messages wait at a time, while a worker may own a hundred thousand executions.
    let mut arrived = connection.prepare_cached(
        "SELECT DISTINCT inbox.execution FROM outlast_inbox AS inbox CROSS JOIN outlast_executions AS executions \
         ON executions.id = inbox.execution CROSS JOIN outlast_workers AS workers ON workers.n = executions.owner \
         WHERE executions.status = 0 AND workers.name = ?",
    )?;
    let arrived = arrived.query_map([&*request.worker.0], |row| row.get(0).map(ExecutionId))?;
    let mut wakeups =
        Wakeups { arrived: arrived.collect::<rusqlite::Result<_>>()?, due: false, next: None, again: AGAIN };
    let mut due = connection.prepare_cached(
        "SELECT 1 FROM outlast_executions INDEXED BY outlast_executions_open WHERE status = 0 AND owner IS NULL \
         AND function = ? AND version = ? AND wake_at <= ?",
    )?;
    let mut next = connection.prepare_cached(
        "SELECT min(wake_at) FROM outlast_executions INDEXED BY outlast_executions_open WHERE status = 0 \
         AND owner IS NULL AND function = ? AND version = ? AND wake_at > ?",
    )?;
    for (function, version) in request.functions.iter() {
        wakeups.due |= due.exists(params![&**function, version, now.0])?;
        let at: Option<i64> = next.query_row(params![&**function, version, now.0], |row| row.get(0))?;
        wakeups.next = match (wakeups.next, at.map(Stamp)) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        };
    }
    Ok(wakeups)
}

type Ends = Vec<(ExecutionId, Result<Finished>)>;

/// Those that have ended, are parked, or don't exist.
pub(super) fn finished(connection: &Connection, ids: &[ExecutionId]) -> Result<Ends, Failure> {
    let mut find =
        connection.prepare_cached("SELECT status, outcome, value, reason FROM outlast_executions WHERE id = ?")?;
    let mut ends = Vec::new();
    for id in ids {
        let mut found = find.query([&*id.0])?;
        let end = match found.next()? {
            None => Err(unknown_execution(connection, id)?),
            Some(row) => match row.get(0)? {
                OPEN => continue,
                PARKED => Err(parked(id, row.get(3)?)),
                status => Ok(records::finished(status, row.get(1)?, row.get(2)?)?),
            },
        };
        ends.push((id.clone(), end));
    }
    Ok(ends)
}

/// The error with which an execution was parked.
fn parked(id: &ExecutionId, reason: Option<Vec<u8>>) -> Error {
    let reason = reason.and_then(|bytes| crate::encoding::decode::<Error>(&bytes).ok());
    let reason = reason.unwrap_or_else(|| Error::of(ErrorKind::Parked, format!("execution {id} is parked")));
    reason.with_execution(id)
}

/// Open children.
pub(super) fn children(connection: &Connection, parent: &ExecutionId) -> Result<Vec<ExecutionId>, Failure> {
    let mut find = connection.prepare_cached(
        "SELECT id FROM outlast_executions WHERE parent = ? AND status IN (0, 4) ORDER BY created, id",
    )?;
    let found = find.query_map([&*parent.0], |row| row.get(0).map(ExecutionId))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Changes of other processes are seen as they happen; a look makes up for one that was missed.
const AGAIN: Duration = Duration::from_secs(1);

const SUMMARY: &str = "executions.id, function, version, status, owner IS NOT NULL, wake_at, executions.created, \
     started, ended_at, deadline, parent, workers.name, epoch, reason";
const SUMMARY_FROM: &str =
    "FROM outlast_executions AS executions LEFT JOIN outlast_workers AS workers ON workers.n = executions.owner";

fn summary(row: &SqlRow<'_>, now: Stamp) -> Result<Summary, Failure> {
    let stamp = |column| row.get::<_, Option<i64>>(column).map(|stamp| stamp.map(Stamp));
    let (owned, wake) = (row.get(4)?, stamp(5)?);
    let status = match row.get(3)? {
        OPEN if owned => Status::Running,
        OPEN if wake.is_some_and(|wake| wake <= now) => Status::Ready,
        OPEN => Status::Waiting,
        PARKED => Status::Parked,
        status => Status::Ended(records::end_of(status)?),
    };
    // The reason outlives a wake-up to be cancelled; only a parked one is parked.
    let reason = if status == Status::Parked { row.get(13)? } else { None };
    Ok(Summary {
        id: ExecutionId(row.get(0)?),
        function: row.get(1)?,
        version: row.get(2)?,
        status,
        created: Stamp(row.get(6)?),
        started: stamp(7)?,
        ended: stamp(8)?,
        wake,
        deadline: stamp(9)?,
        parent: row.get::<_, Option<Arc<str>>>(10)?.map(ExecutionId),
        owner: row.get::<_, Option<Arc<str>>>(11)?.map(WorkerId),
        epoch: Epoch(row.get::<_, i64>(12)? as u64),
        reason,
    })
}

/// The condition that is a status's word.
fn status_condition(word: &str) -> Result<&'static str, Error> {
    Ok(match word {
        "running" => "status = 0 AND owner IS NOT NULL",
        "ready" => "status = 0 AND owner IS NULL AND wake_at <= :now",
        "waiting" => "status = 0 AND owner IS NULL AND (wake_at IS NULL OR wake_at > :now)",
        "succeeded" => "status = 1",
        "failed" => "status = 2",
        "cancelled" => "status = 3",
        "parked" => "status = 4",
        _ => {
            return Err(Error::of(
                ErrorKind::Invalid,
                format!("{word} is no status: it is running, ready, waiting, parked, succeeded, failed or cancelled"),
            ));
        }
    })
}

/// A page of executions, newest first.
pub(super) fn list(connection: &Connection, filter: &Filter, now: Stamp) -> Result<Vec<Summary>, Fault> {
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let mut conditions = Vec::new();
    let mut values: Vec<(&str, &dyn ToSql)> = vec![(":limit", &limit)];
    if let Some(word) = &filter.status {
        let condition = status_condition(word)?;
        conditions.push(condition);
        if condition.contains(":now") {
            values.push((":now", &now.0));
        }
    }
    if let Some(function) = &filter.function {
        conditions.push("function = :function");
        values.push((":function", function));
    }
    let parent = filter.parent.as_ref().map(|parent| &*parent.0);
    if parent.is_some() {
        conditions.push("parent = :parent");
        values.push((":parent", &parent));
    }
    let before = filter.before.as_ref().map(|before| &*before.0);
    if let Some(id) = &before {
        let created: Option<i64> = connection
            .prepare_cached("SELECT created FROM outlast_executions WHERE id = ?")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        created.ok_or_else(|| Error::of(ErrorKind::NotFound, format!("no execution has the id {id}")))?;
        conditions.push(
            "(executions.created, executions.id) < (SELECT created, id FROM outlast_executions AS other WHERE \
             other.id = :before)",
        );
        values.push((":before", &before));
    }
    let only = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let sql = format!(
        "SELECT {SUMMARY} {SUMMARY_FROM} {only} ORDER BY executions.created DESC, executions.id DESC LIMIT :limit"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(&*values)?;
    let mut page = Vec::new();
    while let Some(row) = found.next()? {
        page.push(summary(row, now)?);
    }
    Ok(page)
}

/// One execution whole.
pub(super) fn details(connection: &Connection, id: &ExecutionId, now: Stamp) -> Result<Option<Details>, Failure> {
    let sql = format!("SELECT {SUMMARY}, arguments, outcome, value {SUMMARY_FROM} WHERE executions.id = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query([&*id.0])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let finished = match row.get(3)? {
        OPEN | PARKED => None,
        status => Some(records::finished(status, row.get(15)?, row.get(16)?)?),
    };
    Ok(Some(Details {
        summary: summary(row, now)?,
        arguments: row.get(14)?,
        finished,
        record: records::rows(connection, id)?,
        attempts: records::attempts(connection, id)?,
        inbox: records::inbox(connection, id)?,
    }))
}

/// A worker on the list.
pub(super) struct Listed {
    pub(super) name: Arc<str>,
    /// Whether it is being taken back from already.
    pub(super) retired: bool,
    /// Whether it may write.
    pub(super) standing: bool,
}

/// All workers on the list.
pub(super) fn workers(connection: &Connection) -> Result<Vec<Listed>, Failure> {
    let mut statement = connection.prepare_cached("SELECT name, state FROM outlast_workers")?;
    let found = statement.query_map([], |row| {
        let state: u8 = row.get(1)?;
        Ok(Listed { name: row.get(0)?, retired: state == 1, standing: state == 0 })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The names of workers on the list.
pub(super) fn names(workers: &[Listed]) -> HashSet<Arc<str>> {
    workers.iter().map(|worker| worker.name.clone()).collect()
}
