//! How an execution that was claimed begins: it may have been cancelled, have ended too many workers, or have to wait.

use std::sync::Arc;

use super::context::{self, Context};
use super::driver::{panicked, run};
use super::ending;
use super::execution::Execution;
use super::held::Held;
use super::inbox;
use super::parking;
use super::state::Ending;
use super::suspects::Turn;
use super::timers::Due;
use crate::error::{Error, ErrorKind};
use crate::function::arguments::Input;
use crate::function::outcome::Root;
use crate::panics::caught;
use crate::store::Stamp;

/// Looks whether it may begin.
pub(super) fn start(execution: &Arc<Execution>) {
    let cancelled = inbox::cancellation(&execution.state.held());
    if let Some(reason) = cancelled.clone().filter(|_| execution.was_parked) {
        return ending::begin(execution, Ending::Cancelled(reason));
    }
    if let Some(error) = crash_limit(execution) {
        return parking::park_for_good(execution, error);
    }
    let is_late = execution.deadline.is_some_and(|deadline| deadline <= Stamp::now());
    let over = cancelled.map(Ending::Cancelled).or(is_late.then_some(Ending::Deadline));
    match (execution.engine.suspects.turn(execution), over) {
        (Turn::Now, _) => begin(execution),
        // Others' turns may take hours, and an end needs none.
        (Turn::At(_) | Turn::Not(_), Some(ending)) => ending::begin(execution, ending),
        (Turn::At(time), None) => {
            tracing::info!(id = %execution.id, function = execution.function.name, "its workers died: it runs apart");
            execution.engine.timers.at(time, execution, Due::Start);
        }
        (Turn::Not(due), None) => {
            parking::give_back(execution, execution.deadline.map_or(due, |deadline| deadline.min(due)));
        }
    }
}

/// Decodes the arguments, makes the root, polls it for the first time and replays.
pub(super) fn begin(execution: &Arc<Execution>) {
    match make_root(execution) {
        Ok(root) => {
            *execution.root.held() = Some(root);
            if let Some(deadline) = execution.deadline {
                execution.engine.timers.at(deadline, execution, Due::Deadline);
            }
            run(execution, true);
        }
        Err(error) => parking::park_for_good(execution, error),
    }
}

/// An execution that has ended its worker again and again is parked before it ends the next one.
fn crash_limit(execution: &Arc<Execution>) -> Option<Error> {
    let crashes = execution.state.held().crashes;
    (crashes >= execution.engine.settings.max_crashes).then(|| {
        Error::of(
            ErrorKind::Parked,
            format!(
                "{crashes} workers in a row died while they ran `{}` and it made no progress: see to the cause, then \
                 `resume` it",
                execution.function.name
            ),
        )
    })
}

fn make_root(execution: &Arc<Execution>) -> Result<Root, Error> {
    let arguments = std::mem::take(&mut *execution.arguments.held());
    let function = execution.function;
    let made = caught(|| {
        context::within(Context::Execution(execution.clone()), || {
            let open = |sealed: &[u8]| execution.engine.open(sealed, function.name);
            let mut input = Input::from_record(&arguments, &function.secret, open)?;
            (function.start)(&mut input)
        })
    });
    match made {
        Ok(Ok(root)) => Ok(root),
        Ok(Err(error)) => Err(error
            .context(format!("`{}` can't be started with its recorded arguments", function.name))
            .with_kind(ErrorKind::Diverged)),
        Err(words) => Err(panicked(execution, &words)),
    }
}
