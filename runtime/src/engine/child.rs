//! Children: executions that an execution starts, waits for, and takes with it when it is cancelled.

use std::sync::Arc;

use super::driver::Closing;
use super::execution::Execution;
use super::inbox;
use super::lane::Event;
use super::state::Child;
use super::worker::RETRY;
use crate::encoding;
use crate::error::{Error, ErrorKind};
use crate::function::outcome::Produced;
use crate::store::{Created, ExecutionId, Key, Kind, Message, MessageBody, NewExecution, Value, Watcher};

/// The id of the message that announces an end to a place.
pub(crate) fn message_id(kind: Kind, key: &Key) -> Arc<str> {
    format!("end/{}/{}/{}/{}", kind.name(), key.name, crate::digest::hex(&key.digest.0), key.ordinal).into()
}

/// Creates a child, or joins what stands under its id; repeated until the store answers.
pub(crate) async fn create(execution: Arc<Execution>, place: usize, new: NewExecution, wait: bool) {
    let engine = execution.engine.clone();
    let created = loop {
        match engine.store.create(new.clone()).await {
            Ok(created) => break created,
            Err(error) => {
                tracing::warn!(id = %execution.id, child = %new.id, %error, "the child can't be created: trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    let fault = match created {
        Created::New(claimed) => {
            if let Some(claimed) = claimed {
                engine.adopt(*claimed);
            }
            None
        }
        Created::Exists | Created::Ended(_) => None,
        Created::Mismatch { function } => Some(mismatch(&new.id, &function)),
        Created::Expired(same) => Some(expired(&new.id, same)),
    };
    match fault {
        Some(error) => execution.finish(place, Produced::fault(error).value, 0),
        None if wait => inbox::wait_for(&execution, place),
        None => {
            let id = encoding::encode(&*new.id.0).unwrap_or_default();
            execution.finish(place, Value::Ok(id), 0);
        }
    }
}

/// Waits for the end of an execution that is there.
pub(crate) async fn watch(execution: Arc<Execution>, place: usize, of: ExecutionId, watcher: Watcher) {
    loop {
        match execution.engine.store.watch(of.clone(), watcher.clone()).await {
            Ok(()) => return inbox::wait_for(&execution, place),
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(RETRY).await,
            Err(error) => return execution.finish(place, Produced::fault(error.into_terminal()).value, 0),
        }
    }
}

/// A child whose call was dropped is told to end, unless another had created it.
pub(crate) async fn tell_to_end(execution: Arc<Execution>, child: Child) {
    let store = &execution.engine.store;
    let message = Message {
        id: format!("cancel/{}", execution.id).into(),
        body: MessageBody::Cancel { reason: format!("{} no longer waits for it", execution.id) },
    };
    loop {
        let ours = if child.named {
            store.children(execution.id.clone()).await.map(|children| children.contains(&child.id))
        } else {
            Ok(true)
        };
        let told = match ours {
            Ok(true) => store.post(child.id.clone(), message.clone()).await.map(|_| ()),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        match told {
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(RETRY).await,
            Ok(()) | Err(_) => break,
        }
    }
    execution.send(Event::Closing(Closing::ChildTold));
}

pub(crate) fn mismatch(id: &ExecutionId, function: &str) -> Error {
    Error::of(
        ErrorKind::Conflict,
        format!("the id `{id}` is taken by a call of `{function}` with other arguments: an id stands for one call"),
    )
    .with_execution(id)
    .into_terminal()
}

/// `same`: it was the same call, as far as its digest says.
pub(crate) fn expired(id: &ExecutionId, same: bool) -> Error {
    let whose = if same { "" } else { " of another call" };
    Error::of(
        ErrorKind::Expired,
        format!("the execution `{id}`{whose} ended so long ago that its result is gone: it isn't run again"),
    )
    .with_execution(id)
    .into_terminal()
}
