//! Functions that block their thread: they hold up all the executions of their lane, and nobody would know which it is.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Engine;
use super::execution::Execution;
use super::held::Held;
use super::lane::Turn;

/// How long one poll may take before it is said.
const LIMIT: Duration = Duration::from_secs(5);
/// How often lanes are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A lane at its last look.
struct Seen {
    turn: Option<Turn>,
    since: Instant,
    told: bool,
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
    seen.resize_with(engine.lanes.count(), || Seen { turn: None, since: Instant::now(), told: false });
    for (seen, turn) in seen.iter_mut().zip(engine.lanes.turns()) {
        if seen.turn != turn {
            if seen.told {
                tracing::info!("the executions behind it go on, after {:.0?}", seen.since.elapsed());
            }
            *seen = Seen { turn, since: Instant::now(), told: false };
        } else if turn.is_some() && !seen.told && seen.since.elapsed() >= LIMIT {
            seen.told = true;
            tell(engine, turn);
        }
    }
}

fn tell(engine: &Engine, turn: Option<Turn>) {
    let is_it = |execution: &&Arc<Execution>| turn.is_some_and(|turn| turn.is_of(Arc::as_ptr(execution)));
    let execution = engine.live.held().values().find(is_it).cloned();
    let Some(execution) = execution else {
        return tracing::warn!("an execution that was given up holds its thread: others wait behind it");
    };
    tracing::warn!(
        id = %execution.id,
        function = execution.function.name,
        "it has held its thread for {LIMIT:?}, and other executions wait behind it: what blocks (a sleep of the thread, a \
         lock, a long computation) belongs into `tokio::task::spawn_blocking`, in a step"
    );
}
