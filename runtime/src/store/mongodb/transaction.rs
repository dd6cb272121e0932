//! Transactions of executions: a body's operations and its row are one MongoDB transaction.
//!
//! A body is polled in a task of the application's runtime, its operations run in tasks of the store's: one that is
//! dropped half-way leaves no half-read reply. The row is the fence here too: its place is taken, or it isn't.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::ClientSession;
use mongodb::error::Error as DriverError;

use super::bodies::{Inside, Ran, drive};
use super::client::transaction_options;
use super::entries;
use super::failure::{Failure, is_duplicate};
use super::shared::{Pause, Shared};
use super::writer::label;
use crate::error::{Error, ErrorKind};
use crate::store::{Committed, Epoch, ExecutionId, Refused, RowKind, TransactionBody, TransactionFault, Verdict};

/// The label of what may succeed if it is begun anew.
pub(super) const TRANSIENT: &str = "TransientTransactionError";
/// The label of a commit whose fate isn't known.
const UNKNOWN: &str = "UnknownTransactionCommitResult";
/// The server's code for a transaction that it has undone.
const NO_SUCH_TRANSACTION: i32 = 251;
/// How often a body is made anew whose transaction is gone after it had the session: a server may give one up, but not
/// each time.
const MOST_LOST: u32 = 5;
/// How long a body that others keep getting in the way of is made anew.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one try came to.
enum Tried {
    Committed(Committed),
    /// Nothing of it was kept: this row instead, or none.
    RolledBack(Option<RowKind>),
    /// The place of its row is taken.
    Taken,
    /// To be begun anew.
    Again(Failure),
    /// So, too: the server had undone it, and a user's code had the session.
    Lost(Failure),
    Fenced,
    Closed,
}

impl Shared {
    /// Runs a transaction of an execution's owner.
    pub(super) async fn transact(
        self: &Arc<Self>,
        id: &ExecutionId,
        epoch: Epoch,
        body: &mut TransactionBody,
    ) -> Result<Committed, Refused> {
        let (begun, mut pause, mut lost) = (Instant::now(), Pause::new(), 0);
        loop {
            let tried = self.try_transaction(id, epoch, body).await;
            lost += u32::from(matches!(tried, Tried::Lost(_)));
            match tried {
                Tried::Committed(committed) => return Ok(committed),
                Tried::RolledBack(Some(row)) => return self.append(id, epoch, &row, None).await,
                Tried::RolledBack(None) => return Err(Refused::NoRow),
                Tried::Fenced => return Err(Refused::Fenced),
                Tried::Closed => return Err(Refused::Closed),
                Tried::Taken => {
                    return match self.persist(|| self.found_committed(id, epoch)).await {
                        Some(Some(committed)) => Ok(committed),
                        Some(None) => Err(Refused::Fenced),
                        None => Err(Refused::Closed),
                    };
                }
                Tried::Again(failure) | Tried::Lost(failure) => {
                    // A commit whose reply was lost may be in.
                    match self.persist(|| self.found_committed(id, epoch)).await {
                        Some(Some(committed)) => return Ok(committed),
                        Some(None) => {}
                        None => return Err(Refused::Closed),
                    }
                    if self.writer.is_to_end(id) {
                        return Err(Refused::NoRow);
                    }
                    if let Some(error) = self.in_vain(&failure, begun, lost) {
                        return match (body.failed)(TransactionFault::Refused(error)) {
                            Some(row) => self.append(id, epoch, &row, None).await,
                            None => Err(Refused::NoRow),
                        };
                    }
                    if !pause.after(self, &failure).await {
                        return Err(Refused::Closed);
                    }
                }
            }
        }
    }

    /// Why a body isn't made anew, if it has been often or long enough.
    fn in_vain(&self, failure: &Failure, begun: Instant, lost: u32) -> Option<Error> {
        if lost >= MOST_LOST {
            return Some(swallowed(failure));
        }
        let late = begun.elapsed() > PATIENCE && matches!(failure, Failure::Other(..));
        late.then(|| failure.error(&self.name).context("a transaction came to nothing for 2 minutes"))
    }

