//! Parking: an execution that waits holds no future, no memory and no worker; replay brings it back.

use std::sync::Arc;

use super::execution::Execution;
use super::held::Held;
use super::state::{Pending, Phase};
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
    let generation = state.generation;
    let grace = execution.engine.settings.park_after;
    state.park_check = !grace.is_zero();
    drop(state);
    if grace.is_zero() {
        park(execution);
    } else {
        execution.engine.timers.at(Stamp::now().after(grace), execution, Due::Park(generation));
    }
}

/// The grace is over: parks if nothing has happened since (the event that says so is the next generation); if something
/// has, and it is idle again, a new grace begins, since not every event leads to one.
pub(crate) fn park_if_idle(execution: &Arc<Execution>, generation: u64) {
    let mut state = execution.state.held();
    state.park_check = false;
    let undisturbed = state.generation == generation + 1;
    if !state.is_idle() {
        return;
    }
    drop(state);
    if undisturbed {
        park(execution);
    } else {
        consider(execution);
    }
}

fn park(execution: &Arc<Execution>) {
    // A worker that is told to go starts nothing, so what looks idle may have work to do: it gives everything back as due.
    if execution.engine.is_draining() {
        return;
    }
    let mut state = execution.state.held();
    let wake = state.next_due(execution.deadline);
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
