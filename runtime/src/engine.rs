//! The engine: call → record → driver → operation → store.
//!
//! Reading order: `driver` (the rule: offered in order, taken one at a time), `execution` (its state), `operation` (a
//! place as a future), `launch` and `body` (what runs), `worker` (claims, sweeps, wake-ups). Nothing here knows SQL,
//! and nothing here is known to the store.

mod ambient;
#[cfg(feature = "micro")]
mod bare;
mod body;
mod call;
mod child;
mod client;
mod context;
mod data_operation;
mod driver;
mod ending;
mod execution;
mod handle;
mod held;
mod inbox;
mod lane;
mod launch;
mod names;
mod offers;
mod operation;
mod parking;
mod random;
mod running;
mod signal;
mod sleep;
mod stall;
mod state;
mod states;
mod step;
#[cfg(test)]
mod tests;
mod timers;
mod transaction;
pub(crate) mod view;
mod waiters;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle as Runtime;
use tokio::sync::Notify;

pub use ambient::{Random, idempotency_key, now, random, state, uuid};
pub use call::Call;
pub use handle::Handle;
pub use operation::Operation;
pub use signal::{Signal, signal};
pub use sleep::sleep;
pub use step::{Step, step};

#[cfg(feature = "micro")]
pub(crate) use bare::{Places, Replayed};
pub(crate) use client::{create, has_ended, not_found, payload, wait};
pub(crate) use data_operation::DataCall;
#[cfg(feature = "mongodb")]
pub(crate) use data_operation::{AtHand, at_hand};
pub(crate) use names::check as check_name;
pub(crate) use random::{bytes as random_bytes, id as new_id, id_and_seed, seed};
pub(crate) use running::Scoped as RunningScope;
pub(crate) use states::States;

use crate::digest::{Digests, hex};
use crate::encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::function::arguments::Arguments;
use crate::function::outcome::Produced;
use crate::function::registry::Registry;
use crate::function::spec::{Function, Secret};
use crate::hashing::FastMap;
use crate::sealing::Keys;
use crate::settings::Settings;
use crate::store::{Claimed, Digest, ExecutionId, Finished, Key, Kind, NewExecution, Store, Value, WorkerId};
use execution::Execution;
use held::Held;
use lane::{Event, Lanes};
use timers::Timers;
use waiters::Waiters;

/// A running app: its store, its functions, its worker.
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    pub(crate) states: States,
    pub(crate) keys: Option<Keys>,
    digests: Digests,
    /// Which binary this is.
    pub(crate) build: u64,
    pub(crate) runtime: Runtime,
    pub(crate) lanes: Lanes,
    pub(crate) timers: Arc<Timers>,
    live: Mutex<FastMap<ExecutionId, Arc<Execution>>>,
    worker: Mutex<Option<WorkerId>>,
    waiters: Mutex<Waiters>,
    /// A caller has begun to wait, or there is room: not only what changes is worth a look.
    look_again: Arc<Notify>,
    next_lane: AtomicUsize,
    draining: AtomicBool,
    closed: AtomicBool,
}

/// What is sealed of a result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    /// The `Ok`.
    pub(crate) result: bool,
    /// Anything of the call: then its errors are.
    pub(crate) any: bool,
}

impl From<Secret> for Sealed {
    fn from(secret: Secret) -> Self {
        Self { result: secret.result, any: secret.result || !secret.arguments.is_empty() }
    }
}

