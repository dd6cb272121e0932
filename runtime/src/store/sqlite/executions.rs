//! What others ask of executions inside a group: create, claim, resume, and taking back what a worker owned.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::claims::{Claim, Registered};
use super::desk::{Desk, Posted};
use super::failure::{Failure, Fault};
use super::records;
use super::schema::{OPEN, PARKED};
use crate::error::{Error, ErrorKind};
use crate::store::{
    ClaimRequest, Claimed, Created, Epoch, ExecutionId, Finished, MAX_INBOX, Message, MessageBody, NewExecution, Slot,
    Stamp, Watcher, WorkerId,
};

/// How many executions are taken back in one group: it holds the lock meanwhile.
pub(super) const TAKEN_AT_ONCE: usize = 500;

/// `workers.state` of one that was found dead or hung.
const RETIRED: u8 = 1;
/// `workers.state` of one that is leaving.
const LEAVING: u8 = 2;

/// The worker isn't registered here, or has been taken off the list.
fn not_standing(worker: &WorkerId) -> Error {
    Error::of(
        ErrorKind::Unavailable,
        format!("worker {} is not on the store's list (any more): register again", worker.0),
    )
}

/// An execution that was claimed, its record and its inbox still to be read.
pub(super) struct Taken {
    pub(super) claimed: Claimed,
    /// There may be messages. One that comes later is told of as any other.
    pub(super) mail: bool,
}

impl Taken {
    /// Whether nothing is to be read: nothing can have been recorded before the first claim.
    pub(super) fn is_whole(&self) -> bool {
        self.claimed.epoch == Epoch(1) && !self.mail
    }
}

