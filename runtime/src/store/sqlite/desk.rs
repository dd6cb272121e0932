//! The writer's desk: what a group works on, and the writes of owners.
//!
//! Everything here happens inside a group's transaction. A fence that fails changes nothing; a failure of the file ends
//! the group, which is then rolled back whole, the claims with it.

use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, params};

use super::bodies::{self, Savepoints};
use super::claims::{Claim, ClaimKey, Claims};
use super::documents::catalogue;
use super::failure::Failure;
use super::records;
use super::schema::{OPEN, PARKED, meta};
use super::statements::Statements;
use crate::store::{
    Committed, ExecutionId, Finished, Message, MessageBody, Refused, RowKind, Stamp, Submission, Watcher, Write,
};

/// What a group works on.
pub(super) struct Desk<'c> {
    /// The one connection that writes.
    pub(super) connection: Rc<Connection>,
    pub(super) statements: Statements<'c>,
    /// What this handle's workers own.
    pub(super) claims: Claims,
    /// Whether bodies of transactions get savepoints.
    pub(super) savepoints: Savepoints,
    /// The group's commit stamp.
    pub(super) stamp: Stamp,
    /// Whether the group did something that a worker or a caller may wait for.
    pub(super) news: bool,
    /// The runtime that bodies find around them.
    pub(super) runtime: tokio::runtime::Handle,
    /// The store's incarnation, as this handle found it.
    incarnation: String,
    /// What the command at hand did, as crash points name it.
    #[cfg(feature = "crash-points")]
    pub(super) label: Option<String>,
}

/// What became of a message.
pub(super) enum Posted {
    /// It is in the inbox.
    Taken,
    /// It was there before, or in the record, or the execution has ended.
    Refused,
    /// There is no such execution.
    Nowhere,
}

impl<'c> Desk<'c> {
    pub(super) fn new(connection: &'c Rc<Connection>, runtime: tokio::runtime::Handle) -> Result<Self, Failure> {
        let incarnation = meta(connection, "incarnation")?
            .ok_or_else(|| Failure::Damaged("its table `meta` has no incarnation".into()))?;
        let (claims, stamp) = (Claims::default(), Stamp(0));
        Ok(Self {
            connection: connection.clone(),
            statements: Statements::new(connection)?,
            claims,
            savepoints: Savepoints::default(),
            stamp,
            news: false,
            runtime,
            incarnation,
            #[cfg(feature = "crash-points")]
            label: None,
        })
    }

    /// A group has begun: sets its stamp, and drops what workers owned that were taken off the list since.
    pub(super) fn begin(&mut self, now: Stamp) -> Result<(), Failure> {
        self.stamp = self.stamp.max(now);
        self.news = false;
        catalogue::begin(&self.connection);
        let known = &self.incarnation;
        let incarnation = &mut self.statements.incarnation;
        let same = incarnation.query_row([], |row| Ok(row.get_ref(0)?.as_str()? == known)).optional()?;
        let restored = same != Some(true);
        let mut lost = Vec::new();
        for worker in self.claims.workers().iter().filter(|worker| worker.standing) {
            if restored || !self.statements.stands.exists([worker.number])? {
                lost.push(worker.number);
            }
        }
        for number in lost {
            tracing::warn!(worker = number, "the worker was taken off the list: what it owned is another's now");
            self.claims.retire(number);
        }
        Ok(())
    }

    /// Runs an owner's write.
    pub(super) fn owned(&mut self, submission: &mut Submission) -> Result<Result<Committed, Refused>, Failure> {
        let Submission { execution, epoch, slot, write, .. } = submission;
        let Some(claim) = self.claims.get(*slot, execution, *epoch) else { return Ok(Err(Refused::Fenced)) };
        match write {
            Write::Row { row, from } => self.row(execution, claim, row, from.as_deref()),
            Write::Transaction(body) => bodies::run(self, execution, claim, body),
            Write::Attempt(attempt) => {
                self.name_point(|_| format!("attempt {}#{}", attempt.key.name, attempt.key.ordinal));
                records::put_attempt(&self.connection, execution, attempt)?;
                self.claims.set(Claim { attempts: true, ..claim });
                Ok(Ok(self.committed()))
            }
            Write::End(finished) => {
                self.name_point(|desk| desk.point_of("end", execution));
                self.end(execution, claim, finished)
            }
            Write::Release { wake } => {
                self.name_point(|desk| desk.point_of("release", execution));
                self.release(execution, claim, *wake)?;
                Ok(Ok(self.committed()))
            }
            Write::Park { reason, until_build } => {
                self.name_point(|desk| desk.point_of("park", execution));
                self.connection
                    .prepare_cached(
                        "UPDATE outlast_executions SET status = ?, owner = NULL, wake_at = NULL, reason = ?, \
                         until_build = ? WHERE id = ?",
                    )?
                    .execute(params![PARKED, *reason, until_build.map(|build| build as i64), &*execution.0])?;
                self.claims.end(claim.slot);
                self.news = true;
                self.wake_parked_for_cancel(execution)?;
                Ok(Ok(self.committed()))
            }
        }
    }

