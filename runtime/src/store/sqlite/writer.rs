//! The one thread that writes: it takes all that has gathered, and commits it as one group.
//!
//! An idle writer commits at once; nobody waits for a group to fill. A group that fails is rolled back whole and made
//! again: owners' writes stay in order at the front until they are in, and never hear of it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::clock::Clock;
use super::desk::Desk;
use super::failure::{Failure, Fault};
use super::gate::Gate;
use super::open::Identity;
use super::options::{Place, SqliteOptions};
use super::queue::{Answer, Command};
use super::{Shared, closed, native, open, portable, schema, threads};
use crate::error::Result;
use crate::store::Refused;

/// The wait after the first failure; doubled up to [`LONGEST_WAIT`], so that work goes on within 2 s of a return.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How long the writer waits for the other threads before it closes the file.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The writer.
struct Writer<'c> {
    desk: Desk<'c>,
    shared: Arc<Shared>,
    gate: Turns,
    clock: Arc<dyn Clock>,
    /// A group ends after the command that passes it.
    budget: Duration,
    /// The most commands of a group.
    most: usize,
    /// How long a closed store keeps trying to write what it was given.
    limit: Duration,
    pending: VecDeque<Command>,
}

/// A command of the group at hand, and what it gave.
struct Done {
    command: Command,
    answer: Answer,
    #[cfg(feature = "crash-points")]
    label: String,
}

impl<'c> Writer<'c> {
    /// The writer, and the store's digest key.
    fn new(
        connection: &'c Rc<Connection>,
        gate: Turns,
        options: SqliteOptions,
        shared: Arc<Shared>,
        runtime: tokio::runtime::Handle,
    ) -> Result<(Self, Vec<u8>), Fault> {
        let key: Option<Vec<u8>> = schema::meta(connection, "digest_key")?;
        let key = key.ok_or_else(|| Failure::Damaged("its table `meta` has no digest key".into()))?;
        portable::check_whole(connection)?;
        let writer = Self {
            desk: Desk::new(connection, runtime)?,
            shared,
            gate,
            clock: options.clock,
            budget: options.group,
            most: options.group_size,
            limit: options.limit,
            pending: VecDeque::new(),
        };
        Ok((writer, key))
    }

    /// Runs until the store is closed and all is written.
    fn run(mut self) {
        let _ended = Ended(self.shared.clone());
        self.work();
        // The last connection to close moves the log into the file; one that only reads can't.
        let begun = Instant::now();
        while *self.shared.running.borrow() > 1 && begun.elapsed() < LAST_WAIT {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn work(&mut self) {
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
                // Not the file's: nobody need know, and there is nothing to wait for.
                Err(Failure::Undo) => {}
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
                Command::Owned(submission) => submission.answer(Err(Refused::Closed)),
                Command::Asked(request) => request.refuse(closed()),
                Command::Returned(_) => (),
            }
        }
    }

