//! Owners' writes: those of one execution in order, those of different ones side by side.
//!
//! Rows that wait together go as one insert, whatever executions they belong to; a row that waits alone goes at once.
//! Everything else an owner writes has a task of its own. An execution has one write, or one run of rows, under way at a
//! time, so its order is the order of submission.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::blobs::SPILLED;
use super::claims::Claim;
use super::entries::{self, At, plain_values, values_of};
use super::inserts::{Fate, Placed};
use super::shared::Shared;
use crate::hashing::FastMap;
use crate::store::{Committed, Epoch, ExecutionId, Key, Owner, Refused, RowKind, Slot, Stamp, Submission, Write};

/// The most rows of one insert, and their bytes.
const MOST_ROWS: usize = 1000;
const MOST_BYTES: usize = 12 << 20;

/// What waits, and what is under way.
#[derive(Default)]
pub(super) struct Writer {
    inner: Mutex<Inner>,
    /// Something has been written.
    settled: Notify,
}

#[derive(Default)]
struct Inner {
    queues: FastMap<ExecutionId, Queue>,
    /// Executions with something to write and nothing under way.
    ready: VecDeque<ExecutionId>,
    /// Inserts of rows under way.
    inserts: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Submission>,
    busy: bool,
}

impl Writer {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an execution's end waits behind what is being written: it is cancelled, or its time is up.
    pub(super) fn is_to_end(&self, id: &ExecutionId) -> bool {
        let ends = |waits: &Submission| {
            matches!(waits.write, Write::Row { row: RowKind::Cancel { .. } | RowKind::Deadline, .. })
        };
        self.lock().queues.get(id).is_some_and(|queue| queue.waiting.iter().any(ends))
    }

    /// Resolves with the next write that is settled.
    fn settled(&self) -> tokio::sync::futures::Notified<'_> {
        self.settled.notified()
    }
}

impl Inner {
    /// The next run of rows, or a write of another kind.
    fn next(&mut self, lanes: usize) -> Option<Next> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut kept = VecDeque::new();
        let mut other = None;
        while let Some(id) = self.ready.pop_front() {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            let Some(first) = queue.waiting.front() else { continue };
            let Some(size) = plain_size(&first.write) else {
                if rows.is_empty() {
                    queue.busy = true;
                    other = queue.waiting.pop_front();
                    break;
                }
                kept.push_back(id);
                continue;
            };
            if self.inserts >= lanes || (!rows.is_empty() && bytes + size > MOST_BYTES) {
                kept.push_back(id);
                continue;
            }
            queue.busy = true;
            while let Some(size) = queue.waiting.front().and_then(|next| plain_size(&next.write)) {
                if rows.len() >= MOST_ROWS || (!rows.is_empty() && bytes + size > MOST_BYTES) {
                    break;
                }
                bytes += size;
                rows.extend(queue.waiting.pop_front());
            }
            if rows.len() >= MOST_ROWS {
                break;
            }
        }
        kept.append(&mut self.ready);
        self.ready = kept;
        match other {
            Some(submission) => Some(Next::Other(submission)),
            None if rows.is_empty() => None,
            None => {
                self.inserts += 1;
                Some(Next::Rows(rows))
            }
        }
    }

    /// Executions whose write is settled may go on.
    fn settle(&mut self, ids: impl IntoIterator<Item = ExecutionId>) {
        for id in ids {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.busy = false;
            if queue.waiting.is_empty() {
                self.queues.remove(&id);
            } else {
                self.ready.push_back(id);
            }
        }
    }
}

enum Next {
    Rows(Vec<Submission>),
    Other(Submission),
}

/// The size of a write that is a plain insert.
fn plain_size(write: &Write) -> Option<usize> {
    match write {
        Write::Row { row, from: None } => {
            let (arguments, value) = values_of(row);
            let fits = arguments.len() <= SPILLED && value.len() <= SPILLED;
            fits.then(|| arguments.len() + value.len() + 512)
        }
        Write::Attempt(attempt) if attempt.error.len() <= SPILLED => Some(attempt.error.len() + 512),
        Write::Row { .. }
        | Write::Attempt(_)
        | Write::Transaction(_)
        | Write::End(_)
        | Write::Release { .. }
        | Write::Park { .. } => None,
    }
}