impl Desk<'_> {
    /// Registers a worker whose lock file is held, and wakes what was parked for another build.
    pub(super) fn register(&mut self, id: &WorkerId, build: u64) -> Result<(), Fault> {
        self.connection
            .prepare_cached("INSERT INTO outlast_workers (name, build, registered, state) VALUES (?, ?, ?, 0)")?
            .execute(params![&*id.0, build as i64, self.stamp.0])?;
        let number = self.connection.last_insert_rowid();
        self.claims.register(Registered { number, id: id.clone(), standing: true });
        let woken = self
            .connection
            .prepare_cached(
                "UPDATE outlast_executions SET status = 0, wake_at = ?1, reason = NULL, until_build = NULL \
                 WHERE status = 4 AND until_build IS NOT NULL AND until_build <> ?2",
            )?
            .execute(params![self.stamp.0, build as i64])?;
        self.news |= woken > 0;
        Ok(())
    }

    /// Creates an execution, or says what stands under its id.
    pub(super) fn create(&mut self, new: &NewExecution) -> Result<Created, Fault> {
        self.name_point(|_| format!("create {}", new.function));
        let due = new.not_before.is_none_or(|start| start <= self.stamp);
        let owner = new.claim_for.as_ref().filter(|_| due).and_then(|worker| self.claims.standing(worker));
        if !self.insert(new, owner)? {
            return self.existing(new);
        }
        if let Some(watcher) = &new.watcher {
            self.watch(&new.id, watcher)?;
        }
        let Some(worker) = owner else {
            self.news = true;
            return Ok(Created::New(None));
        };
        let epoch = Epoch(1);
        let (slot, stamp) = (Slot::default(), self.stamp);
        let claim = Claim { slot, worker, epoch, next: 0, stamp, crashed: false, attempts: false };
        let slot = self.claims.add(&new.id, claim);
        Ok(Created::New(Some(Box::new(Claimed {
            id: new.id.clone(),
            epoch,
            slot,
            function: new.function.clone(),
            version: new.version,
            // The request has them, and gives them on.
            arguments: Vec::new(),
            seed: new.seed,
            started: self.stamp,
            deadline: self.deadline(new),
            parked: None,
            crashes: 0,
            record: Vec::new(),
            attempts: Vec::new(),
            inbox: Vec::new(),
        }))))
    }

    fn deadline(&self, new: &NewExecution) -> Option<Stamp> {
        new.timeout.map(|timeout| new.not_before.map_or(self.stamp, |start| start.max(self.stamp)).after(timeout))
    }

    /// `false` if the id is there, or its tombstone.
    fn insert(&mut self, new: &NewExecution, owner: Option<i64>) -> Result<bool, Failure> {
        let now = self.stamp.0;
        let wake_at = if owner.is_some() { None } else { Some(new.not_before.map_or(now, |start| start.0.max(now))) };
        let deadline = self.deadline(new).map(|deadline| deadline.0);
        let inserted = self.statements.create.execute(params![
            &*new.id.0,
            &*new.function,
            new.version,
            new.arguments,
            new.digest.0.as_slice(),
            owner,
            wake_at,
            now,
            owner.map(|_| now),
            deadline,
            new.parent.as_ref().map(|parent| &*parent.0),
            new.seed as i64,
        ])?;
        Ok(inserted == 1)
    }

    fn existing(&mut self, new: &NewExecution) -> Result<Created, Fault> {
        let Some((digest, function, finished)) = standing_under(&self.connection, &new.id)? else {
            let mut tombstone = self.connection.prepare_cached("SELECT digest FROM outlast_tombstones WHERE id = ?")?;
            let digest: Vec<u8> = tombstone.query_row([&*new.id.0], |row| row.get(0))?;
            return Ok(Created::Expired(digest == new.digest.0));
        };
        if digest != new.digest.0 {
            return Ok(Created::Mismatch { function });
        }
        match (finished, &new.watcher) {
            (Some(finished), watcher) => {
                if let Some(watcher) = watcher {
                    self.announce(watcher, &new.id, &finished)?;
                }
                Ok(Created::Ended(finished))
            }
            (None, Some(watcher)) => {
                self.watch(&new.id, watcher)?;
                Ok(Created::Exists)
            }
            (None, None) => Ok(Created::Exists),
        }
    }

    /// Claims what is due, oldest first. The records are read after the commit, on a reader: they belong to the new
    /// owner alone from then on.
    pub(super) fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<Taken>, Fault> {
        let Some(worker) = self.claims.standing(&request.worker) else {
            return Err(not_standing(&request.worker).into());
        };
        let mut due = Vec::new();
        for (function, version) in request.functions.iter() {
            let mut find = self.connection.prepare_cached(
                "SELECT wake_at, id FROM outlast_executions INDEXED BY outlast_executions_open WHERE status = 0 AND \
                 owner IS NULL \
                 AND function = ? AND version = ? AND wake_at <= ? ORDER BY wake_at LIMIT ?",
            )?;
            let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
            let found = find.query_map(params![&**function, version, self.stamp.0, limit], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Arc<str>>(1)?))
            })?;
            for execution in found {
                due.push(execution?);
            }
        }
        due.sort_unstable();
        due.truncate(request.limit);
        let mut claimed = Vec::with_capacity(due.len());
        for (_, id) in due {
            claimed.push(self.take(ExecutionId(id), worker)?);
        }
        if let Some(first) = claimed.first() {
            self.name_point(|_| format!("claim {}", first.claimed.function));
        }
        Ok(claimed)
    }

    fn take(&mut self, id: ExecutionId, worker: i64) -> Result<Taken, Failure> {
        let Taken { mut claimed, mail } =
            self.statements.take.query_row(params![worker, self.stamp.0, &*id.0], |row| {
                let claimed = Claimed {
                    id: id.clone(),
                    epoch: Epoch(row.get::<_, i64>(0)? as u64),
                    slot: Slot::default(),
                    function: records::name(row, 1)?,
                    version: row.get(2)?,
                    arguments: row.get(3)?,
                    seed: row.get::<_, i64>(4)? as u64,
                    started: Stamp(row.get(5)?),
                    deadline: row.get::<_, Option<i64>>(6)?.map(Stamp),
                    parked: row.get(7)?,
                    crashes: row.get(8)?,
                    record: Vec::new(),
                    attempts: Vec::new(),
                    inbox: Vec::new(),
                };
                Ok(Taken { claimed, mail: row.get(9)? })
            })?;
        let first = claimed.epoch == Epoch(1);
        let (next, last) = if first { (0, None) } else { records::last_row(&self.connection, &id)? };
        let stamp = last.unwrap_or(claimed.started).max(claimed.started);
        let (slot, epoch, crashed) = (claimed.slot, claimed.epoch, claimed.crashes > 0);
        claimed.slot = self.claims.add(&id, Claim { slot, worker, epoch, next, stamp, crashed, attempts: !first });
        Ok(Taken { claimed, mail })
    }

    /// Puts a message into an inbox for someone outside.
    pub(super) fn post_from_outside(&mut self, to: &ExecutionId, message: &Message) -> Result<bool, Fault> {
        if matches!(message.body, MessageBody::Signal { .. }) && records::is_full(&self.connection, to)? {
            let error = Error::of(
                ErrorKind::TooLarge,
                format!("execution {to} has more signals than it takes: {MAX_INBOX} wait, or its record is full"),
            );
            return Err(error.with_execution(to).into());
        }
        if let MessageBody::Signal { name, .. } = &message.body {
            self.name_point(|_| format!("inbox signal {name}"));
        }
        match self.post(to, message)? {
            Posted::Taken => Ok(true),
            Posted::Refused => Ok(false),
            Posted::Nowhere => Err(unknown_execution(&self.connection, to)?.into()),
        }
    }

    /// Announces an end to a watcher: at once, if it has come.
    pub(super) fn watch_from_outside(&mut self, of: &ExecutionId, watcher: &Watcher) -> Result<(), Fault> {
        match standing_under(&self.connection, of)? {
            Some((_, _, Some(finished))) => Ok(self.announce(watcher, of, &finished)?),
            Some((_, _, None)) => Ok(self.watch(of, watcher)?),
            None => Err(unknown_execution(&self.connection, of)?.into()),
        }
    }

    /// Makes a parked or waiting execution due. Deaths of workers are counted afresh: someone has seen to it.
    pub(super) fn resume(&mut self, id: &ExecutionId) -> Result<bool, Fault> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE outlast_executions SET status = 0, wake_at = min(coalesce(wake_at, ?1), ?1), reason = NULL, \
                 until_build = NULL, crashes = 0 WHERE id = ?2 AND owner IS NULL AND status IN (0, 4)",
            )?
            .execute(params![self.stamp.0, &*id.0])?;
        if changed == 0 && standing_under(&self.connection, id)?.is_none() {
            return Err(unknown_execution(&self.connection, id)?.into());
        }
        self.news |= changed > 0;
        Ok(changed > 0)
    }

    /// Takes a dead or hung worker off the list, and takes back some of what it owned: how much, and whether all.
    pub(super) fn retire(&mut self, worker: &WorkerId) -> Result<(usize, bool), Fault> {
        self.take_off(worker, RETIRED)
    }

    /// Takes a worker off the list that wants to go, and gives back some of what it owned.
    pub(super) fn leave(&mut self, worker: &WorkerId) -> Result<(usize, bool), Fault> {
        self.take_off(worker, LEAVING)
    }

    fn take_off(&mut self, worker: &WorkerId, state: u8) -> Result<(usize, bool), Fault> {
        let mut find = self.connection.prepare_cached("SELECT n, state FROM outlast_workers WHERE name = ?")?;
        let found: Option<(i64, u8)> = find.query_row([&*worker.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        drop(find);
        let Some((number, before)) = found else { return Ok((0, true)) };
        // From here on it is fenced, whatever is left to be taken back. One that was leaving hasn't crashed.
        let state = if before == 0 { state } else { before };
        self.connection
            .prepare_cached("UPDATE outlast_workers SET state = ? WHERE n = ?")?
            .execute(params![state, number])?;
        self.claims.retire(number);
        let taken = self
            .connection
            .prepare_cached(
                "UPDATE outlast_executions SET owner = NULL, wake_at = ?1, crashes = crashes + ?2 WHERE id IN \
                 (SELECT id FROM outlast_executions INDEXED BY outlast_executions_open WHERE status = 0 AND owner = \
                 ?3 LIMIT ?4)",
            )?
            .execute(params![self.stamp.0, state == RETIRED, number, TAKEN_AT_ONCE as i64])?;
        self.news |= taken > 0;
        if taken == TAKEN_AT_ONCE {
            return Ok((taken, false));
        }
        self.connection.prepare_cached("DELETE FROM outlast_workers WHERE n = ?")?.execute([number])?;
        Ok((taken, true))
    }
}

type Standing = (Vec<u8>, Arc<str>, Option<Finished>);

/// Digest, function and end of an execution.
fn standing_under(connection: &Connection, id: &ExecutionId) -> Result<Option<Standing>, Failure> {
    let mut find = connection
        .prepare_cached("SELECT digest, function, status, outcome, value FROM outlast_executions WHERE id = ?")?;
    let mut found = find.query([&*id.0])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let finished = match row.get(2)? {
        OPEN | PARKED => None,
        status => Some(records::finished(status, row.get(3)?, row.get(4)?)?),
    };
    Ok(Some((row.get(0)?, row.get(1)?, finished)))
}

/// The error about an id under which nothing stands.
pub(super) fn unknown_execution(connection: &Connection, id: &ExecutionId) -> Result<Error, Failure> {
    let mut tombstone = connection.prepare_cached("SELECT 1 FROM outlast_tombstones WHERE id = ?")?;
    let error = if tombstone.exists([&*id.0])? {
        Error::of(ErrorKind::Expired, format!("execution {id} ended so long ago that its result is no longer kept"))
    } else {
        Error::of(ErrorKind::NotFound, format!("no execution has the id {id}"))
    };
    Ok(error.with_execution(id))
}
