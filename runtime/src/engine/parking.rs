//! Parking: an execution that waits holds no future, no memory and no worker; replay brings it back.

use std::sync::{Arc, MutexGuard};

use super::driver;
use super::execution::Execution;
use super::held::Held;
use super::state::{Pending, Phase, State};
use super::timers::Due;
use crate::error::{Error, ErrorKind};
use crate::function::outcome::fault_bytes;
use crate::store::{Stamp, Write};

/// If nothing is under way, parks the execution after the grace, or at once where there is none.
pub(crate) fn consider(execution: &Arc<Execution>) {
    let mut state = execution.state.held();
    if !state.is_idle() || state.park_check {
        return;
    }
    let grace = execution.engine.settings.park_after;
    if grace.is_zero() {
        return park(execution, state);
    }
    state.park_check = true;
    let due = Due::Park(state.generation);
    drop(state);
    execution.engine.timers.at(Stamp::now().after(grace), execution, due);
}

/// The grace is over: parks if nothing has happened since (the event that says so is the next generation); if something
/// has, and it is idle again, a new grace begins, since not every event leads to one.
pub(crate) fn park_if_idle(execution: &Arc<Execution>, generation: u64) {
    let mut state = execution.state.held();
    state.park_check = false;
    if state.generation != generation + 1 {
        drop(state);
        consider(execution);
    } else if state.is_idle() {
        park(execution, state);
    }
}

/// Parks what is idle. It comes with the lock under which it was seen to be: a body whose back-off ends in between would
/// be aborted, and nothing would wake the execution again.
fn park(execution: &Arc<Execution>, mut state: MutexGuard<'_, State>) {
    // A worker that is told to go starts nothing, so what looks idle may have work to do: it gives everything back as due.
    if execution.engine.is_draining() {
        return;
    }
    let due = state.next_due();
    if due.is_none() && !state.waits_for_messages() {
        // What would wake it isn't in the record, and meets nobody once the root is gone.
        let what = "waits for something that is not durable, or for nothing at all";
        let error = driver::not_durable(execution, &state, what);
        drop(state);
        return park_for_good(execution, error);
    }
    let wake = due.into_iter().chain(execution.deadline).min();
    // What is due within the grace isn't worth a replay.
    let soon = Stamp::now().after(execution.engine.settings.park_after);
    if wake.is_some_and(|wake| wake <= soon) {
        return;
    }
    let unwanted = state.abort_all();
    execution.submit(&mut state, Write::Release { wake }, Pending::Release);
    drop(state);
    drop(unwanted);
    tracing::debug!(id = %execution.id, "waiting");
    execution.put_away();
}

/// The execution can't go on with this build: it is parked with the reason, and nothing is lost.
pub(crate) fn park_for_good(execution: &Arc<Execution>, error: Error) {
    let mut state = execution.state.held();
    if matches!(state.phase, Phase::Gone | Phase::Ended) {
        return;
    }
    #[cfg(test)]
    {
        state.probe.fault(&error);
        if state.probe.is_replay_only() {
            drop(state);
            return execution.abandon();
        }
    }
    tracing::error!(id = %execution.id, function = execution.function.name, %error, "parked");
    let unwanted = state.abort_all();
    // Another build may fare better with the code; nothing but a person helps an execution that kills its workers.
    let until_build = (error.kind() != ErrorKind::Parked).then_some(execution.engine.build);
    let reason = fault_bytes(&error);
    execution.submit(&mut state, Write::Park { reason, until_build }, Pending::Park);
    drop(state);
    drop(unwanted);
    execution.put_away();
}
