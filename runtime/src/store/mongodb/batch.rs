//! How many executions are claimed at a time: no more than can be read within a small part of a lease. A worker that
//! claims what it can't read in time loses it before it begins, and so does the next one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const FEWEST: usize = 16;
const FIRST: usize = 64;
const MOST: usize = 2_000;

/// The size of the next claim.
pub(super) struct Batch(AtomicUsize);

impl Default for Batch {
    fn default() -> Self {
        Self(AtomicUsize::new(FIRST))
    }
}

impl Batch {
    pub(super) fn size(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A claim of so many took so long.
    pub(super) fn took(&self, count: usize, time: Duration, lease: Duration) {
        let size = self.size();
        let next = if time > lease / 4 {
            (size / 2).max(FEWEST)
        } else if count >= size && time < lease / 16 {
            (size * 2).min(MOST)
        } else {
            size
        };
        self.0.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quick_grows_and_what_takes_part_of_a_lease_shrinks() {
        let (batch, lease) = (Batch::default(), Duration::from_secs(16));
        batch.took(10, Duration::ZERO, lease);
        assert_eq!(batch.size(), FIRST, "it wasn't full");
        for _ in 0..10 {
            batch.took(batch.size(), Duration::from_millis(900), lease);
        }
        assert_eq!(batch.size(), MOST);
        batch.took(MOST, Duration::from_secs(3), lease);
        assert_eq!(batch.size(), MOST, "neither quick nor slow");
        batch.took(MOST, Duration::from_secs(5), lease);
        assert_eq!(batch.size(), MOST / 2);
        for _ in 0..10 {
            batch.took(1, Duration::from_secs(5), lease);
        }
        assert_eq!(batch.size(), FEWEST);
    }
}