/// Whom to tell of an entry, and what.
struct Written {
    submission: Submission,
    committed: Committed,
    place: i64,
}

/// Entries of one execution that go together.
#[derive(Default)]
struct Run {
    of: Option<ExecutionId>,
    entries: i64,
    rows: u64,
}

impl Shared {
    /// Takes an owner's write.
    pub(super) fn submit(self: &Arc<Self>, submission: Submission) {
        if self.is_closed() {
            return submission.answer(Err(Refused::Closed));
        }
        let id = submission.execution.clone();
        {
            let mut inner = self.writer.lock();
            let queue = inner.queues.entry(id.clone()).or_default();
            queue.waiting.push_back(submission);
            if queue.busy || queue.waiting.len() > 1 {
                return;
            }
            inner.ready.push_back(id);
        }
        self.pump();
    }

    /// Sets off whatever may go.
    fn pump(self: &Arc<Self>) {
        loop {
            let next = self.writer.lock().next(self.options.lanes);
            let shared = self.clone();
            match next {
                Some(Next::Rows(rows)) => drop(self.runtime.spawn(async move { shared.write_rows(rows).await })),
                Some(Next::Other(other)) => drop(self.runtime.spawn(async move { shared.write_other(other).await })),
                None => return,
            }
        }
    }

    fn settle(self: &Arc<Self>, ids: impl IntoIterator<Item = ExecutionId>, insert: bool) {
        {
            let mut inner = self.writer.lock();
            inner.inserts -= usize::from(insert);
            inner.settle(ids);
        }
        self.writer.settled.notify_waiters();
        self.pump();
    }

    /// Resolves once all that was submitted is written.
    pub(super) async fn written(&self) {
        loop {
            let settled = self.writer.settled();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.writer.lock().queues.is_empty() {
                return;
            }
            settled.await;
        }
    }