    /// Names the crash points of the command at hand.
    #[cfg_attr(not(feature = "crash-points"), allow(clippy::unused_self, reason = "it keeps the name"))]
    pub(super) fn name_point(&mut self, name: impl FnOnce(&Self) -> String) {
        #[cfg(feature = "crash-points")]
        if crate::crash_point::is_armed() {
            self.label = Some(name(self));
        }
        #[cfg(not(feature = "crash-points"))]
        drop(name);
    }

    /// The name of a point of an execution's: it has its function in it.
    fn point_of(&self, what: &str, execution: &ExecutionId) -> String {
        let found: rusqlite::Result<String> = self
            .connection
            .prepare_cached("SELECT function FROM outlast_executions WHERE id = ?")
            .and_then(|mut find| find.query_row([&*execution.0], |row| row.get(0)));
        format!("{what} {}", found.unwrap_or_default())
    }

    /// A write without a row.
    fn committed(&self) -> Committed {
        Committed { seq: None, stamp: self.stamp }
    }

    fn row(
        &mut self,
        execution: &ExecutionId,
        claim: Claim,
        row: &RowKind,
        from: Option<&str>,
    ) -> Result<Result<Committed, Refused>, Failure> {
        if let Some(message) = from
            && !records::has_message(&self.connection, execution, message)?
        {
            return Ok(Err(Refused::Gone));
        }
        let written = self.append(execution, claim, row, from)?;
        if let (Ok(_), Some(message)) = (written, from) {
            records::remove_messages(&self.connection, execution, Some(message))?;
        }
        Ok(written)
    }

    /// Adds a row at the end of a record. A place that is taken was taken by another owner.
    pub(super) fn append(
        &mut self,
        execution: &ExecutionId,
        claim: Claim,
        row: &RowKind,
        from: Option<&str>,
    ) -> Result<Result<Committed, Refused>, Failure> {
        let stamp = self.stamp.max(claim.stamp);
        if !records::insert_row(
            &self.connection,
            &mut self.statements.outcome,
            execution,
            claim.next,
            stamp,
            row,
            from,
        )? {
            return Ok(Err(Refused::Fenced));
        }
        if claim.crashed {
            self.connection
                .prepare_cached("UPDATE outlast_executions SET crashes = 0 WHERE id = ?")?
                .execute([&*execution.0])?;
        }
        if let (true, RowKind::Outcome(outcome)) = (claim.attempts, row) {
            records::remove_attempts(&self.connection, execution, Some(&outcome.key))?;
        }
        self.name_point(|_| row_label(row));
        self.claims.set(Claim { next: claim.next + 1, stamp, crashed: false, ..claim });
        Ok(Ok(Committed { seq: Some(claim.next), stamp }))
    }

    /// The end: status and value, the claim, what is left over, and the watchers' messages.
    fn end(
        &mut self,
        execution: &ExecutionId,
        claim: Claim,
        finished: &Finished,
    ) -> Result<Result<Committed, Refused>, Failure> {
        let stamp = self.stamp.max(claim.stamp);
        // Most have no messages and no watchers: then this is all.
        let alone = self.set_end(execution, stamp, finished, 0)?;
        if !alone {
            self.set_end(execution, stamp, finished, 1)?;
        }
        if claim.attempts {
            records::remove_attempts(&self.connection, execution, None)?;
        }
        self.claims.end(claim.slot);
        self.news = true;
        if alone {
            return Ok(Ok(Committed { seq: None, stamp }));
        }
        records::remove_messages(&self.connection, execution, None)?;
        let watchers = self.watchers(execution)?;
        for watcher in &watchers {
            self.announce(watcher, execution, finished)?;
        }
        if !watchers.is_empty() {
            self.connection
                .prepare_cached("DELETE FROM outlast_watchers WHERE watched = ?")?
                .execute([&*execution.0])?;
        }
        Ok(Ok(Committed { seq: None, stamp }))
    }

    /// Writes the end, if the execution's `mail` is this.
    fn set_end(&mut self, id: &ExecutionId, stamp: Stamp, finished: &Finished, mail: u8) -> Result<bool, Failure> {
        let (outcome, value) = (records::outcome_number(&finished.value), finished.value.bytes());
        Ok(self.statements.end.execute(params![finished.end as u8, stamp.0, outcome, value, &*id.0, mail])? > 0)
    }

