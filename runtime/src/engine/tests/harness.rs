//! Runs a durable function on a store in memory, lets its worker die, replays it, and compares.
//!
//! What must hold for two runs of the same execution: up to the turn of every row that both had, they are the same, to
//! the last call, take, note and poll; and a run that stands still has gone no further than another one goes without more
//! rows.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::runtime::Runtime;

use super::probe::{self, Came, Death, Nobody, Plan, Run, Watched};
use crate::encoding;
use crate::engine::client::Waiting;
use crate::engine::execution::Execution;
use crate::engine::lane::Event;
use crate::engine::{Engine, States, driver};
use crate::error::{Error, Result};
use crate::function::registry::Registry;
use crate::function::spec::Function;
use crate::settings::Settings;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{
    Claimed, Created, Details, Digest, Epoch, ExecutionId, Finished, Message, MessageBody, NewExecution, Row, Slot,
    Store, Submission, Write,
};

/// The runtime of all worlds: tests and bodies share its two threads.
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// How long an execution may take before it counts as stuck.
const STUCK: Duration = Duration::from_secs(20);

/// An engine on a store of its own.
pub(super) struct World {
    pub(super) engine: Arc<Engine>,
}

/// Executions that wait stay in memory.
pub(super) static WAITING: LazyLock<World> = LazyLock::new(|| RUNTIME.block_on(World::open(Duration::from_secs(60))));

/// Executions that wait are put away after a millisecond, and replayed when they go on.
pub(super) static PARKING: LazyLock<World> = LazyLock::new(|| RUNTIME.block_on(World::open(Duration::from_millis(1))));

/// Random numbers that a seed gives back.
#[derive(Debug, Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        // splitmix64, by Steele, Lea and Flood.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// What others send while a function runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    /// The signals' names, each sent with a random number.
    pub(super) names: &'static [&'static str],
    /// So many come at random moments of the first milliseconds.
    pub(super) early: usize,
    /// After that one of each name comes from time to time, so that nobody waits for ever.
    pub(super) late: bool,
}

impl Post {
    pub(super) const NONE: Self = Self { names: &[], early: 0, late: false };
}

/// The call of a function.
#[derive(Clone)]
pub(super) struct Called {
    pub(super) function: &'static Function,
    pub(super) arguments: Vec<u8>,
    pub(super) digest: Digest,
}

/// An execution that has come to its end.
pub(super) struct Ended {
    pub(super) id: ExecutionId,
    pub(super) seed: u64,
    pub(super) runs: Vec<Run>,
    pub(super) finished: Result<Finished>,
    /// It hasn't, and was given up.
    pub(super) stuck: bool,
    pub(super) details: Details,
}

impl Ended {
    pub(super) fn record(&self) -> &[Row] {
        &self.details.record
    }

    /// The last claim: if all went well it is a replay of the whole record.
    pub(super) fn last(&self) -> &Run {
        self.runs.last().unwrap()
    }
}

impl World {
    pub(super) async fn open(park_after: Duration) -> Self {
        let store: Arc<dyn Store> = SqliteStore::open(SqliteOptions::memory()).await.unwrap();
        let settings = Settings { park_after, ..Settings::default() };
        let digests = crate::digest::Digests::of_store(&*store, None).await.unwrap();
        let engine =
            Engine::new(store.clone(), Registry::of_binary().unwrap(), settings, States::default(), None, digests);
        engine.start().await.unwrap();
        Self { engine }
    }

    pub(super) fn call(&self, function: &str, arguments: Json) -> Called {
        let function = self.engine.registry.newest(function).unwrap();
        let (digest, arguments) = self.engine.json_arguments(function, arguments).unwrap();
        Called { function, arguments, digest }
    }

    pub(super) fn new_execution(&self, called: &Called, seed: u64) -> NewExecution {
        let id = ExecutionId(crate::engine::new_id());
        let Called { function, arguments, digest } = called;
        self.engine.new_execution(id, seed, function, arguments.clone(), *digest, None)
    }

    /// Runs a function to its end.
    pub(super) async fn run(&self, called: &Called, plan: Plan, post: Post, dice: &mut Dice) -> Ended {
        let new = self.new_execution(called, dice.roll());
        let (id, seed) = (new.id.clone(), new.seed);
        let watched = probe::watch(&id, plan);
        let waiting = self.begin(new).await;
        self.end(id, seed, &watched, waiting, post, dice).await
    }

    /// Starts an execution.
    pub(super) async fn begin(&self, new: NewExecution) -> Waiting {
        let id = new.id.clone();
        let created = self.engine.store.create(new).await.unwrap();
        // Waiting begins before the execution can end.
        let waiting = self.engine.wait_for(&id);
        if let Created::New(Some(claimed)) = created {
            self.engine.adopt(*claimed);
        }
        waiting
    }

    /// Writes rows as their owner.
    pub(super) fn write(&self, claimed: &Claimed, record: &[Row]) {
        for row in record {
            self.engine.store.submit(Submission {
                execution: claimed.id.clone(),
                epoch: claimed.epoch,
                slot: claimed.slot,
                write: Write::Row { row: row.kind.clone(), from: None },
                owner: Arc::new(Nobody),
                ticket: 0,
            });
        }
    }

