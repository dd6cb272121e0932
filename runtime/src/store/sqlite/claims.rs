//! What this handle's workers own: the fence before every write of an owner.
//!
//! The database is asked once per group whether the workers still stand, not once per row: an execution can be taken
//! from a worker only by taking the worker off the list. What a group changed here is undone when the group is.
//!
//! A claim lies in a slot, which its owner names with each write: no id is hashed for a row. The slot only says where to
//! look; what must agree is the id and the epoch, so a slot that has become another's fences like any other mistake.

use crate::store::{Claimed, Epoch, ExecutionId, Slot, Stamp, WorkerId};

/// A claim of this handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// Where it lies: `add` says.
    pub(super) slot: Slot,
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

/// Which claim: all that its owner says of it.
#[derive(Debug, Clone)]
pub(super) struct ClaimKey {
    pub(super) id: ExecutionId,
    pub(super) epoch: Epoch,
    pub(super) slot: Slot,
}

impl ClaimKey {
    pub(super) fn of(claimed: &Claimed) -> Self {
        Self { id: claimed.id.clone(), epoch: claimed.epoch, slot: claimed.slot }
    }
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

/// What lies in a slot: whose claim, while there is one.
#[derive(Debug)]
struct Held {
    id: ExecutionId,
    claim: Option<Claim>,
}

/// All claims of this handle.
#[derive(Default)]
pub(super) struct Claims {
    slots: Vec<Held>,
    /// Slots without a claim.
    free: Vec<Slot>,
    /// Slots whose claim the group at hand has ended: free once it has committed.
    ended: Vec<Slot>,
    workers: Vec<Registered>,
    /// What stood before each change of the group at hand.
    undo: Vec<(Slot, Option<Claim>)>,
    workers_before: Option<Vec<Registered>>,
}

impl Claims {
    /// The group has committed: what it changed stands.
    pub(super) fn commit(&mut self) {
        self.undo.clear();
        self.free.append(&mut self.ended);
        self.workers_before = None;
    }

    /// The group was rolled back.
    pub(super) fn roll_back(&mut self) {
        self.ended.clear();
        for (slot, before) in self.undo.drain(..).rev() {
            let Some(held) = self.slots.get_mut(slot.0 as usize) else { continue };
            held.claim = before;
            if before.is_none() {
                // It was made in this group.
                self.free.push(slot);
            }
        }
        if let Some(workers) = self.workers_before.take() {
            self.workers = workers;
        }
    }

    /// The claim of an execution under this epoch; `None` is "fenced".
    pub(super) fn get(&self, slot: Slot, id: &ExecutionId, epoch: Epoch) -> Option<Claim> {
        let held = self.slots.get(slot.0 as usize)?;
        held.claim.filter(|claim| claim.epoch == epoch && held.id == *id)
    }

    /// Notes a new claim: where it lies from now on.
    pub(super) fn add(&mut self, id: &ExecutionId, claim: Claim) -> Slot {
        let slot = self.free.pop().unwrap_or(Slot(self.slots.len() as u32));
        let held = Held { id: id.clone(), claim: Some(Claim { slot, ..claim }) };
        match self.slots.get_mut(slot.0 as usize) {
            Some(free) => *free = held,
            None => self.slots.push(held),
        }
        self.undo.push((slot, None));
        slot
    }

    /// Changes a claim that is held.
    pub(super) fn set(&mut self, claim: Claim) {
        if let Some(held) = self.slots.get_mut(claim.slot.0 as usize).and_then(|held| held.claim.as_mut()) {
            self.undo.push((claim.slot, Some(std::mem::replace(held, claim))));
        }
    }

    /// Ends a claim.
    pub(super) fn end(&mut self, slot: Slot) {
        if let Some(before) = self.slots.get_mut(slot.0 as usize).and_then(|held| held.claim.take()) {
            self.undo.push((slot, Some(before)));
            self.ended.push(slot);
        }
    }

    /// Ends all claims of a worker.
    fn end_all(&mut self, worker: i64) {
        for slot in (0..self.slots.len()).map(|at| Slot(at as u32)) {
            if self.slots[slot.0 as usize].claim.is_some_and(|claim| claim.worker == worker) {
                self.end(slot);
            }
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
        Claim {
            slot: Slot(0),
            worker: 1,
            epoch: Epoch(epoch),
            next: 0,
            stamp: Stamp(0),
            crashed: false,
            attempts: false,
        }
    }

    #[test]
    fn another_epoch_is_fenced() {
        let mut claims = Claims::default();
        let slot = claims.add(&id("a"), claim(2));
        assert!(claims.get(slot, &id("a"), Epoch(2)).is_some());
        assert!(claims.get(slot, &id("a"), Epoch(1)).is_none());
        assert!(claims.get(slot, &id("a"), Epoch(3)).is_none());
        assert!(claims.get(slot, &id("b"), Epoch(2)).is_none());
        assert!(claims.get(Slot(1), &id("a"), Epoch(2)).is_none());
    }

    #[test]
    fn a_slot_is_used_again_once_its_end_is_durable_and_fences_who_had_it() {
        let mut claims = Claims::default();
        let slot = claims.add(&id("a"), claim(1));
        claims.commit();
        claims.end(slot);
        assert_ne!(claims.add(&id("b"), claim(1)), slot, "the end may be undone");
        claims.commit();
        assert_eq!(claims.add(&id("c"), claim(1)), slot);
        claims.commit();
        assert!(claims.get(slot, &id("a"), Epoch(1)).is_none());
        assert!(claims.get(slot, &id("c"), Epoch(1)).is_some());
    }

    #[test]
    fn a_group_that_is_rolled_back_leaves_no_trace() {
        let mut claims = Claims::default();
        claims.register(Registered { number: 1, id: WorkerId("w".into()), standing: true });
        let a = claims.add(&id("a"), claim(1));
        let b = claims.add(&id("b"), claim(1));
        claims.commit();
        claims.set(Claim { next: 5, ..claim(1) });
        claims.set(Claim { next: 6, ..claim(1) });
        claims.end(b);
        let (c, d) = (claims.add(&id("c"), claim(1)), claims.add(&id("d"), claim(1)));
        claims.end(d);
        claims.retire(1);
        assert!(claims.standing(&WorkerId("w".into())).is_none());
        claims.roll_back();
        assert_eq!(claims.get(a, &id("a"), Epoch(1)), Some(claim(1)));
        assert_eq!(claims.get(b, &id("b"), Epoch(1)), Some(Claim { slot: b, ..claim(1) }));
        assert_eq!(claims.get(c, &id("c"), Epoch(1)), None);
        assert_eq!(claims.standing(&WorkerId("w".into())), Some(1));
        // Nor does a group that failed before it began undo the one before.
        claims.roll_back();
        assert_eq!(claims.get(a, &id("a"), Epoch(1)), Some(claim(1)));
        // Each slot that was made and undone is free once.
        let mut again: Vec<_> = (0..3).map(|_| claims.add(&id("e"), claim(1)).0).collect();
        again.sort_unstable();
        assert_eq!(again, [2, 3, 4]);
    }
}