    /// From now on the execution's end has something to clean up: messages, or watchers to be told.
    fn note_mail(&self, id: &ExecutionId) -> Result<(), Failure> {
        self.connection
            .prepare_cached("UPDATE outlast_executions SET mail = 1 WHERE id = ? AND mail = 0")?
            .execute([&*id.0])?;
        Ok(())
    }

    fn watchers(&self, watched: &ExecutionId) -> Result<Vec<Watcher>, Failure> {
        let mut statement =
            self.connection.prepare_cached("SELECT execution, message FROM outlast_watchers WHERE watched = ?")?;
        let found = statement.query_map([&*watched.0], |row| {
            Ok(Watcher { execution: ExecutionId(row.get(0)?), message: row.get(1)? })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// Adds someone who wants to hear of an end.
    pub(super) fn watch(&self, of: &ExecutionId, watcher: &Watcher) -> Result<(), Failure> {
        self.connection.prepare_cached("INSERT OR IGNORE INTO outlast_watchers VALUES (?, ?, ?)")?.execute(params![
            &*of.0,
            &*watcher.execution.0,
            &*watcher.message
        ])?;
        self.note_mail(of)
    }

    /// Tells a watcher of an end. One that has ended itself, or is gone, needn't know.
    pub(super) fn announce(
        &mut self,
        watcher: &Watcher,
        execution: &ExecutionId,
        finished: &Finished,
    ) -> Result<(), Failure> {
        let body = MessageBody::Ended { execution: execution.clone(), finished: finished.clone() };
        self.post(&watcher.execution, &Message { id: watcher.message.clone(), body }).map(drop)
    }

    /// Puts a message into an inbox, and makes its execution due if nobody owns it.
    pub(super) fn post(&mut self, to: &ExecutionId, message: &Message) -> Result<Posted, Failure> {
        let mut find = self
            .connection
            .prepare_cached("SELECT status, owner, started IS NOT NULL FROM outlast_executions WHERE id = ?")?;
        let found: Option<(u8, Option<i64>, bool)> =
            find.query_row([&*to.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((status, owner, started)) = found else { return Ok(Posted::Nowhere) };
        if (status != OPEN && status != PARKED) || !records::put_message(&self.connection, to, message)? {
            return Ok(Posted::Refused);
        }
        let cancels = matches!(message.body, MessageBody::Cancel { .. });
        self.note_mail(to)?;
        // One that hasn't begun keeps its start; a parked one can't use what comes: only a cancellation wakes them.
        if cancels || (status == OPEN && owner.is_none() && started) {
            self.make_due(to)?;
        }
        self.news = true;
        Ok(Posted::Taken)
    }

    fn make_due(&self, id: &ExecutionId) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "UPDATE outlast_executions SET status = 0, wake_at = min(coalesce(wake_at, ?1), ?1) \
                 WHERE id = ?2 AND owner IS NULL",
            )?
            .execute(params![self.stamp.0, &*id.0])?;
        Ok(())
    }

    /// A cancellation that came before its execution was parked mustn't wait for a second one.
    fn wake_parked_for_cancel(&self, id: &ExecutionId) -> Result<(), Failure> {
        let inbox = records::inbox(&self.connection, id)?;
        if inbox.iter().any(|message| matches!(message.body, MessageBody::Cancel { .. })) {
            self.make_due(id)?;
        }
        Ok(())
    }

    /// Ends a claim; the execution waits until `wake`, or not at all if there is a message for it.
    fn release(&mut self, execution: &ExecutionId, claim: Claim, wake: Option<Stamp>) -> Result<(), Failure> {
        self.connection
            .prepare_cached(
                "UPDATE outlast_executions SET owner = NULL, wake_at = CASE \
                 WHEN EXISTS (SELECT 1 FROM outlast_inbox WHERE execution = ?1) THEN ?2 ELSE ?3 END WHERE id = ?1",
            )?
            .execute(params![&*execution.0, self.stamp.0, wake.map(|wake| wake.0)])?;
        self.claims.end(claim.slot);
        self.news = true;
        Ok(())
    }

    /// Releases claims that were made for someone who went away before they were delivered.
    pub(super) fn returned(&mut self, claims: &[ClaimKey]) -> Result<(), Failure> {
        for ClaimKey { id, epoch, slot } in claims {
            if let Some(claim) = self.claims.get(*slot, id, *epoch) {
                self.release(id, claim, Some(self.stamp))?;
            }
        }
        Ok(())
    }
}

/// How crash points name a row: an outcome as the engine names its body's.
fn row_label(row: &RowKind) -> String {
    match row {
        RowKind::Outcome(outcome) => format!("{}#{}", outcome.key.name, outcome.name_ordinal),
        RowKind::Arrival { name, .. } => format!("arrival {name}"),
        RowKind::Cancel { .. } => "cancel".into(),
        RowKind::Deadline => "deadline".into(),
    }
}
