//! Callers outside executions: create, wait, send. What they get while the store is away is retryable and carries the
//! execution's id.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;

use super::Engine;
use super::call::value_of;
use super::child::{expired, mismatch};
use super::held::Held;
use crate::encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::function::outcome::Codec;
use crate::function::spec::Function;
use crate::store::{Created, ExecutionId, Finished, NewExecution};

/// Starts an execution and waits for its end.
pub(crate) async fn call<R>(engine: &Arc<Engine>, new: NewExecution, function: &Function, codec: Codec<R>) -> R {
    let id = new.id.clone();
    let finished = match created(engine, new).await {
        Ok(Created::New(claimed)) => {
            // Waiting begins before the execution can end.
            let waiting = engine.wait_for(&id);
            if let Some(claimed) = claimed {
                engine.adopt(*claimed);
            }
            engine.finished(&id, waiting).await
        }
        Ok(Created::Ended(finished)) => Ok(finished),
        Ok(Created::Exists | Created::Mismatch { .. } | Created::Expired(_)) => wait(engine, &id).await,
        Err(error) => Err(error),
    };
    match finished {
        Ok(finished) => value_of(engine, function.name, codec, finished.value),
        Err(error) => (codec.fault)(error),
    }
}

/// Creates an execution, or joins the one of its id.
pub(crate) async fn create(engine: &Arc<Engine>, new: NewExecution) -> Result<()> {
    if let Created::New(Some(claimed)) = created(engine, new).await? {
        engine.adopt(*claimed);
    }
    Ok(())
}

/// What stands under the id now: a new execution, or one of the same call.
async fn created(engine: &Arc<Engine>, new: NewExecution) -> Result<Created> {
    let id = new.id.clone();
    match engine.store.create(new).await.map_err(|error| error.with_execution(&id))? {
        Created::Mismatch { function } => Err(mismatch(&id, &function)),
        Created::Expired(same) => Err(expired(&id, same)),
        created @ (Created::New(_) | Created::Exists | Created::Ended(_)) => Ok(created),
    }
}

/// Waits for the end of an execution that is there.
pub(crate) async fn wait(engine: &Arc<Engine>, id: &ExecutionId) -> Result<Finished> {
    let waiting = engine.wait_for(id);
    engine.finished(id, waiting).await
}

pub(crate) fn not_found(id: &ExecutionId) -> Error {
    Error::of(ErrorKind::NotFound, format!("there is no execution `{id}`")).with_execution(id)
}

/// What has ended takes no messages.
pub(crate) fn has_ended(id: &ExecutionId) -> Error {
    Error::of(ErrorKind::Conflict, format!("the execution `{id}` has ended")).with_execution(id).into_terminal()
}

/// A signal's payload in the record's form.
pub(crate) fn payload<T: Serialize + ?Sized>(engine: &Engine, name: &str, value: &T) -> Result<Vec<u8>> {
    let bytes = encoding::encode(value).map_err(|error| {
        Error::of(ErrorKind::NotRecordable, format!("the signal `{name}` can't be recorded: {error}")).into_terminal()
    })?;
    engine.check_size(&bytes, || format!("the signal `{name}`"))?;
    Ok(bytes)
}

/// A caller's wait, taken off the list when it is dropped.
pub(crate) struct Waiting {
    engine: Arc<Engine>,
    id: ExecutionId,
    number: u64,
    end: oneshot::Receiver<Result<Finished>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.engine.waiters.held().remove(&self.id, self.number);
    }
}

impl Engine {
    /// Registers a wait.
    pub(crate) fn wait_for(self: &Arc<Self>, id: &ExecutionId) -> Waiting {
        let (number, end) = self.waiters.held().add(id);
        Waiting { engine: self.clone(), id: id.clone(), number, end }
    }

    /// The end of an execution: told by its lane, or by a look into the store after anyone's commit.
    pub(crate) async fn finished(&self, id: &ExecutionId, mut waiting: Waiting) -> Result<Finished> {
        if !self.runs(id) && self.waiters.held().look_for(id) {
            self.look_again.notify_one();
        }
        match (&mut waiting.end).await {
            Ok(finished) => finished.map_err(|error| error.with_execution(id)),
            Err(_) => Err(Error::of(
                ErrorKind::Unavailable,
                "the app was shut down while a caller waited: call again with the same id",
            )
            .with_execution(id)),
        }
    }
}