    /// Creates an execution for a worker, which claims it at once.
    pub(super) async fn claimed(&self, new: NewExecution) -> Box<Claimed> {
        match self.engine.store.create(new).await.unwrap() {
            Created::New(Some(claimed)) => claimed,
            other => panic!("not created and claimed: {other:?}"),
        }
    }

    /// Runs a function on from the first rows of a record, written by a worker that has died since.
    pub(super) async fn go_on(
        &self,
        called: &Called,
        from: &Ended,
        record: &[Row],
        plan: Plan,
        post: Post,
        dice: &mut Dice,
    ) -> Ended {
        let dead = self.engine.store.register(self.engine.build).await.unwrap();
        let mut new = self.new_execution(called, from.seed);
        new.claim_for = Some(dead.clone());
        let id = new.id.clone();
        let started = from.details.summary.started.unwrap();
        let stamps = Some((started, record.iter().map(|row| row.stamp).collect()));
        let watched = probe::watch(&id, Plan { stamps, ..plan });
        let claimed = self.claimed(new).await;
        let waiting = self.engine.wait_for(&id);
        self.write(&claimed, record);
        self.engine.store.leave(&dead).await.unwrap();
        self.end(id, from.seed, &watched, waiting, post, dice).await
    }

    /// Waits for its end.
    pub(super) async fn end(
        &self,
        id: ExecutionId,
        seed: u64,
        watched: &Arc<Watched>,
        waiting: Waiting,
        post: Post,
        dice: &mut Dice,
    ) -> Ended {
        let mut stuck = false;
        let finished = {
            let mut ends = std::pin::pin!(self.engine.finished(&id, waiting));
            let posts = self.send(&id, post, dice);
            tokio::select! {
                biased;
                finished = &mut ends => finished,
                () = posts => {
                    stuck = true;
                    Err(Error::new("stuck"))
                }
            }
        };
        let details = self.engine.store.details(id.clone()).await.unwrap().unwrap();
        Ended { id, seed, runs: watched.runs(), finished, stuck, details }
    }

    /// Sends signals, until nobody can still be waiting.
    async fn send(&self, id: &ExecutionId, post: Post, dice: &mut Dice) {
        for _ in 0..post.early {
            tokio::time::sleep(Duration::from_micros(dice.roll() % 3_000)).await;
            let name = post.names[dice.below(post.names.len())];
            self.signal(id, name, dice.roll() % 100).await;
        }
        let begun = std::time::Instant::now();
        while begun.elapsed() < STUCK {
            tokio::time::sleep(Duration::from_millis(10)).await;
            for name in post.names.iter().filter(|_| post.late) {
                self.signal(id, name, dice.roll() % 100).await;
            }
        }
    }

    pub(super) async fn signal(&self, id: &ExecutionId, name: &str, value: u64) {
        let payload = encoding::encode(&value).unwrap();
        let message = Message { id: crate::engine::new_id(), body: MessageBody::Signal { name: name.into(), payload } };
        self.engine.store.post(id.clone(), message).await.unwrap();
    }

    /// Replays the first rows of a record, and stops once they have been offered.
    pub(super) fn replay(&self, called: &Called, of: &Ended, record: Vec<Row>) -> Run {
        let claimed = Claimed {
            id: of.id.clone(),
            epoch: Epoch(of.details.summary.epoch.0 + 1),
            slot: Slot::default(),
            function: called.function.name.into(),
            version: called.function.version,
            arguments: called.arguments.clone(),
            seed: of.seed,
            started: of.details.summary.started.unwrap(),
            deadline: None,
            parked: None,
            crashes: 0,
            record,
            attempts: Vec::new(),
            inbox: Vec::new(),
        };
        let watched = Watched::new(Plan { replay_only: true, ..Plan::default() });
        let execution = probe::watching(&watched, || Execution::new(self.engine.clone(), called.function, claimed, 0));
        driver::handle(&execution, Event::Start);
        watched.runs().pop().unwrap()
    }
}

/// What one case is to go through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ordeal {
    /// Prefixes of the record that are replayed; all, if it has no more rows.
    pub(super) prefixes: usize,
    /// Deaths of workers at random events.
    pub(super) deaths: bool,
    pub(super) post: Post,
}

/// Lives, dies, replays, goes on: what was found to differ, in words.
pub(super) async fn prove(world: &World, called: &Called, ordeal: Ordeal, dice: &mut Dice) -> Result<Ended, String> {
    let mut plan = Plan { lost_ends: 1, ..Plan::default() };
    if ordeal.deaths {
        plan.deaths = deaths(dice);
    }
    let live = world.run(called, plan, ordeal.post, dice).await;
    let value = check_runs(&live, "live")?;
    check_prefixes(world, called, &live, ordeal.prefixes, dice)?;
    let rows = dice.below(live.record().len() + 1);
    let plan = Plan { lost_ends: 1, ..Plan::default() };
    let on = world.go_on(called, &live, &live.record()[..rows], plan, ordeal.post, dice).await;
    let what = format!("gone on from row {rows}");
    let went_on = check_runs(&on, &what)?;
    check_from(live.last(), &on.runs[0], rows).map_err(|error| format!("{what}: {error}"))?;
    if rows == live.record().len() && live.last().turns.len() == rows && went_on != value {
        return Err(format!("{what}, which is all: {went_on:?} instead of {value:?}"));
    }
    let again = [probe::forget(&live.id), probe::forget(&on.id)].concat();
    if again.is_empty() { Ok(live) } else { Err(format!("recorded bodies ran again: {again:?}")) }
}