    async fn write_rows(self: Arc<Self>, submissions: Vec<Submission>) {
        let mut ids: Vec<ExecutionId> = submissions.iter().map(|submission| submission.execution.clone()).collect();
        ids.dedup();
        let (mut placed, mut written, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut run = Run::default();
        for submission in submissions {
            match self.place(&submission, &mut run) {
                Some((entry, committed)) => {
                    written.push(Some(Written { submission, committed, place: entry.place }));
                    placed.push(entry);
                }
                None => refused.push(submission),
            }
        }
        for submission in refused {
            answer(submission, Err(Refused::Fenced));
        }
        for written in written.iter().flatten() {
            self.reach(&written.submission.write, "before-commit");
        }
        let mut superseded = Vec::new();
        self.insert_rows(placed, |number, fate| {
            if let Some(written) = written.get_mut(number).and_then(Option::take) {
                superseded.extend(self.told(written, fate));
            }
        })
        .await;
        self.settle(ids, true);
        self.remove_superseded(superseded).await;
    }

    /// An entry at the next place of its log; `None` is "fenced". Those of its run before it count.
    fn place(&self, submission: &Submission, run: &mut Run) -> Option<(Placed, Committed)> {
        let (id, epoch) = (&submission.execution, submission.epoch);
        if run.of.as_ref() != Some(id) {
            *run = Run { of: Some(id.clone()), ..Run::default() };
        }
        let (place, seq, stamp) = self
            .claims
            .with(id, epoch, |claim| (claim.place + run.entries, claim.seq + run.rows, claim.stamp_now()))?;
        let at = At { place, epoch: epoch.0 as i64, stamp };
        let (document, seq) = match &submission.write {
            Write::Row { row, .. } => (entries::row(id, at, seq, row, None, plain_values(row)), Some(seq)),
            Write::Attempt(attempt) => (entries::attempt(id, at, attempt), None),
            Write::Transaction(_) | Write::End(_) | Write::Release { .. } | Write::Park { .. } => return None,
        };
        run.entries += 1;
        run.rows += u64::from(seq.is_some());
        Some((Placed { execution: id.clone(), epoch, place, document }, Committed { seq, stamp }))
    }

    /// Tells an owner the fate of its entry. Gives the place of an attempt that counts no longer.
    fn told(self: &Arc<Self>, written: Written, fate: Fate) -> Option<(ExecutionId, i64)> {
        let Written { submission, committed, place } = written;
        let (id, epoch) = (submission.execution.clone(), submission.epoch);
        let mut superseded = None;
        let result = match fate {
            Fate::Written => {
                superseded = self.claims.with(&id, epoch, |claim| {
                    claim.go_past(place, committed.seq);
                    superseded_by(claim, &submission.write, place)
                });
                self.reach(&submission.write, "after-commit");
                Ok(committed)
            }
            Fate::Fenced => {
                self.let_go(&id, epoch);
                Err(Refused::Fenced)
            }
            Fate::Closed => Err(Refused::Closed),
        };
        answer(submission, result);
        superseded.flatten().map(|place| (id, place))
    }

    /// Attempts that another one replaced: a step that is tried for years mustn't fill its log. One that a death leaves
    /// is passed over by whoever reads the log.
    async fn remove_superseded(&self, superseded: Vec<(ExecutionId, i64)>) {
        for (id, place) in superseded {
            let filter = bson::doc! { "_id": entries::entry_id(&id, place), "_id.e": &*id.0, "_id.p": place };
            if let Err(failure) = self.command(self.tables.log.delete_one(filter)).await {
                tracing::debug!(?failure, "an attempt that counts no longer stays in the log");
            }
        }
    }

    /// One write that isn't a plain insert.
    async fn write_other(self: Arc<Self>, mut submission: Submission) {
        let (id, epoch) = (submission.execution.clone(), submission.epoch);
        let result = self.other(&id, epoch, &mut submission.write).await;
        if result == Err(Refused::Fenced) {
            self.let_go(&id, epoch);
        }
        if result.is_ok() {
            self.reach(&submission.write, "after-commit");
        }
        answer(submission, result);
        self.settle([id], false);
    }

    async fn other(self: &Arc<Self>, id: &ExecutionId, epoch: Epoch, write: &mut Write) -> Result<Committed, Refused> {
        if self.claims.with(id, epoch, |_| ()).is_none() {
            return Err(Refused::Fenced);
        }
        match write {
            Write::Row { row, from: None } => self.append(id, epoch, row, None).await,
            Write::Row { row, from: Some(message) } => self.arrival(id, epoch, row, message).await,
            Write::Attempt(attempt) => {
                // Its error is for people: one this long is of no use.
                attempt.error.clear();
                self.append_attempt(id, epoch, attempt).await
            }
            Write::Transaction(body) => self.transact(id, epoch, body).await,
            Write::End(finished) => self.end(id, epoch, finished).await,
            Write::Release { wake } => self.release(id, epoch, *wake).await,
            Write::Park { reason, until_build } => self.park(id, epoch, reason, *until_build).await,
        }
    }

    /// Adds a row at the end of a record.
    pub(super) async fn append(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        row: &RowKind,
        message: Option<&str>,
    ) -> Result<Committed, Refused> {
        let Some((at, seq)) = self.next_row(id, epoch) else { return Err(Refused::Fenced) };
        let values = self.persist(|| self.spilled(id, row)).await.ok_or(Refused::Closed)?;
        let document = entries::row(id, at, seq, row, message, values);
        self.point("before-commit", || label(row));
        self.insert_one(id, epoch, at, document).await?;
        let committed = Committed { seq: Some(seq), stamp: at.stamp };
        self.claims.with(id, epoch, |claim| {
            claim.go_past(at.place, committed.seq);
            if let RowKind::Outcome(outcome) = row {
                claim.attempts.remove(&outcome.key);
            }
        });
        Ok(committed)
    }

    async fn append_attempt(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        attempt: &crate::store::Attempt,
    ) -> Result<Committed, Refused> {
        let Some((at, _)) = self.next_row(id, epoch) else { return Err(Refused::Fenced) };
        self.insert_one(id, epoch, at, entries::attempt(id, at, attempt)).await?;
        self.claims.with(id, epoch, |claim| {
            claim.go_past(at.place, None);
            claim.attempts.insert(attempt.key.clone(), at.place);
        });
        Ok(Committed { seq: None, stamp: at.stamp })
    }

    /// Where the next row goes; `None` is "fenced".
    pub(super) fn next_row(&self, id: &ExecutionId, epoch: Epoch) -> Option<(At, u64)> {
        self.claims.with(id, epoch, |claim| {
            (At { place: claim.place, epoch: epoch.0 as i64, stamp: claim.stamp_now() }, claim.seq)
        })
    }

    /// A row's values, spilled where they are large.
    pub(super) async fn spilled(
        &self,
        id: &ExecutionId,
        row: &RowKind,
    ) -> Result<(bson::Bson, bson::Bson), super::failure::Failure> {
        let (arguments, value) = values_of(row);
        Ok((self.spill(id, arguments.to_vec()).await?, self.spill(id, value.to_vec()).await?))
    }

    async fn insert_one(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        at: At,
        document: bson::Document,
    ) -> Result<(), Refused> {
        let mut told = Fate::Closed;
        let placed = Placed { execution: id.clone(), epoch, place: at.place, document };
        self.insert_rows(vec![placed], |_, fate| told = fate).await;
        match told {
            Fate::Written => Ok(()),
            Fate::Fenced => Err(Refused::Fenced),
            Fate::Closed => Err(Refused::Closed),
        }
    }

    /// Gives claims back that nobody takes.
    pub(super) fn give_back(self: &Arc<Self>, claims: Vec<(ExecutionId, Epoch)>) {
        for (execution, epoch) in claims {
            let write = Write::Release { wake: Some(Stamp::now()) };
            self.submit(Submission {
                execution,
                epoch,
                slot: Slot::default(),
                write,
                owner: Arc::new(Nobody),
                ticket: 0,
            });
        }
    }

    fn reach(&self, write: &Write, moment: &str) {
        match write {
            Write::Row { row, .. } => self.point(moment, || label(row)),
            Write::Attempt(attempt) => self.point(moment, || attempt_label(&attempt.key)),
            // These name their points themselves.
            Write::Transaction(_) | Write::End(_) | Write::Release { .. } | Write::Park { .. } => (),
        }
    }
}

/// An owner that wants to know nothing.
struct Nobody;

impl Owner for Nobody {
    fn committed(self: Arc<Self>, _: u64, _: Write, _: Result<Committed, Refused>) {}
}

/// An owner that panics must not take the store's task with it.
fn answer(submission: Submission, result: Result<Committed, Refused>) {
    if crate::panics::caught(|| submission.answer(result)).is_err() {
        tracing::error!("an owner panicked when it was told of a write");
    }
}

/// The attempt that an entry replaces.
fn superseded_by(claim: &mut Claim, write: &Write, place: i64) -> Option<i64> {
    match write {
        Write::Attempt(attempt) => claim.attempts.insert(attempt.key.clone(), place),
        Write::Row { row: RowKind::Outcome(outcome), .. } => {
            claim.attempts.remove(&outcome.key);
            None
        }
        Write::Row { .. } | Write::Transaction(_) | Write::End(_) | Write::Release { .. } | Write::Park { .. } => None,
    }
}

/// How crash points name a row: an outcome as the engine names its body's.
pub(super) fn label(row: &RowKind) -> String {
    match row {
        RowKind::Outcome(outcome) => format!("{}#{}", outcome.key.name, outcome.name_ordinal),
        RowKind::Arrival { name, .. } => format!("arrival {name}"),
        RowKind::Cancel { .. } => "cancel".into(),
        RowKind::Deadline => "deadline".into(),
    }
}

fn attempt_label(key: &Key) -> String {
    format!("attempt {}#{}", key.name, key.ordinal)
}
