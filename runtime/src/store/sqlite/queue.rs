//! What waits for the writer: owners' writes, requests from outside, claims that nobody took delivery of.
//!
//! Pushing never blocks on the disk. Everything goes through one queue, so that commits keep the order of submission.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::claims::ClaimKey;
use super::desk::Desk;
use super::failure::{Failure, Fault};
use crate::error::{Error, Result};
use crate::store::{Committed, Refused, Submission};

/// Something for the writer to do. Kept until its group has committed, since a group may have to be run again.
pub(super) enum Command {
    /// An owner's write.
    Owned(Submission),
    /// Someone waits for the answer, but not for ever.
    Asked(Box<dyn Request>),
    /// Claims whose receiver went away between the commit and the delivery: to be released.
    Returned(Vec<ClaimKey>),
}

/// What a command gave in a group that hasn't committed yet.
pub(super) enum Answer {
    /// For the owner.
    Owned(Result<Committed, Refused>),
    /// The request holds its answer itself.
    Asked,
    /// Nobody waits for it.
    None,
}

/// A request from outside.
pub(super) trait Request: Send {
    /// Whether nobody waits for it any more: then it needn't be run.
    fn is_abandoned(&self) -> bool;
    /// Runs it inside the group. A fault that is an answer is kept as one.
    fn run(&mut self, desk: &mut Desk<'_>) -> Result<(), Failure>;
    /// Gives the answer out: its group has committed.
    fn deliver(self: Box<Self>);
    /// Gives an error out: it won't be run (again).
    fn refuse(self: Box<Self>, error: Error);
    /// What it is, for crash points.
    #[cfg_attr(not(feature = "crash-points"), allow(dead_code, reason = "it names crash points"))]
    fn label(&self) -> &str;
}

/// A request that is a function of the desk. What it gives may still need work outside the group before the caller
/// gets it: `finish` starts that.
pub(super) struct Ask<T, U, R, F> {
    #[cfg_attr(not(feature = "crash-points"), allow(dead_code, reason = "it names crash points"))]
    label: &'static str,
    run: R,
    answer: Option<Result<T>>,
    finish: F,
    reply: oneshot::Sender<Result<U>>,
}

impl<T, U, R, F> Ask<T, U, R, F>
where
    T: Send + 'static,
    U: Send + 'static,
    R: FnMut(&mut Desk<'_>) -> Result<T, Fault> + Send + 'static,
    F: FnOnce(T, oneshot::Sender<Result<U>>) + Send + 'static,
{
    pub(super) fn command(label: &'static str, run: R, finish: F) -> (Command, oneshot::Receiver<Result<U>>) {
        let (reply, receiver) = oneshot::channel();
        let ask = Self { label, run, answer: None, finish, reply };
        (Command::Asked(Box::new(ask)), receiver)
    }
}

impl<T, U, R, F> Request for Ask<T, U, R, F>
where
    T: Send + 'static,
    U: Send + 'static,
    R: FnMut(&mut Desk<'_>) -> Result<T, Fault> + Send + 'static,
    F: FnOnce(T, oneshot::Sender<Result<U>>) + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, desk: &mut Desk<'_>) -> Result<(), Failure> {
        self.answer = Some(match (self.run)(desk) {
            Ok(answer) => Ok(answer),
            Err(Fault::Answer(error)) => Err(error),
            // Its one large statement was refused; tried again, it would be again.
            Err(Fault::Failure(Failure::TooBig)) => Err(Failure::TooBig.error("")),
            Err(Fault::Failure(failure)) => return Err(failure),
        });
        Ok(())
    }

    fn deliver(self: Box<Self>) {
        match self.answer {
            Some(Ok(answer)) => (self.finish)(answer, self.reply),
            Some(Err(error)) => drop(self.reply.send(Err(error))),
            None => (),
        }
    }

    fn refuse(self: Box<Self>, error: Error) {
        drop(self.reply.send(Err(error)));
    }

    fn label(&self) -> &str {
        self.label
    }
}

/// The queue before the writer.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
}

#[derive(Default)]
struct Inner {
    commands: Vec<Command>,
    closed: bool,
    /// The writer waits on the condition: only then is there anyone to notify.
    idle: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a command; gives it back if the store is closed.
    #[allow(clippy::result_large_err, reason = "it is moved either way")]
    pub(super) fn push(&self, command: Command) -> Result<(), Command> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(command);
        }
        inner.commands.push(command);
        if inner.idle {
            inner.idle = false;
            self.work.notify_all();
        }
        Ok(())
    }

    /// Nothing more is taken in; what waits is still written.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        self.work.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Moves what waits behind `into`. If `into` is empty, waits for something to come; `false` if nothing ever will.
    pub(super) fn gather(&self, into: &mut std::collections::VecDeque<Command>) -> bool {
        let mut inner = self.lock();
        while into.is_empty() && inner.commands.is_empty() {
            if inner.closed {
                return false;
            }
            inner.idle = true;
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.idle = false;
        into.extend(inner.commands.drain(..));
        true
    }

    /// Waits, whatever comes in; less if the store is closed meanwhile.
    pub(super) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut inner = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || inner.closed {
                return;
            }
            inner = self.work.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
