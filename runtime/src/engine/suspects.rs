//! Executions whose workers have died: they run apart, so that the one that ends its workers takes no other along.
//!
//! A death counts for all that the worker ran, whoever caused it. From a quarter of `max_crashes` on an execution is a
//! suspect: a few of them run beside each other, and from the half on each alone; the others are given back for a while.
//! Whoever makes progress is a suspect no longer. So the one that ends its workers comes to `max_crashes` by itself.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::execution::Execution;
use super::held::Held;
use super::state::Phase;
use crate::store::Stamp;

/// How many suspects run beside each other, as long as none has to run alone.
const FEW: usize = 16;
/// How long a suspect waits for those that were claimed with it to be given back: else its death would count for them.
const RECESS: Duration = Duration::from_secs(1);
/// How long a suspect is given back for, and as much again at the most.
const AWAY: Duration = Duration::from_secs(2);

/// What an execution that was claimed is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// It begins then, and is the only one or one of a few until it makes progress.
    At(Stamp),
    /// Others have their turn: it is given back, and due again then.
    Not(Stamp),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suspicion {
    None,
    /// It may be this one.
    Some,
    /// It runs alone.
    Strong,
}

impl Suspicion {
    fn of(crashes: u32, most: u32) -> Self {
        if crashes == 0 || crashes < most / 4 {
            Self::None
        } else if crashes < most / 2 {
            Self::Some
        } else {
            Self::Strong
        }
    }
}

/// The suspects that have a turn on this worker.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<Vec<Weak<Execution>>>);

impl Suspects {
    pub(crate) fn turn(&self, execution: &Arc<Execution>) -> Turn {
        let suspicion = suspicion(execution);
        if suspicion == Suspicion::None {
            return Turn::Now;
        }
        let mut running = self.0.held();
        let mut strongest = suspicion;
        running.retain(|other| {
            let other = other.upgrade().map_or(Suspicion::None, |other| self::suspicion(&other));
            strongest = strongest.max(other);
            other > Suspicion::None
        });
        let room = if strongest == Suspicion::Strong { 1 } else { FEW };
        if running.len() < room {
            running.push(Arc::downgrade(execution));
            return Turn::At(Stamp::now().after(RECESS));
        }
        Turn::Not(Stamp::now().after(AWAY + AWAY * u32::from(super::random::byte()) / 256))
    }
}

/// Whether what ends its workers may be this execution, which runs.
fn suspicion(execution: &Execution) -> Suspicion {
    let state = execution.state.held();
    match state.phase {
        Phase::Ended | Phase::Gone => Suspicion::None,
        Phase::Replaying | Phase::Live | Phase::Ending(_) | Phase::Returned => {
            Suspicion::of(state.crashes, execution.engine.settings.max_crashes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_begins_at_a_quarter_and_is_strong_from_the_half_on() {
        let first = |wanted, most| (0..=most).find(|crashes| Suspicion::of(*crashes, most) == wanted);
        assert_eq!((first(Suspicion::Some, 20), first(Suspicion::Strong, 20)), (Some(5), Some(10)));
        assert_eq!((first(Suspicion::Some, 8), first(Suspicion::Strong, 8)), (Some(2), Some(4)));
        assert_eq!((first(Suspicion::Some, 3), first(Suspicion::Strong, 3)), (None, Some(1)));
        assert_eq!(first(Suspicion::None, 1), Some(0));
    }
}
