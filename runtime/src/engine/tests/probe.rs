//! What the engine lets tests see of an execution, and how they steer it: a trace, the turns of rows, deaths at a chosen
//! event, ends held back. Compiled for tests alone; an execution that no test watches has no probe.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, LazyLock, Mutex};

use crate::encoding;
use crate::engine::Engine;
use crate::engine::context::{self, Context};
use crate::engine::execution::Execution;
use crate::engine::held::Held;
use crate::engine::state::{Phase, Taken};
use crate::error::Error;
use crate::function::outcome::Produced;
use crate::store::{
    Claimed, Committed, ExecutionId, Key, Kind, Owner, Refused, RowKind, Stamp, Submission, Value, Write,
};

/// How a claim dies: at its event of this number, which is handled or lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) event: u32,
    pub(crate) handled: bool,
}

/// What a test wants of an execution.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Stop once the record has been offered: no body starts, nothing is written.
    pub(crate) replay_only: bool,
    /// So many ends are lost: the worker dies before it writes them, and the whole record is replayed.
    pub(crate) lost_ends: u32,
    /// The death of each claim in turn, as far as there are any.
    pub(crate) deaths: VecDeque<Death>,
    /// Stamps that the record had elsewhere: of the start, and of the first rows.
    pub(crate) stamps: Option<(Stamp, Vec<Stamp>)>,
}

/// How a claim came to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Came {
    Returned(Value),
    Fault(String),
}

/// How far a run is: so many words of its trace, so many polls of its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) words: usize,
    pub(crate) polls: u64,
}

/// One claim of an execution.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// Calls, takes and the function's own notes, in order.
    pub(crate) trace: Vec<String>,
    /// How far it was when each row of the record had its first turn.
    pub(crate) turns: Vec<Turn>,
    /// What was recorded when it was claimed.
    pub(crate) recorded: HashSet<(Kind, Key)>,
    /// What was started.
    pub(crate) started: Vec<(Kind, Key)>,
    pub(crate) polls: u64,
    /// Rows of another build that were matched though the arguments differ.
    pub(crate) drifted: usize,
    /// Its end, unless it died, or was put away to wait.
    pub(crate) came: Option<Came>,
    events: u32,
    death: Option<Death>,
}

/// An execution that a test watches.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    plan: Mutex<Plan>,
    runs: Mutex<Vec<Arc<Mutex<Run>>>>,
    /// The idempotency keys of what was recorded at a claim.
    recorded: Mutex<Vec<String>>,
}

static WATCHED: LazyLock<Mutex<HashMap<ExecutionId, Arc<Watched>>>> = LazyLock::new(Mutex::default);
/// The idempotency keys of all that is recorded in watched executions.
static RECORDED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
static AGAIN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

thread_local! {
    static HERE: RefCell<Option<Arc<Watched>>> = const { RefCell::new(None) };
}

impl Watched {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self { plan: Mutex::new(plan), ..Self::default() })
    }

    /// The claims so far.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.runs.held().iter().map(|run| run.held().clone()).collect()
    }
}

/// Watches all claims of an execution from now on.
pub(crate) fn watch(id: &ExecutionId, plan: Plan) -> Arc<Watched> {
    let watched = Watched::new(plan);
    WATCHED.held().insert(id.clone(), watched.clone());
    watched
}

/// Watches an execution no longer: which of its bodies began although their outcome was recorded.
pub(crate) fn forget(id: &ExecutionId) -> Vec<String> {
    let Some(watched) = WATCHED.held().remove(id) else { return Vec::new() };
    let keys: HashSet<_> = watched.recorded.held().drain(..).collect();
    RECORDED.held().retain(|key| !keys.contains(key));
    keys.into_iter().filter(|key| AGAIN.held().contains(key)).collect()
}

/// A body has begun: it must not be one whose outcome an earlier claim recorded.
pub(crate) fn body_begins() {
    let key = crate::idempotency_key();
    if RECORDED.held().contains(&key) {
        AGAIN.held().insert(key);
    }
}

/// The body of a step that must never begin twice has begun.
pub(crate) fn body_begins_once() {
    static BEGUN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    body_begins();
    let key = crate::idempotency_key();
    if !BEGUN.held().insert(key.clone()) {
        AGAIN.held().insert(key);
    }
}

/// Whatever claim is taken up in `adopt` is watched by this one.
pub(crate) fn watching<T>(watched: &Arc<Watched>, adopt: impl FnOnce() -> T) -> T {
    HERE.with(|here| *here.borrow_mut() = Some(watched.clone()));
    let adopted = adopt();
    HERE.with(|here| *here.borrow_mut() = None);
    adopted
}

/// A word of the function that runs on this thread, for its trace.
pub(crate) fn note(word: impl Into<String>) {
    if let Some(Context::Execution(execution)) = context::current() {
        let probe = execution.state.held().probe.clone();
        probe.add(|run| run.trace.push(word.into()));
    }
}

/// The probe in an execution's state.
#[derive(Clone)]
pub(crate) struct Probe(Option<(Arc<Watched>, Arc<Mutex<Run>>)>);

