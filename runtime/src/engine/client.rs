//! Callers outside executions: create, wait, send. What they get while the store is away is retryable and carries the
//! execution's id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
use crate::store::{Asker, Created, ExecutionId, Finished, NewExecution};

/// Starts an execution and waits for its end.
pub(crate) async fn call<R>(engine: &Arc<Engine>, new: NewExecution, function: &Function, codec: Codec<R>) -> R {
    match run(engine, new).await {
        Ok(finished) => value_of(engine, function.name, codec, finished.value),
        Err(error) => (codec.fault)(error),
    }
}

/// Creates an execution, or joins the one of its id, and waits for the end. The caller is woken once, at the end.
async fn run(engine: &Arc<Engine>, new: NewExecution) -> Result<Finished> {
    let id = new.id.clone();
    // Waiting begins before the execution can end.
    let mut waiting = engine.wait_for(&id);
    let caller = Arc::new(Caller {
        engine: engine.clone(),
        id: id.clone(),
        number: waiting.number,
        answered: AtomicBool::new(false),
        gone: AtomicBool::new(false),
    });
    engine.store.create_for(new, caller.clone());
    let _here = Here(&caller);
    let end = match tokio::time::timeout(engine.settings.store_timeout, &mut waiting.end).await {
        Ok(end) => end,
        Err(_) if caller.answered.load(Ordering::Acquire) => (&mut waiting.end).await,
        Err(_) => return Err(engine.store.late().with_execution(&id)),
    };
    end.map_err(|_| shut_down()).and_then(|finished| finished).map_err(|error| error.with_execution(&id))
}

/// A call that waits.
struct Caller {
    engine: Arc<Engine>,
    id: ExecutionId,
    number: u64,
    /// The store has said what became of the creation.
    answered: AtomicBool,
    /// The call was dropped.
    gone: AtomicBool,
}

struct Here<'a>(&'a Caller);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Release);
    }
}

impl Asker for Caller {
    fn has_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    fn created(self: Arc<Self>, created: Result<Created>) {
        self.answered.store(true, Ordering::Release);
        let Self { engine, id, number, .. } = &*self;
        let finished = match created {
            Ok(Created::New(Some(claimed))) => return engine.lanes.take_up(engine, claimed),
            Ok(Created::New(None) | Created::Exists) => {
                if !engine.runs(id) && engine.waiters.held().look_for(id) {
                    engine.look_again.notify_one();
                }
                return;
            }
            Ok(Created::Ended(finished)) => Ok(finished),
            Ok(Created::Mismatch { function }) => Err(mismatch(id, &function)),
            Ok(Created::Expired(same)) => Err(expired(id, same)),
            Err(error) => Err(error),
        };
        engine.waiters.held().tell_one(id, *number, finished);
    }
}

fn shut_down() -> Error {
    Error::of(ErrorKind::Unavailable, "the app was shut down while a caller waited: call again with the same id")
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
        // Who comes after the end of the app is told by nobody else.
        if self.is_closed() {
            return Err(shut_down().with_execution(id));
        }
        if !self.runs(id) && self.waiters.held().look_for(id) {
            self.look_again.notify_one();
        }
        match (&mut waiting.end).await {
            Ok(finished) => finished.map_err(|error| error.with_execution(id)),
            Err(_) => Err(shut_down().with_execution(id)),
        }
    }
}
