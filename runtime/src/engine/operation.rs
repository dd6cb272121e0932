//! Operations as futures: a place taken when called, a body started when wanted, an outcome taken when offered.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::child;
use super::context::{self, Context};
use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use super::launch::Launch;
use super::state::{Activity, Child, Phase, Taken};
use super::step;
use crate::error::{Error, ErrorKind};
use crate::function::outcome::Codec;
use crate::store::{BoxFuture, Digest, Kind, Name};

/// The place of an operation in an execution, as a future of what it takes.
pub(crate) struct Placed {
    execution: Arc<Execution>,
    place: usize,
    /// What starts once it has been polled; gone when it has.
    launch: Option<Launch>,
    done: bool,
}

impl Placed {
    /// Takes the next place: called inside the execution's own poll. What is recorded needs nothing to start.
    pub(crate) fn new(
        execution: &Arc<Execution>,
        kind: Kind,
        name: Name,
        digest: Digest,
        arguments: Vec<u8>,
        launch: impl FnOnce() -> Launch,
    ) -> Self {
        let mut state = execution.state.held();
        let place = state.claim(kind, name, digest, arguments);
        let recorded = state.places[place].recorded;
        drop(state);
        let limit = execution.engine.settings.max_operations;
        let launch = if recorded {
            None
        } else if place < limit {
            Some(launch())
        } else {
            // Bounded, and the same on every replay: the record can't grow for ever.
            let message = format!("an execution may call {limit} operations: hand the rest over to child executions");
            Some(Launch::Fail(Error::of(ErrorKind::TooLarge, message).into_terminal()))
        };
        Self { execution: execution.clone(), place, launch, done: false }
    }

    pub(crate) fn execution(&self) -> &Arc<Execution> {
        &self.execution
    }

    /// Whether anything starts: not if its outcome is recorded.
    pub(crate) fn starts(&self) -> bool {
        self.launch.is_some()
    }

    /// Says what starts; before the first poll. What has failed already stays failed, what is recorded doesn't start.
    pub(crate) fn relaunch(&mut self, launch: Launch) {
        if !matches!(self.launch, Some(Launch::Fail(_)) | None) {
            self.launch = Some(launch);
        }
    }

    /// Changes the arguments that people see; before the first poll.
    pub(crate) fn set_arguments(&mut self, arguments: Vec<u8>) {
        self.execution.state.held().places[self.place].arguments = arguments;
    }

    /// Changes the word for the row; before the first poll.
    pub(crate) fn set_kind(&mut self, kind: Kind) {
        self.execution.state.held().places[self.place].kind = kind;
    }

    /// The operation stands for a child, which ends when the operation is dropped.
    pub(crate) fn set_child(&mut self, child: Child) {
        self.execution.state.held().places[self.place].child = Some(child);
    }

    /// The key's parts, for a child's id.
    pub(crate) fn key(&self) -> crate::store::Key {
        self.execution.state.held().places[self.place].key.clone()
    }

