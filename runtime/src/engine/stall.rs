//! Functions that block their thread: they hold up all the executions of their lane, and nobody would know which it is.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Engine;
use super::execution::Execution;
use super::held::Held;
use super::lane::Turn;

/// How often lanes are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// At so many looks one after the other a lane is at the same thing before it is said. Not a time: all of the process may
/// have stood still.
const LOOKS: u32 = 5;

/// A lane at its last look.
struct Seen {
    turn: Option<Turn>,
    looks: u32,
    since: Instant,
    /// The execution that was told of.
    told: String,
}

impl Seen {
    fn first(turn: Option<Turn>) -> Self {
        Self { turn, looks: 0, since: Instant::now(), told: String::new() }
    }
}

/// Tells of lanes that stand still; ends with the engine.
pub(crate) async fn watch(engine: Weak<Engine>) {
    let mut seen = Vec::new();
    loop {
        tokio::time::sleep(LOOK).await;
        match engine.upgrade() {
            Some(engine) if !engine.is_closed() => look(&engine, &mut seen),
            _ => return,
        }
    }
}

fn look(engine: &Engine, seen: &mut Vec<Seen>) {
    seen.resize_with(engine.lanes.count(), || Seen::first(None));
    for (seen, turn) in seen.iter_mut().zip(engine.lanes.turns()) {
        if seen.turn != turn {
            if seen.looks >= LOOKS {
                tracing::info!(id = seen.told, "the executions behind it go on, after {:.0?}", seen.since.elapsed());
            }
            *seen = Seen::first(turn);
        } else if let Some(turn) = turn {
            seen.looks += 1;
            if seen.looks == LOOKS {
                seen.told = tell(engine, turn);
            }
        }
    }
}

fn tell(engine: &Engine, turn: Turn) -> String {
    let is_it = |execution: &&Arc<Execution>| turn.is_of(Arc::as_ptr(execution));
    let execution = engine.live.held().values().find(is_it).cloned();
    let Some(execution) = execution else {
        tracing::warn!("an execution that was given up holds its thread: others wait behind it");
        return String::new();
    };
    tracing::warn!(
        id = %execution.id,
        function = execution.function.name,
        "it has held its thread for {:?}, and other executions wait behind it: what blocks (a sleep of the thread, a \
         lock, a long computation) belongs into `tokio::task::spawn_blocking`, in a step",
        LOOK * LOOKS
    );
    execution.id.to_string()
}