    async fn try_transaction(self: &Arc<Self>, id: &ExecutionId, epoch: Epoch, body: &mut TransactionBody) -> Tried {
        let failed = |error: &DriverError| Failure::of(error, &self.redaction);
        let mut session = match self.driven(self.client.start_session()).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return Tried::Again(failed(&error)),
            Err(failure) => return Tried::Again(failure),
        };
        let Some(worker) = self.claims.with(id, epoch, |claim| claim.worker.clone()) else { return Tried::Fenced };
        if let Err(failure) = self.note_session(&worker, &session).await {
            return Tried::Again(failure);
        }
        if let Err(error) = session.start_transaction().with_options(transaction_options()).await {
            return Tried::Again(failed(&error));
        }
        let inside = Inside::new(self, session);
        let Some(ran) = drive(&self.bodies, &inside, body).await else { return Tried::Closed };
        let (session, broken) = inside.end().await;
        let Some(mut session) = session else { return Tried::Closed };
        let lent = inside.was_lent();
        let undone = match (broken.transient, ran) {
            // Whatever the body made of it.
            (Some(error), _) => {
                abort(&mut session).await;
                return again(lent, Failure::Other(error.code().unwrap_or_default(), error.to_string()));
            }
            (None, Ran::Verdict(Verdict::Commit(row))) => match broken.refused {
                None => return self.keep(id, epoch, session, lent, &row).await,
                Some(error) => (body.failed)(TransactionFault::Refused(went_on(&error))),
            },
            (None, Ran::Verdict(Verdict::RollBack(row))) => Some(row),
            (None, Ran::Verdict(Verdict::Retry)) => None,
            (None, Ran::Fault(fault)) => (body.failed)(fault),
        };
        abort(&mut session).await;
        Tried::RolledBack(undone)
    }

    /// The row, then the commit.
    async fn keep(
        self: &Arc<Self>,
        id: &ExecutionId,
        epoch: Epoch,
        mut session: ClientSession,
        lent: bool,
        row: &RowKind,
    ) -> Tried {
        let Some(values) = self.persist(|| self.spilled(id, row)).await else { return Tried::Closed };
        let Some((at, seq)) = self.next_row(id, epoch) else {
            abort(&mut session).await;
            return Tried::Fenced;
        };
        let document = entries::row(id, at, seq, row, None, values);
        if let Err(error) = self.tables.log.insert_one(document).session(&mut session).await {
            abort(&mut session).await;
            let failure = Failure::of(&error, &self.redaction);
            return if is_duplicate(&error) { Tried::Taken } else { again(lent, failure) };
        }
        self.point("before-commit", || label(row));
        if let Err(error) = self.commit(&mut session).await {
            return Tried::Again(Failure::of(&error, &self.redaction));
        }
        self.point("after-commit", || label(row));
        let committed = Committed { seq: Some(seq), stamp: at.stamp };
        self.claims.with(id, epoch, |claim| {
            claim.go_past(at.place, committed.seq);
            if let RowKind::Outcome(outcome) = row {
                claim.attempts.remove(&outcome.key);
            }
        });
        Tried::Committed(committed)
    }

    /// Commits until the fate of it is known.
    pub(super) async fn commit(&self, session: &mut ClientSession) -> mongodb::error::Result<()> {
        let begun = Instant::now();
        loop {
            match session.commit_transaction().await {
                Err(error) if error.contains_label(UNKNOWN) && begun.elapsed() < PATIENCE && !self.has_given_up() => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                done => return done,
            }
        }
    }

    /// Whether the row of an earlier try stands at its place.
    async fn found_committed(&self, id: &ExecutionId, epoch: Epoch) -> Result<Option<Committed>, Failure> {
        let Some((at, _)) = self.next_row(id, epoch) else { return Ok(None) };
        let logs = self.logs(std::slice::from_ref(id)).await?;
        let found = self.at_places(&[(id.clone(), at.place)]).await?;
        if !matches!(found.get(&(id.clone(), at.place)), Some((by, false)) if *by == at.epoch) {
            return Ok(None);
        }
        let last = logs.get(id).and_then(|log| log.record.last());
        let Some(row) = last else { return Ok(None) };
        let committed = Committed { seq: Some(row.seq), stamp: row.stamp };
        self.claims.with(id, epoch, |claim| claim.go_past(at.place, committed.seq));
        Ok(Some(committed))
    }
}

/// What isn't committed is undone anyway, if only when the server gives the session up.
async fn abort(session: &mut ClientSession) {
    let _ = session.abort_transaction().await;
}

fn again(lent: bool, failure: Failure) -> Tried {
    match failure {
        Failure::Other(NO_SUCH_TRANSACTION, _) if lent => Tried::Lost(failure),
        failure => Tried::Again(failure),
    }
}

fn swallowed(failure: &Failure) -> Error {
    let said = match failure {
        Failure::Other(_, said) => said.as_str(),
        _ => "it is gone",
    };
    let text = format!(
        "the server undid the transaction each of {MOST_LOST} times while `outlast::mongodb::session` had it, or after \
         that: MongoDB undoes a transaction at nearly every error of one of its operations, so give the driver's errors \
         back (`?`) instead of going on after them. It says: {said}"
    );
    Error::of(ErrorKind::Failed, text).into_terminal()
}

fn went_on(error: &Error) -> Error {
    let text = format!(
        "an operation of the transaction failed, which undid the transaction, and its body went on and succeeded: on \
         MongoDB give such an error back (`?`), or look before with a read. The operation's error: {error}"
    );
    Error::of(ErrorKind::Failed, text).into_terminal()
}
