//! What starts for an operation once it is wanted and every recorded outcome has had its turn.

use std::sync::Arc;

use super::body::{Begin, ErasedBody};
use super::execution::Execution;
use super::state::{Activity, State};
use super::{child, transaction};
use crate::error::{Error, ErrorKind};
use crate::function::outcome::Produced;
use crate::store::{BoxFuture, ExecutionId, Kind, NewExecution, Stamp, Value, Watcher};

/// What an operation does when it starts.
pub(crate) enum Launch {
    /// A step's body, with its retries.
    Body(Arc<dyn ErasedBody>),
    /// A transaction's body, with its retries.
    Transaction(Arc<dyn ErasedBody>),
    /// A sleep.
    Timer(Stamp),
    /// A wait for a signal, until the stamp.
    Signal(Option<Stamp>),
    /// A child execution: waited for, or only started.
    Child { new: Box<NewExecution>, wait: bool },
    /// A wait for the end of an execution that is there.
    Watch(ExecutionId),
    /// A request whose answer is recorded: it is repeated until the store answers.
    Request(Box<dyn FnOnce() -> BoxFuture<'static, Value> + Send>),
    /// It has failed already, and that is recorded like any outcome.
    Fail(Error),
}

impl Launch {
    /// Starts it. The state is the execution's, held; a body begins when it is let go of.
    #[must_use = "to be begun without the lock"]
    pub(crate) fn start(self, execution: &Arc<Execution>, state: &mut State, place: usize) -> Option<Begin> {
        #[cfg(test)]
        state.probe.started(state.places[place].kind, &state.places[place].key);
        match self {
            Self::Body(body) => {
                state.places[place].timeout = body.spec().timeout;
                state.set_activity(place, Activity::Busy(None));
                return Some(Begin { place, body, earlier: state.attempt_of(place).map(Box::new) });
            }
            Self::Transaction(body) => {
                let earlier = state.attempt_of(place);
                transaction::start(execution, state, place, body, earlier);
            }
            Self::Signal(None) => state.set_activity(place, Activity::Message),
            Self::Timer(due) | Self::Signal(Some(due)) => {
                state.set_activity(place, Activity::Timer(due));
                execution.engine.timers.at(due, execution, super::timers::Due::Operation(place));
            }
            Self::Child { new, wait: true } if new.id == execution.id => for_itself(execution, state, place),
            Self::Watch(of) if of == execution.id => for_itself(execution, state, place),
            Self::Child { mut new, wait } => {
                new.watcher = wait.then(|| watcher(execution, state, place));
                let run = child::create(execution.clone(), place, *new, wait);
                spawn(execution, state, place, run);
            }
            Self::Watch(of) => {
                let watcher = watcher(execution, state, place);
                let run = child::watch(execution.clone(), place, of, watcher);
                spawn(execution, state, place, run);
            }
            Self::Request(request) => {
                let owner = execution.clone();
                spawn(execution, state, place, async move {
                    let value = request().await;
                    owner.finish(place, value, 0);
                });
            }
            Self::Fail(error) => {
                execution.record(state, place, Produced::fault(error).value, 0, None);
            }
        }
        None
    }
}

/// The end that it waits for would wait for it.
fn for_itself(execution: &Arc<Execution>, state: &mut State, place: usize) {
    let error = Error::of(
        ErrorKind::Conflict,
        format!("`{}` would wait for its own end: its id is `{}`", execution.function.name, execution.id),
    );
    execution.record(state, place, Produced::fault(error.into_terminal()).value, 0, None);
}

/// How the place hears of an end. Noted before anything else happens: the message may be in the inbox already.
fn watcher(execution: &Execution, state: &mut State, place: usize) -> Watcher {
    let message = child::message_id(state.places[place].kind, &state.places[place].key);
    state.watching.insert(message.clone(), place);
    Watcher { execution: execution.id.clone(), message }
}

fn spawn(execution: &Arc<Execution>, state: &mut State, place: usize, run: impl Future<Output = ()> + Send + 'static) {
    let task = execution.engine.runtime.spawn(run);
    state.set_activity(place, Activity::Busy(Some(task.abort_handle())));
}

impl State {
    /// What earlier claims left of a place's attempts.
    fn attempt_of(&mut self, place: usize) -> Option<crate::store::Attempt> {
        let found = self.attempts.iter().position(|attempt| attempt.key == self.places[place].key)?;
        Some(self.attempts.swap_remove(found))
    }
}

/// Kinds that share their ordinals: a child is counted as one, however it is called.
pub(crate) fn family(kind: Kind) -> Kind {
    match kind {
        Kind::Start | Kind::Child => Kind::Child,
        Kind::Step | Kind::Transaction | Kind::Sleep | Kind::Signal | Kind::Read | Kind::Write | Kind::Handle => kind,
    }
}