    fn group(&mut self) -> Result<(), Failure> {
        while self.pending.front().is_some_and(is_abandoned) {
            self.pending.pop_front();
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        #[cfg(test)]
        self.limit_pages()?;
        let turn = match &self.gate {
            Some((gate, identity)) => {
                identity.check()?;
                Some(gate.enter().map_err(|error| Failure::Io(error.to_string()))?)
            }
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
        self.desk.claims.commit();
        self.desk.savepoints.committed();
        tracing::trace!(target: "outlast::group", commands = done.len());
        if self.desk.news {
            self.shared.bump();
        }
        for done in done {
            // An owner that panics must not take the store with it.
            if catch_unwind(AssertUnwindSafe(|| deliver(done))).is_err() {
                tracing::error!("an owner panicked when it was told of a commit");
            }
        }
        Ok(())
    }

    /// Makes the disk small, or large again.
    #[cfg(test)]
    fn limit_pages(&self) -> Result<(), Failure> {
        let pages = self.shared.pages.load(std::sync::atomic::Ordering::Relaxed);
        if pages > 0 {
            let connection = &self.desk.connection;
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        Ok(())
    }

    fn transaction(
        desk: &mut Desk<'_>,
        pending: &mut VecDeque<Command>,
        done: &mut Vec<Done>,
        clock: &dyn Clock,
        budget: Duration,
        most: usize,
    ) -> Result<(), Failure> {
        let connection = desk.connection.clone();
        let roll_back = || connection.execute_batch("ROLLBACK");
        if !connection.is_autocommit() {
            // Left over from a rollback that failed.
            roll_back()?;
        }
        desk.statements.begin.execute([])?;
        let begun = Instant::now();
        let worked = desk.begin(clock.wall()).and_then(|()| {
            while let Some(mut command) = pending.pop_front() {
                if is_abandoned(&command) {
                    continue;
                }
                match run(desk, &mut command) {
                    Ok(answer) => done.push(Done {
                        #[cfg(feature = "crash-points")]
                        label: label(desk, &command, &answer),
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
            desk.statements.commit.execute([])?;
            Ok(())
        });
        if worked.is_err() && !connection.is_autocommit() {
            let _ = roll_back();
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

fn run(desk: &mut Desk<'_>, command: &mut Command) -> Result<Answer, Failure> {
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
        (Command::Owned(submission), Answer::Owned(result)) => submission.answer(result),
        (Command::Asked(request), _) => request.deliver(),
        (Command::Owned(_) | Command::Returned(_), _) => (),
    }
}

/// The name of a command's crash points.
#[cfg(feature = "crash-points")]
fn label(desk: &mut Desk<'_>, command: &Command, answer: &Answer) -> String {
    let named = desk.label.take();
    if let Answer::Owned(Err(_)) = answer {
        return "refused".into();
    }
    match (named, command) {
        (Some(named), _) => named,
        (None, Command::Asked(request)) => request.label().to_owned(),
        (None, Command::Owned(_)) => "refused".into(),
        (None, Command::Returned(_)) => "returned".into(),
    }
}

/// Nothing is taken in without a writer, however it went.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

/// Starts the writer's thread, which opens the file (it may have to wait for its turn) and then says the digest key.
pub(super) fn start(
    options: &SqliteOptions,
    shared: &Arc<Shared>,
    runtime: &tokio::runtime::Handle,
) -> Result<oneshot::Receiver<Result<Vec<u8>>>> {
    let (reply, ready) = oneshot::channel();
    let store = shared.clone();
    let (options, shared, runtime) = (options.clone(), shared.clone(), runtime.clone());
    let run = move || {
        let (mut connection, gate) = match open_store(&options) {
            Ok(opened) => opened,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let file = shared.file.clone();
        if let Err(failure) = native::guard(&mut connection) {
            return drop(reply.send(Err(failure.error(&file))));
        }
        let connection = Rc::new(connection);
        match Writer::new(&connection, gate, options, shared, runtime) {
            Ok((writer, digest_key)) => {
                // Nobody waits any more: the store's owner has given up.
                if reply.send(Ok(digest_key)).is_ok() {
                    writer.run();
                }
            }
            Err(failure) => drop(reply.send(Err(failure.error(&file)))),
        }
    };
    threads::start(&store, "outlast-writer", run).map_err(|failure| failure.error(&store.file))?;
    Ok(ready)
}

/// None for a store in memory: it has no file that could be another's turn.
type Turns = Option<(Gate, Identity)>;

fn open_store(options: &SqliteOptions) -> Result<(Connection, Turns)> {
    let now = options.clock.wall();
    Ok(match &options.place {
        Place::File(path) => {
            let opened = open::file(path, schema::MIGRATIONS, now)?;
            (opened.connection, Some((opened.gate, opened.identity)))
        }
        Place::Memory => (open::memory(now)?, None),
    })
}
