//! What others send: the owner moves it from the inbox into the record, and only then is it offered.

use std::sync::Arc;

use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use super::state::{Activity, Pending, Phase, State};
use crate::store::{Message, MessageBody, RowKind, Write};

/// Reads the inbox; the messages come back as an event.
pub(crate) fn fetch(execution: &Arc<Execution>) {
    let mut state = execution.state.held();
    match state.phase {
        Phase::Live if state.fetching => {
            state.fetch_again = true;
            return;
        }
        Phase::Live => state.fetching = true,
        // Replay first: what the messages are for hasn't been called yet.
        Phase::Replaying => {
            state.fetch_again = true;
            return;
        }
        Phase::Ending(_) | Phase::Returned | Phase::Ended | Phase::Gone => return,
    }
    drop(state);
    let owner = execution.clone();
    execution.engine.runtime.spawn(async move {
        let messages = match owner.engine.store.inbox(owner.id.clone()).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(id = %owner.id, %error, "the inbox can't be read: trying again");
                tokio::time::sleep(super::worker::RETRY).await;
                owner.state.held().fetch_again = true;
                Vec::new()
            }
        };
        owner.send(Event::Inbox(messages));
    });
}

/// Submits a row for each message; the message leaves the inbox in the same write.
pub(crate) fn move_into_record(execution: &Arc<Execution>, messages: Vec<Message>) {
    let mut state = execution.state.held();
    state.fetching = false;
    // A worker that is told to go leaves messages to who comes next: what they are for may not have started here.
    if state.phase != Phase::Live || execution.engine.is_draining() {
        return;
    }
    for message in messages {
        if !state.moved.insert(message.id.clone()) {
            continue;
        }
        let from = Some(message.id.clone());
        let row = match message.body {
            MessageBody::Signal { name, payload } => RowKind::Arrival { name, payload },
            MessageBody::Cancel { reason } => RowKind::Cancel { reason },
            MessageBody::Ended { execution: child, finished } => {
                if let Some(place) = state.watching.get(&message.id).copied() {
                    state.settle(place);
                    if !state.places[place].recorded {
                        execution.record(&mut state, place, finished.value, 0, from);
                        continue;
                    }
                }
                // Nobody waits for it any more: it leaves the inbox as an arrival that nobody takes.
                RowKind::Arrival { name: format!(".ended {child}").into(), payload: Vec::new() }
            }
        };
        execution.submit(&mut state, Write::Row { row: row.clone(), from }, Pending::Row(Box::new(row)));
    }
    let again = std::mem::take(&mut state.fetch_again);
    drop(state);
    if again {
        fetch(execution);
    }
}

/// The reason of a cancellation among the messages that came with the claim.
pub(crate) fn cancellation(state: &State) -> Option<String> {
    state.waiting.iter().find_map(|message| match &message.body {
        MessageBody::Cancel { reason } => Some(reason.clone()),
        MessageBody::Signal { .. } | MessageBody::Ended { .. } => None,
    })
}

/// An operation waits for the end of another execution.
pub(crate) fn wait_for(execution: &Arc<Execution>, place: usize) {
    let mut state = execution.state.held();
    if matches!(state.places[place].activity, Activity::Busy(_)) {
        state.set_activity(place, Activity::Message);
    }
    drop(state);
    execution.send(Event::Settled);
}