impl Probe {
    /// Nobody watches.
    #[cfg(feature = "micro")]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The probe of a claim, which gets the stamps that the test wants.
    pub(crate) fn of(engine: &Engine, claimed: &mut Claimed) -> Self {
        let here = HERE.with(|here| here.borrow().clone());
        let Some(watched) = here.or_else(|| WATCHED.held().get(&claimed.id).cloned()) else { return Self(None) };
        let mut plan = watched.plan.held();
        if let Some((started, stamps)) = &plan.stamps {
            claimed.started = *started;
            for (row, stamp) in claimed.record.iter_mut().zip(stamps) {
                row.stamp = *stamp;
            }
        }
        let recorded: HashSet<_> = claimed
            .record
            .iter()
            .filter_map(|row| match &row.kind {
                RowKind::Outcome(outcome) => Some((outcome.kind, outcome.key.clone())),
                RowKind::Arrival { .. } | RowKind::Cancel { .. } | RowKind::Deadline => None,
            })
            .collect();
        let keys = recorded.iter().map(|(kind, key)| engine.idempotency_key(&claimed.id, *kind, key));
        let keys: Vec<_> = keys.collect();
        RECORDED.held().extend(keys.iter().cloned());
        watched.recorded.held().extend(keys);
        let run = Run { recorded, death: plan.deaths.pop_front(), ..Run::default() };
        let run = Arc::new(Mutex::new(run));
        drop(plan);
        watched.runs.held().push(run.clone());
        Self(Some((watched, run)))
    }

    fn add(&self, change: impl FnOnce(&mut Run)) {
        if let Some((_, run)) = &self.0 {
            change(&mut run.held());
        }
    }

    pub(crate) fn called(&self, kind: Kind, key: &Key) {
        self.add(|run| run.trace.push(format!("call {}", shown(kind, key))));
    }

    pub(crate) fn took(&self, kind: Kind, key: &Key, what: &Taken) {
        self.add(|run| {
            let what = match what {
                Taken::Value(value) => format!("{} {}", word(value), view(value.bytes())),
                Taken::Arrival(payload) => format!("arrival {}", view(payload)),
            };
            run.trace.push(format!("took {} = {what}", shown(kind, key)));
        });
    }

    /// A row has its first turn.
    pub(crate) fn turn(&self) {
        self.add(|run| run.turns.push(Turn { words: run.trace.len(), polls: run.polls }));
    }

    pub(crate) fn polled(&self) {
        self.add(|run| run.polls += 1);
    }

    pub(crate) fn started(&self, kind: Kind, key: &Key) {
        self.add(|run| run.started.push((kind, key.clone())));
    }

    pub(crate) fn fault(&self, error: &Error) {
        self.add(|run| run.came = Some(Came::Fault(format!("{}: {error}", error.kind().name()))));
    }

    /// Whether the worker dies at this event; `Some(true)` once the event is handled.
    pub(crate) fn dies(&self) -> Option<bool> {
        let (_, run) = self.0.as_ref()?;
        let mut run = run.held();
        run.events += 1;
        let death = run.death.filter(|death| death.event == run.events)?;
        Some(death.handled)
    }

    pub(crate) fn is_replay_only(&self) -> bool {
        self.0.as_ref().is_some_and(|(watched, _)| watched.plan.held().replay_only)
    }

    /// The function has returned. Whether the worker dies before it writes that.
    fn loses_end(&self, produced: &Produced) -> bool {
        let Some((watched, run)) = &self.0 else { return false };
        run.held().came = Some(Came::Returned(produced.value.clone()));
        let mut plan = watched.plan.held();
        let loses = plan.lost_ends > 0;
        plan.lost_ends = plan.lost_ends.saturating_sub(1);
        loses
    }
}

/// The function has returned: `true` if nobody is to hear of it.
pub(crate) fn loses_end(execution: &Arc<Execution>, produced: &Produced) -> bool {
    let probe = seen(execution);
    (probe.loses_end(produced) && die(execution)) || stops(execution)
}

/// The probe, which notes what the state has of interest.
fn seen(execution: &Execution) -> Probe {
    let state = execution.state.held();
    state.probe.add(|run| run.drifted = state.drifted.len());
    state.probe.clone()
}

/// A replay that is to stop here does.
pub(crate) fn stops(execution: &Arc<Execution>) -> bool {
    let stops = seen(execution).is_replay_only();
    if stops {
        execution.abandon();
    }
    stops
}

/// The worker dies with this execution: nothing that wasn't submitted is written, and the next claim is due at once.
/// `false` if it is too late to die: the function has come to its end, and an event that was lost now would be missed.
pub(crate) fn die(execution: &Arc<Execution>) -> bool {
    if !matches!(execution.state.held().phase, Phase::Live | Phase::Replaying) {
        return false;
    }
    execution.abandon();
    execution.engine.store.submit(Submission {
        execution: execution.id.clone(),
        epoch: execution.epoch,
        slot: execution.slot,
        write: Write::Release { wake: Some(Stamp(0)) },
        owner: Arc::new(Nobody),
        ticket: 0,
    });
    true
}

/// Doesn't care what becomes of a write.
pub(crate) struct Nobody;

impl Owner for Nobody {
    fn committed(self: Arc<Self>, _: u64, _: Write, _: Result<Committed, Refused>) {}
}

fn shown(kind: Kind, key: &Key) -> String {
    let Key { name, digest, ordinal } = key;
    format!("{} {name}/{:02x}{:02x}#{ordinal}", kind.name(), digest.0[0], digest.0[1])
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Ok(_) => "ok",
        Value::Err(_) => "err",
        Value::Fault(_) => "fault",
    }
}

fn view(bytes: &[u8]) -> String {
    encoding::view(bytes).map_or_else(|_| format!("{bytes:?}"), |json| json.to_string())
}
