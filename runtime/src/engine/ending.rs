//! How an execution ends: by its function's word, or because it was cancelled or its time is up.
//!
//! A cancellation can't be caught: the root has been dropped without a poll. Steps in flight get their time to record,
//! then the children end, then the end is written.

use std::sync::Arc;
use std::time::Duration;

use super::Sealed;
use super::driver::Closing;
use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use super::state::{Activity, Ending, Pending, Phase, State};
use crate::error::{Error, ErrorKind};
use crate::function::outcome::{Produced, fault_bytes};
use crate::store::{End, Finished, Message, MessageBody, Value, Write};

/// The function has returned.
pub(crate) fn returned(execution: &Arc<Execution>, produced: Produced) {
    #[cfg(test)]
    if super::tests::probe::loses_end(execution, &produced) {
        return;
    }
    let (name, secret) = (execution.function.name, Sealed::from(execution.function.secret));
    let produced = execution.engine.limited(produced, || format!("the result of `{name}`"), secret);
    let value = execution.engine.seal_result(produced.value, secret, name);
    let end = if matches!(value, Value::Ok(_)) { End::Succeeded } else { End::Failed };
    let mut state = execution.state.held();
    if state.phase == Phase::Gone {
        return;
    }
    // It may have returned without going quiet before.
    super::driver::record_drift(execution, &mut state);
    let unwanted = state.abort_all();
    state.finished = Some(Finished { end, value });
    state.phase = Phase::Returned;
    end_if_told(execution, &mut state);
    drop(state);
    drop(unwanted);
}

/// Writes the end, unless a dropped child hasn't been told yet: after the end nobody would.
fn end_if_told(execution: &Arc<Execution>, state: &mut State) {
    if state.telling > 0 {
        return;
    }
    if let Some(finished) = state.finished.take() {
        let end = finished.end;
        execution.submit(state, Write::End(finished), Pending::End(end));
    }
}

/// The turn of a row without an operation: the root is gone.
pub(crate) fn begin(execution: &Arc<Execution>, ending: Ending) {
    let mut state = execution.state.held();
    if state.phase == Phase::Gone {
        return;
    }
    let unwanted = std::mem::take(&mut state.starting);
    for place in 0..state.places.len() {
        match &state.places[place].activity {
            Activity::Busy(_) => {}
            Activity::None | Activity::BackOff(..) | Activity::Timer(_) | Activity::Message => state.abort(place),
        }
    }
    state.phase = Phase::Ending(ending);
    let time = patience(&state, execution.engine.settings.shutdown_grace);
    drop(state);
    // What a body has captured is dropped without the lock.
    drop(unwanted);
    let owner = execution.clone();
    execution.engine.runtime.spawn(async move {
        tokio::time::sleep(time).await;
        owner.send(Event::Closing(Closing::BodiesDone));
    });
    look(execution);
}

/// How long bodies in flight get: their own timeout, or the grace where they have none.
fn patience(state: &State, grace: Duration) -> Duration {
    let busy = state.places.iter().filter(|place| matches!(place.activity, Activity::Busy(_)));
    busy.map(|place| place.timeout.unwrap_or(grace)).max().unwrap_or_default()
}

/// Whether the next stage can begin.
pub(crate) fn look(execution: &Arc<Execution>) {
    let state = execution.state.held();
    let bodies_done = matches!(state.phase, Phase::Ending(_)) && state.busy == 0 && state.pending.is_empty();
    drop(state);
    if bodies_done {
        go_on(execution, Closing::BodiesDone);
    }
}

pub(crate) fn go_on(execution: &Arc<Execution>, closing: Closing) {
    let mut state = execution.state.held();
    match closing {
        Closing::ChildTold => {
            state.telling = state.telling.saturating_sub(1);
            end_if_told(execution, &mut state);
        }
        Closing::BodiesDone => {
            if !matches!(state.phase, Phase::Ending(_)) || state.closing_children {
                return;
            }
            let unwanted = state.abort_all();
            state.closing_children = true;
            drop(state);
            drop(unwanted);
            execution.engine.runtime.spawn(end_children(execution.clone()));
        }
        Closing::ChildrenEnded => {
            let Phase::Ending(ending) = state.phase.clone() else { return };
            let (end, error) = match ending {
                Ending::Cancelled(reason) => (End::Cancelled, cancelled(execution.function.name, &reason)),
                Ending::Deadline => (End::Failed, timed_out(execution.function.name)),
            };
            let finished = Finished { end, value: Value::Fault(fault_bytes(&error)) };
            execution.submit(&mut state, Write::End(finished), Pending::End(end));
        }
    }
}

pub(crate) fn cancelled(name: &str, reason: &str) -> Error {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    Error::of(ErrorKind::Cancelled, format!("`{name}` was cancelled{reason}")).into_terminal()
}

fn timed_out(name: &str) -> Error {
    Error::of(ErrorKind::Timeout, format!("`{name}` took longer than its timeout")).into_terminal()
}

/// Asks the children to end, and waits until they have.
async fn end_children(execution: Arc<Execution>) {
    let store = execution.engine.store.clone();
    let mut changes = store.changes();
    let mut told = std::collections::HashSet::new();
    loop {
        changes.mark_unchanged();
        match store.children(execution.id.clone()).await {
            Ok(children) if children.is_empty() => break,
            Ok(children) => {
                for child in children {
                    let reason = format!("{} ended", execution.id);
                    let message =
                        Message { id: format!("cancel/{}", execution.id).into(), body: MessageBody::Cancel { reason } };
                    if !told.contains(&child) && store.post(child.clone(), message).await.is_ok() {
                        told.insert(child);
                    }
                }
            }
            Err(error) => tracing::warn!(id = %execution.id, %error, "its children can't be read: trying again"),
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
    }
    execution.send(Event::Closing(Closing::ChildrenEnded));
}