    /// An outcome if one is offered; an error where the operation is polled outside its execution's own poll.
    pub(crate) fn poll_taken(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Taken, Error>> {
        if !context::is_inside(&self.execution) {
            if context::is_dropping() || self.done {
                return Poll::Pending;
            }
            return Poll::Ready(Err(self.misplaced()));
        }
        let waker = cx.waker().clone();
        let mut state = self.execution.state.held();
        if let Some(taken) = state.take(self.place) {
            self.done = true;
            drop(state);
            return Poll::Ready(Ok(taken));
        }
        let place = &mut state.places[self.place];
        place.refused = false;
        let replaced = place.waker.replace(waker);
        let mut unwanted = None;
        if !place.polled {
            place.polled = true;
            match self.launch.take() {
                Some(launch) if place.is_wanted() => state.starting.push((self.place, launch)),
                launch => unwanted = launch,
            }
        }
        // What a body has captured is dropped without the lock: its destructor may ask for the time. So may a waker's.
        drop(state);
        drop(replaced);
        drop(unwanted);
        Poll::Pending
    }

    /// Polled from elsewhere: its execution can't go on as if nothing had happened.
    fn misplaced(&mut self) -> Error {
        let mut state = self.execution.state.held();
        let error = Error::of(
            ErrorKind::Misplaced,
            format!(
                "{} of `{}` was awaited outside its function (in a spawned task, say): await it in the durable function \
                 itself",
                state.describe(self.place),
                self.execution.function.name
            ),
        )
        .into_terminal();
        if matches!(state.phase, Phase::Live | Phase::Replaying) && state.fault.is_none() {
            state.fault = Some(error.clone().with_kind(ErrorKind::NotDurable));
        }
        drop(state);
        self.done = true;
        self.execution.send(Event::Settled);
        error
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if self.done || context::is_dropping() {
            return;
        }
        let mut state = self.execution.state.held();
        if !matches!(state.phase, Phase::Live | Phase::Replaying) {
            return;
        }
        let inside = context::is_inside(&self.execution);
        if !inside && state.places[self.place].polled && state.fault.is_none() {
            // A drop at a moment that replay can't know: the function may go another way.
            state.fault = Some(Error::of(
                ErrorKind::NotDurable,
                format!(
                    "{} of `{}` was dropped outside its function (in a spawned task, say): keep it in the durable \
                     function",
                    state.describe(self.place),
                    self.execution.function.name
                ),
            ));
        }
        let place = &mut state.places[self.place];
        place.dropped = true;
        let waker = place.waker.take();
        let child = place.child.clone().filter(|_| place.polled && !place.recorded);
        let may_be_there = !matches!(place.activity, Activity::None) || self.execution.epoch.0 > 1;
        state.abort(self.place);
        if let Some(child) = child.filter(|_| may_be_there) {
            state.telling += 1;
            self.execution.engine.runtime.spawn(child::tell_to_end(self.execution.clone(), child));
        }
        drop(state);
        drop(waker);
        if !inside {
            self.execution.send(Event::Settled);
        }
    }
}

/// A durable operation: awaited once, inside the function that called it.
///
/// The same type stands for an operation that is recorded, for one outside executions, and for one that failed at once.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Operation<T>(Inner<T>);

enum Inner<T> {
    /// A step or transaction in an execution.
    Step(Placed, Codec<T>),
    /// Another operation in an execution.
    Placed(Placed, Box<dyn FnOnce(Result<Taken, Error>) -> T + Send>),
    /// Outside executions.
    Direct(BoxFuture<'static, T>),
    Ready(T),
    Done,
}

impl<T> Unpin for Operation<T> {}

impl<T> Operation<T> {
    pub(crate) fn step(placed: Placed, codec: Codec<T>) -> Self {
        Self(Inner::Step(placed, codec))
    }

    pub(crate) fn placed(placed: Placed, read: impl FnOnce(Result<Taken, Error>) -> T + Send + 'static) -> Self {
        Self(Inner::Placed(placed, Box::new(read)))
    }

    pub(crate) fn direct(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Inner::Direct(Box::pin(future)))
    }

    pub(crate) fn ready(value: T) -> Self {
        Self(Inner::Ready(value))
    }

    /// The place, where there is one and it hasn't been polled to its end.
    pub(crate) fn place(&mut self) -> Option<&mut Placed> {
        match &mut self.0 {
            Inner::Placed(placed, _) | Inner::Step(placed, _) => Some(placed),
            Inner::Direct(_) | Inner::Ready(_) | Inner::Done => None,
        }
    }
}

impl<T> Future for Operation<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<T> {
        let result = match &mut self.0 {
            Inner::Placed(placed, _) | Inner::Step(placed, _) => match placed.poll_taken(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(taken) => Some(taken),
            },
            Inner::Direct(future) => match future.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(value) => {
                    self.0 = Inner::Done;
                    return Poll::Ready(value);
                }
            },
            Inner::Ready(_) => None,
            // As every future: polled after its end it never comes back.
            Inner::Done => return Poll::Pending,
        };
        match (std::mem::replace(&mut self.0, Inner::Done), result) {
            (Inner::Placed(placed, read), Some(taken)) => {
                drop(placed);
                Poll::Ready(read(taken))
            }
            (Inner::Step(placed, codec), Some(taken)) => Poll::Ready(step::outcome(&placed, codec, taken)),
            (Inner::Ready(value), _) => Poll::Ready(value),
            (Inner::Step(..) | Inner::Placed(..) | Inner::Direct(_) | Inner::Done, _) => Poll::Pending,
        }
    }
}

/// The error of an operation called where it can't work.
pub(crate) fn misplaced(what: &str, context: Option<&Context>) -> Error {
    let message = match context {
        None => format!(
            "{what} was called outside an execution: call it in a `#[durable]` function (a spawned task isn't one)"
        ),
        Some(Context::Transaction(scope)) => format!(
            "{what} was called inside the transaction `{}`: a transaction holds data operations alone; do it before or \
             after",
            scope.name
        ),
        Some(Context::Body(scope)) => {
            format!("{what} was called inside the step `{}`: call it in the durable function", scope.name)
        }
        Some(Context::Plain(_)) => format!("{what} can't run plainly: it needs an execution"),
        Some(Context::Execution(_) | Context::Dropping) => format!("{what} was called while its function is put away"),
    };
    Error::of(ErrorKind::Misplaced, message).into_terminal()
}
