//! How quick something has been so far: what begins quickly begins where it is asked for, without a change of threads;
//! what doesn't goes elsewhere at once, so that it never holds up what is beside it. Bodies of steps begin on their
//! execution's lane, single documents are read by who wants them.

use std::any::TypeId;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use crate::hashing::FastMap;

/// A first poll that takes longer holds up others.
const QUICK: Duration = Duration::from_micros(200);
/// So many runs have to be quick before one begins on a lane.
const TRIALS: u32 = 3;
/// Runs that get a task after a slow one; doubled with each, up to `LONGEST`.
const SHORTEST: u32 = 16;
const LONGEST: u32 = 1 << 16;

/// What is known of the bodies of one step, or of reads.
#[derive(Debug)]
pub(crate) struct Pace {
    /// So many runs to come get a task.
    tasks: AtomicU32,
    /// How many that were after the last slow one.
    penalty: AtomicU32,
}

static PACES: LazyLock<RwLock<FastMap<TypeId, &'static Pace>>> = LazyLock::new(RwLock::default);

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { tasks: AtomicU32::new(TRIALS), penalty: AtomicU32::new(SHORTEST / 2) }
    }

    /// The pace of the step whose bodies `F` makes. One for each step that is written in the program, for ever.
    pub(crate) fn of<F: 'static>() -> &'static Self {
        let id = TypeId::of::<F>();
        if let Some(pace) = PACES.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return pace;
        }
        PACES
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(id)
            .or_insert_with(|| Box::leak(Box::new(Self::new())))
    }

    /// Whether the next body may begin on a lane.
    pub(crate) fn is_quick(&self) -> bool {
        self.tasks.load(Ordering::Relaxed) == 0
    }

    /// The first poll of a body took so long, on a lane or in a task.
    pub(crate) fn took(&self, first_poll: Duration) {
        if first_poll > QUICK {
            let penalty = self.penalty.load(Ordering::Relaxed).saturating_mul(2).min(LONGEST);
            self.penalty.store(penalty, Ordering::Relaxed);
            self.tasks.store(penalty, Ordering::Relaxed);
        } else if !self.is_quick() {
            let _ = self.tasks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_begins_on_a_lane_once_it_is_known_to_be_quick_and_no_more_after_a_slow_one() {
        let pace = Pace::new();
        for _ in 0..TRIALS {
            assert!(!pace.is_quick());
            pace.took(Duration::ZERO);
        }
        assert!(pace.is_quick());
        pace.took(QUICK);
        assert!(pace.is_quick());
        for penalty in [SHORTEST, 2 * SHORTEST] {
            pace.took(QUICK * 2);
            for _ in 0..penalty {
                assert!(!pace.is_quick());
                pace.took(Duration::ZERO);
            }
            assert!(pace.is_quick(), "it gets another chance");
        }
    }

    #[test]
    fn each_step_has_a_pace_of_its_own() {
        assert!(std::ptr::eq(Pace::of::<u8>(), Pace::of::<u8>()));
        assert!(!std::ptr::eq(Pace::of::<u8>(), Pace::of::<u16>()));
    }
}
