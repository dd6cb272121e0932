//! What this handle's workers own: the fence before every write of an owner.
//!
//! The database is asked once per group whether the workers still stand, not once per row: an execution can be taken
//! from a worker only by taking the worker off the list. What a group changed here is undone when the group is.

use crate::hashing::FastMap;
use crate::store::{Epoch, ExecutionId, Stamp, WorkerId};

/// A claim of this handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// The worker's number in `workers`.
    pub(super) worker: i64,
    /// The claim's number.
    pub(super) epoch: Epoch,
    /// The next row's place.
    pub(super) next: u64,
    /// The last row's stamp, or that of the start.
    pub(super) stamp: Stamp,
    /// Earlier claims ended with a crash: the first row sets their count to 0.
    pub(super) crashed: bool,
    /// There may be attempts to remove.
    pub(super) attempts: bool,
}

/// A worker that was registered through this handle.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    /// Its number in `workers`.
    pub(super) number: i64,
    /// Its name.
    pub(super) id: WorkerId,
    /// Whether its row is still there; once it isn't, never again.
    pub(super) standing: bool,
}

/// All claims of this handle.
#[derive(Default)]
pub(super) struct Claims {
    held: FastMap<ExecutionId, Claim>,
    workers: Vec<Registered>,
    /// What stood before each change of the group at hand.
    undo: Vec<(ExecutionId, Option<Claim>)>,
    workers_before: Option<Vec<Registered>>,
}

impl Claims {
    /// The group has committed: what it changed stands.
    pub(super) fn commit(&mut self) {
        self.undo.clear();
        self.workers_before = None;
    }

    /// The group was rolled back.
    pub(super) fn roll_back(&mut self) {
        for (id, before) in self.undo.drain(..).rev() {
            match before {
                Some(claim) => self.held.insert(id, claim),
                None => self.held.remove(&id),
            };
        }
        if let Some(workers) = self.workers_before.take() {
            self.workers = workers;
        }
    }

    /// The claim of an execution under this epoch; `None` is "fenced".
    pub(super) fn get(&self, id: &ExecutionId, epoch: Epoch) -> Option<Claim> {
        self.held.get(id).copied().filter(|claim| claim.epoch == epoch)
    }

    /// Sets or changes a claim.
    pub(super) fn set(&mut self, id: &ExecutionId, claim: Claim) {
        let before = match self.held.get_mut(id) {
            Some(held) => Some(std::mem::replace(held, claim)),
            None => self.held.insert(id.clone(), claim),
        };
        self.undo.push((id.clone(), before));
    }

    /// Ends a claim.
    pub(super) fn end(&mut self, id: &ExecutionId) {
        if let Some(before) = self.held.remove(id) {
            self.undo.push((id.clone(), Some(before)));
        }
    }

    /// Ends all claims of a worker.
    pub(super) fn end_all(&mut self, worker: i64) {
        let ended: Vec<_> =
            self.held.iter().filter(|(_, claim)| claim.worker == worker).map(|(id, _)| id.clone()).collect();
        for id in ended {
            self.end(&id);
        }
    }

    /// The workers of this handle.
    pub(super) fn workers(&self) -> &[Registered] {
        &self.workers
    }

    /// The number of a worker that stands and is of this handle.
    pub(super) fn standing(&self, id: &WorkerId) -> Option<i64> {
        self.workers.iter().find(|worker| worker.standing && worker.id == *id).map(|worker| worker.number)
    }

    /// A worker was registered.
    pub(super) fn register(&mut self, worker: Registered) {
        self.keep_workers();
        self.workers.retain(|worker| worker.standing);
        self.workers.push(worker);
    }

    /// A worker's row is gone: it has lost all that it owned.
    pub(super) fn retire(&mut self, number: i64) {
        self.keep_workers();
        for worker in &mut self.workers {
            worker.standing &= worker.number != number;
        }
        self.end_all(number);
    }

    fn keep_workers(&mut self) {
        if self.workers_before.is_none() {
            self.workers_before = Some(self.workers.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ExecutionId {
        ExecutionId(text.into())
    }

    fn claim(epoch: u64) -> Claim {
        Claim { worker: 1, epoch: Epoch(epoch), next: 0, stamp: Stamp(0), crashed: false, attempts: false }
    }

    #[test]
    fn another_epoch_is_fenced() {
        let mut claims = Claims::default();
        claims.set(&id("a"), claim(2));
        assert!(claims.get(&id("a"), Epoch(2)).is_some());
        assert!(claims.get(&id("a"), Epoch(1)).is_none());
        assert!(claims.get(&id("a"), Epoch(3)).is_none());
        assert!(claims.get(&id("b"), Epoch(2)).is_none());
    }

    #[test]
    fn a_group_that_is_rolled_back_leaves_no_trace() {
        let mut claims = Claims::default();
        claims.register(Registered { number: 1, id: WorkerId("w".into()), standing: true });
        claims.set(&id("a"), claim(1));
        claims.set(&id("b"), claim(1));
        claims.commit();
        claims.set(&id("a"), Claim { next: 5, ..claim(1) });
        claims.set(&id("a"), Claim { next: 6, ..claim(1) });
        claims.end(&id("b"));
        claims.set(&id("c"), claim(1));
        claims.retire(1);
        assert!(claims.standing(&WorkerId("w".into())).is_none());
        claims.roll_back();
        assert_eq!(claims.get(&id("a"), Epoch(1)), Some(claim(1)));
        assert_eq!(claims.get(&id("b"), Epoch(1)), Some(claim(1)));
        assert_eq!(claims.get(&id("c"), Epoch(1)), None);
        assert_eq!(claims.standing(&WorkerId("w".into())), Some(1));
        // Nor does a group that failed before it began undo the one before.
        claims.roll_back();
        assert_eq!(claims.get(&id("a"), Epoch(1)), Some(claim(1)));
    }
}