impl Engine {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        registry: Registry,
        settings: Settings,
        states: States,
        keys: Option<Keys>,
        digests: Digests,
    ) -> Arc<Self> {
        let runtime = Runtime::current();
        // A lane keeps up with more than a store can write: half of the threads are for what waits.
        let lanes = Lanes::new(runtime.metrics().num_workers().div_ceil(2));
        let engine = Arc::new(Self {
            store,
            registry,
            settings,
            states,
            keys,
            digests,
            build: worker::build(),
            runtime,
            lanes,
            timers: Arc::default(),
            live: Mutex::default(),
            worker: Mutex::default(),
            waiters: Mutex::default(),
            look_again: Arc::default(),
            next_lane: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        running::register(&engine);
        engine
    }

    /// Whether it takes up nothing new: it is being shut down.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes up an execution that was claimed.
    pub(crate) fn adopt(self: &Arc<Self>, claimed: Claimed) {
        let Some(function) = self.registry.get(&claimed.function, claimed.version) else {
            // Only what the binary has is claimed; a claim that slipped through ends with the worker's lease.
            tracing::error!(id = %claimed.id, function = %claimed.function, "claimed, but not in this binary");
            return;
        };
        let lane = self.next_lane();
        let execution = Execution::new(self.clone(), function, claimed, lane);
        let old = self.live.held().insert(execution.id.clone(), execution.clone());
        if let Some(old) = old {
            // Claimed again, so the claim before is lost: its bodies end, its root goes.
            old.abandon();
        }
        if self.is_draining() {
            // Claimed while the worker was told to go: what it owns is given back when it leaves.
            return execution.abandon();
        }
        tracing::debug!(id = %execution.id, function = function.name, epoch = execution.epoch.0, "claimed");
        execution.send(Event::Start);
    }

    /// Lanes in turn.
    fn next_lane(&self) -> usize {
        self.next_lane.fetch_add(1, Ordering::Relaxed) % self.lanes.count()
    }

    fn take_off(&self, execution: &Arc<Execution>) {
        let mut live = self.live.held();
        if live.get(&execution.id).is_some_and(|there| Arc::ptr_eq(there, execution)) {
            live.remove(&execution.id);
        }
    }

    /// An execution has left this worker unfinished: callers look for its end in the store from now on, and there is
    /// room for another.
    pub(crate) fn forget(&self, execution: &Arc<Execution>) {
        let was_full = !self.has_room();
        self.take_off(execution);
        if self.waiters.held().look_for(&execution.id) || was_full {
            self.look_again.notify_one();
        }
    }

    /// An execution has ended here: its waiting callers are told. It is taken off first, so that a caller that comes
    /// too late to be told looks into the store.
    pub(crate) fn ended(&self, execution: &Arc<Execution>, finished: Finished) {
        tracing::info!(id = %execution.id, function = execution.function.name, end = ?finished.end, "ended");
        self.take_off(execution);
        self.waiters.held().tell(&execution.id, Ok(finished));
    }

    pub(crate) fn runs(&self, id: &ExecutionId) -> bool {
        self.live.held().contains_key(id)
    }

    /// A keyed digest for one kind of operation and name.
    pub(crate) fn digest(&self, kind: Kind, name: &str, parts: &[&[u8]]) -> Digest {
        self.digests.of(kind.name(), std::iter::once(name.as_bytes()).chain(parts.iter().copied()))
    }

    /// The key of an operation for the world outside: unchanged over retries, replay, restart and restore.
    pub(crate) fn idempotency_key(&self, execution: &ExecutionId, kind: Kind, key: &Key) -> String {
        let ordinal = key.ordinal.to_le_bytes();
        let digest = self.digest(kind, &key.name, &[b"key", execution.0.as_bytes(), &key.digest.0, &ordinal]);
        hex(&digest.0)
    }

    /// A child's id: its parent's id and the key.
    pub(crate) fn child_id(&self, parent: &ExecutionId, key: &Key) -> ExecutionId {
        let unique = self.idempotency_key(parent, Kind::Child, key);
        let name: String = key.name.chars().take(60).collect();
        let readable = format!("{parent}.{name}.{}", &unique[..12]);
        // Names end at 255: deep families keep the hash, which stands for the whole path.
        ExecutionId(if readable.len() <= 255 { readable.into() } else { format!("{name}.{unique}").into() })
    }

    pub(crate) fn check_size(&self, bytes: &[u8], what: impl FnOnce() -> String) -> Result<()> {
        let limit = self.settings.max_payload;
        if bytes.len() <= limit {
            return Ok(());
        }
        let what = what();
        Err(Error::of(
            ErrorKind::TooLarge,
            format!(
                "{what} takes {} bytes, the limit is {limit}: keep it in a file or a collection and record its name",
                bytes.len()
            ),
        )
        .into_terminal())
    }

    /// A result within its limit, or the terminal fault that says it isn't. Why a secret one can't be recorded isn't
    /// said: a map's key or a type's own message may give it away.
    pub(crate) fn limited(&self, produced: Produced, what: impl FnOnce() -> String, secret: Sealed) -> Produced {
        let refused = produced.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::NotRecordable);
        if secret.any && refused && matches!(produced.value, Value::Fault(_)) {
            let message = format!("{} can't be recorded: it is secret, so why isn't said", what());
            return Produced::fault(Error::of(ErrorKind::NotRecordable, message).into_terminal());
        }
        match self.check_size(produced.value.bytes(), what) {
            Ok(()) => produced,
            Err(error) => Produced::fault(error),
        }
    }

    /// The digest and the stored form of a step's arguments.
    pub(crate) fn recorded_arguments(
        &self,
        kind: Kind,
        name: &str,
        arguments: &Arguments,
    ) -> Result<(Digest, Vec<u8>)> {
        let plain = arguments.plain()?;
        let digest = self.digest(kind, name, &[&arguments.identity(&plain)?]);
        self.check_size(&plain, || format!("the arguments of `{name}`"))?;
        Ok((digest, self.stored_arguments(name, arguments, plain)?))
    }

    /// Arguments as they are stored: secret ones sealed.
    pub(crate) fn stored_arguments(&self, name: &str, arguments: &Arguments, plain: Vec<u8>) -> Result<Vec<u8>> {
        if !arguments.has_secrets() {
            return Ok(plain);
        }
        let keys = self.keys_for(name)?;
        arguments.stored(|bytes| Ok(encoding::sealed(&keys.seal(bytes, name.as_bytes())?)))
    }

    fn keys_for(&self, name: &str) -> Result<&Keys> {
        self.keys.as_ref().ok_or_else(|| {
            Error::of(
                ErrorKind::Invalid,
                format!("`{name}` has secrets, but there is no key: set OUTLAST_KEY to 32 random bytes in base64"),
            )
            .into_terminal()
        })
    }

    /// A result as it is stored: sealed if it is secret. An error is sealed wherever anything is secret, since its
    /// words may hold what the arguments held.
    pub(crate) fn seal_result(&self, value: Value, secret: Sealed, name: &str) -> Value {
        let hide = match &value {
            Value::Ok(_) => secret.result,
            Value::Err(_) | Value::Fault(_) => secret.any,
        };
        if !hide {
            return value;
        }
        let keys = self.keys_for(name);
        let sealed = keys.and_then(|keys| keys.seal(value.bytes(), name.as_bytes()));
        match (value, sealed.map(|sealed| encoding::sealed(&sealed))) {
            (Value::Ok(_), Ok(sealed)) => Value::Ok(sealed),
            (Value::Err(_), Ok(sealed)) => Value::Err(sealed),
            (Value::Fault(_), Ok(sealed)) => Value::Fault(sealed),
            (_, Err(error)) => Produced::fault(error).value,
        }
    }

    /// Opens what was sealed for a name.
    pub(crate) fn open(&self, sealed: &[u8], name: &str) -> Result<Vec<u8>> {
        self.keys_for(name)?.open(sealed, name.as_bytes())
    }

    /// A call of a function, ready for the store.
    pub(crate) fn new_execution(
        &self,
        id: ExecutionId,
        seed: u64,
        function: &'static Function,
        arguments: Vec<u8>,
        digest: Digest,
        timeout: Option<std::time::Duration>,
    ) -> NewExecution {
        NewExecution {
            id,
            function: function.name.into(),
            version: function.version,
            arguments,
            digest,
            not_before: None,
            timeout,
            parent: None,
            watcher: None,
            seed,
            claim_for: if self.has_room() { self.worker.held().clone() } else { None },
        }
    }

    fn has_room(&self) -> bool {
        !self.is_draining() && self.live.held().len() < self.settings.max_running
    }
}