fn deaths(dice: &mut Dice) -> VecDeque<Death> {
    (0..dice.below(4)).map(|_| Death { event: 1 + dice.below(12) as u32, handled: dice.one_in(2) }).collect()
}

/// All claims of one execution went the same way, none began what was recorded, and all that returned gave the same.
fn check_runs(ended: &Ended, what: &str) -> Result<Came, String> {
    if let Err(error) = &ended.finished
        && (ended.stuck || ended.runs.iter().all(|run| run.came.is_none()))
    {
        return Err(format!("{what}: {error}; {}", tail(ended)));
    }
    for run in &ended.runs {
        if let Some(Came::Fault(fault)) = &run.came {
            return Err(format!("{what}: {fault}; {}", tail(ended)));
        }
        if let Some(again) = run.started.iter().find(|key| run.recorded.contains(key)) {
            return Err(format!("{what}: {again:?} is recorded, and was started again"));
        }
    }
    let runs: Vec<_> = ended.runs.iter().filter(|run| run.polls > 0).collect();
    for pair in runs.windows(2) {
        same_way(pair[0], pair[1]).map_err(|error| format!("{what}: {error}"))?;
    }
    let mut came = runs.iter().filter_map(|run| run.came.clone());
    let Some(first) = came.next() else { return Err(format!("{what}: it never returned; {}", tail(ended))) };
    match came.find(|other| *other != first) {
        Some(other) => Err(format!("{what}: returned {first:?}, replayed {other:?}")),
        None => Ok(first),
    }
}

fn tail(ended: &Ended) -> String {
    let last = ended.runs.last().map(|run| &run.trace[run.trace.len().saturating_sub(6)..]);
    format!("{} claims, {} rows, the last steps: {last:?}", ended.runs.len(), ended.record().len())
}

/// Two runs are the same up to the turn of each row that both had, and the one with fewer rows stands there.
fn same_way(one: &Run, other: &Run) -> Result<(), String> {
    let rows = one.turns.len().min(other.turns.len());
    let end = |run: &Run| run.turns.get(rows).map_or(run.trace.len(), |turn| turn.words);
    check_to(one, other, rows)?;
    if end(one) != end(other) || one.trace[..end(one)] != other.trace[..end(other)] {
        return Err(difference(one, other, rows));
    }
    Ok(())
}

/// Both runs are the same up to the turn of row `rows`, and neither began anything of its own before.
fn check_from(live: &Run, replayed: &Run, rows: usize) -> Result<(), String> {
    let rows = rows.min(live.turns.len()).min(replayed.turns.len());
    check_to(live, replayed, rows)
}

fn check_to(one: &Run, other: &Run, rows: usize) -> Result<(), String> {
    let same = one.trace.iter().zip(&other.trace).take_while(|(a, b)| a == b).count();
    match (0..rows).find(|row| one.turns[*row] != other.turns[*row] || one.turns[*row].words > same) {
        Some(row) => Err(difference(one, other, row)),
        None => Ok(()),
    }
}

fn difference(one: &Run, other: &Run, row: usize) -> String {
    let at = one.trace.iter().zip(&other.trace).position(|(a, b)| a != b);
    let at = at.unwrap_or_else(|| one.trace.len().min(other.trace.len()));
    let before = &one.trace[at.saturating_sub(4)..at];
    format!(
        "the way differs before the turn of row {row} ({:?} and {:?}), in step {at}: {:?} and then {:?} ({:?}); after {before:?}",
        one.turns.get(row),
        other.turns.get(row),
        one.trace.get(at),
        other.trace.get(at),
        other.came,
    )
}

/// Replays prefixes of a record: exactly what the live run had come to by then.
fn check_prefixes(world: &World, called: &Called, live: &Ended, most: usize, dice: &mut Dice) -> Result<(), String> {
    let rows = live.record().len();
    let all = rows < most;
    for number in 0..if all { rows + 1 } else { most } {
        let rows = if all { number } else { dice.below(rows + 1) };
        let replayed = world.replay(called, live, live.record()[..rows].to_vec());
        let what = format!("the first {rows} rows");
        if let Some(Came::Fault(fault)) = &replayed.came {
            return Err(format!("{what}: {fault}"));
        }
        if !replayed.started.is_empty() {
            return Err(format!("{what}: {:?} was started in a replay", replayed.started));
        }
        same_way(live.last(), &replayed).map_err(|error| format!("{what}: {error}"))?;
        if replayed.turns.len() < rows.min(live.last().turns.len()) {
            return Err(format!("{what}: only {} had a turn", replayed.turns.len()));
        }
    }
    Ok(())
}
