//! The one thread that writes: it takes all that has gathered, and commits it as one group.
//!
//! An idle writer commits at once; nobody waits for a group to fill. A group that fails is rolled back whole and made
//! again: owners' writes stay in order at the front until they are in, and never hear of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::desk::Desk;
use super::failure::Failure;
use super::gate::Gate;
use super::queue::{Answer, Command};
use super::{Shared, closed};
use crate::store::Refused;
#[cfg(feature = "crash-points")]
use crate::store::Write;

/// The wait after the first failure; doubled up to [`LONGEST_WAIT`], so that work goes on within 2 s of a return.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The writer.
pub(super) struct Writer {
    pub(super) desk: Desk,
    pub(super) shared: Arc<Shared>,
    /// None for a store in memory.
    pub(super) gate: Option<Gate>,
    pub(super) clock: Arc<dyn Clock>,
    /// A group ends after the command that passes it.
    pub(super) budget: Duration,
    /// The most commands of a group.
    pub(super) most: usize,
    /// How long a closed store keeps trying to write what it was given.
    pub(super) limit: Duration,
    pub(super) pending: VecDeque<Command>,
}

/// A command of the group at hand, and what it gave.
struct Done {
    command: Command,
    answer: Answer,
    #[cfg(feature = "crash-points")]
    label: String,
}

impl Writer {
    /// Runs until the store is closed and all is written.
    pub(super) fn run(mut self) {
        let _ended = Ended(self.shared.clone());
        let mut wait = FIRST_WAIT;
        let mut closing = None;
        while self.shared.queue.gather(&mut self.pending) {
            match self.group() {
                Ok(()) => {
                    if wait != FIRST_WAIT {
                        tracing::info!(store = %self.shared.file, "the store can be written again");
                    }
                    wait = FIRST_WAIT;
                    self.shared.set_health(None);
                }
                Err(failure) => {
                    let error = failure.error(&self.shared.file);
                    if wait == FIRST_WAIT {
                        tracing::warn!(%error, "the store can't be written; it is tried again");
                    }
                    self.refuse_outside(&failure);
                    self.shared.set_health(Some(failure));
                    if self.shared.queue.is_closed() && closing.get_or_insert_with(Instant::now).elapsed() > self.limit
                    {
                        return self.give_up();
                    }
                    self.shared.queue.pause(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// What no wait can mend is told at once; the rest has the caller's own limit.
    fn refuse_outside(&mut self, failure: &Failure) {
        if !matches!(failure, Failure::Damaged(_)) {
            return;
        }
        for command in std::mem::take(&mut self.pending) {
            match command {
                Command::Asked(request) => request.refuse(failure.error(&self.shared.file)),
                Command::Owned(_) | Command::Returned(_) => self.pending.push_back(command),
            }
        }
    }

    /// The store is closed and can't be written: nobody will.
    fn give_up(&mut self) {
        for command in std::mem::take(&mut self.pending) {
            match command {
                Command::Owned(submission) => submission.owner.committed(submission.ticket, Err(Refused::Closed)),
                Command::Asked(request) => request.refuse(closed()),
                Command::Returned(_) => (),
            }
        }
    }

    fn group(&mut self) -> Result<(), Failure> {
        self.pending.retain(|command| !is_abandoned(command));
        if self.pending.is_empty() {
            return Ok(());
        }
        let turn = match &self.gate {
            Some(gate) => Some(gate.enter().map_err(|error| Failure::Io(error.to_string()))?),
            None => None,
        };
        let mut done = Vec::with_capacity(self.pending.len().min(self.most));
        // The gate's lock is let go of with the group, committed or not.
        let committed =
            Self::transaction(&mut self.desk, &mut self.pending, &mut done, &*self.clock, self.budget, self.most);
        drop(turn);
        if let Err(failure) = committed {
            self.desk.claims.roll_back();
            for done in done.into_iter().rev() {
                self.pending.push_front(done.command);
            }
            return Err(failure);
        }
        if self.desk.news {
            self.shared.bump();
        }
        for done in done {
            deliver(done);
        }
        Ok(())
    }

    fn transaction(
        desk: &mut Desk,
        pending: &mut VecDeque<Command>,
        done: &mut Vec<Done>,
        clock: &dyn Clock,
        budget: Duration,
        most: usize,
    ) -> Result<(), Failure> {
        let connection = desk.connection.clone();
        let execute = |sql: &str| -> Result<(), Failure> {
            connection.prepare_cached(sql)?.execute([])?;
            Ok(())
        };
        if !connection.is_autocommit() {
            // Left over from a rollback that failed.
            execute("ROLLBACK")?;
        }
        execute("BEGIN IMMEDIATE")?;
        let begun = Instant::now();
        let worked = desk.begin(clock.wall()).and_then(|()| {
            while let Some(mut command) = pending.pop_front() {
                match run(desk, &mut command) {
                    Ok(answer) => done.push(Done {
                        #[cfg(feature = "crash-points")]
                        label: label(desk, &command),
                        command,
                        answer,
                    }),
                    Err(failure) => {
                        pending.push_front(command);
                        return Err(failure);
                    }
                }
                if done.len() >= most || begun.elapsed() >= budget {
                    break;
                }
            }
            #[cfg(feature = "crash-points")]
            for done in &*done {
                crate::crash_point::reach(&format!("{}:before-commit", done.label));
            }
            execute("COMMIT")
        });
        if worked.is_err() && !connection.is_autocommit() {
            let _ = execute("ROLLBACK");
        }
        worked
    }
}

fn is_abandoned(command: &Command) -> bool {
    match command {
        Command::Asked(request) => request.is_abandoned(),
        Command::Owned(_) | Command::Returned(_) => false,
    }
}

fn run(desk: &mut Desk, command: &mut Command) -> Result<Answer, Failure> {
    match command {
        Command::Owned(submission) => desk.owned(submission).map(Answer::Owned),
        Command::Asked(request) => request.run(desk).map(|()| Answer::Asked),
        Command::Returned(claims) => desk.returned(claims).map(|()| Answer::None),
    }
}

fn deliver(done: Done) {
    #[cfg(feature = "crash-points")]
    crate::crash_point::reach(&format!("{}:after-commit", done.label));
    match (done.command, done.answer) {
        (Command::Owned(submission), Answer::Owned(result)) => submission.owner.committed(submission.ticket, result),
        (Command::Asked(request), _) => request.deliver(),
        (Command::Owned(_) | Command::Returned(_), _) => (),
    }
}

/// The name of a command's crash points.
#[cfg(feature = "crash-points")]
fn label(desk: &mut Desk, command: &Command) -> String {
    let row = std::mem::take(&mut desk.row_label);
    match command {
        Command::Owned(submission) => match &submission.write {
            Write::Row { .. } | Write::Transaction(_) => row.unwrap_or_else(|| "refused".into()),
            Write::Attempt(attempt) => format!("attempt {}#{}", attempt.key.name, attempt.key.ordinal),
            Write::End(_) => "end".into(),
            Write::Release { .. } => "release".into(),
            Write::Park { .. } => "park".into(),
        },
        Command::Asked(request) => request.label().to_owned(),
        Command::Returned(_) => "returned".into(),
    }
}

/// Tells the store that the writer is gone, however it went.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.close();
        self.0.ended.send_replace(true);
    }
}
