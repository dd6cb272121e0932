//! What this handle's workers own: where each log goes on, so that nothing has to be read before a write.
//!
//! This is memory, not the fence: that is the log itself. What is wrong here collides there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::log::Log;
use crate::hashing::FastMap;
use crate::store::{Epoch, ExecutionId, Key, Stamp, WorkerId};

/// A claim of this handle.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) worker: WorkerId,
    pub(super) epoch: Epoch,
    /// Function and version as `queue` has them.
    pub(super) code: Arc<str>,
    /// The next entry's place.
    pub(super) place: i64,
    /// The next row's number.
    pub(super) seq: u64,
    /// The last row's stamp, or that of the start.
    pub(super) stamp: Stamp,
    /// Attempts without an outcome: the place of the last one of each.
    pub(super) attempts: FastMap<Key, i64>,
    pub(super) mail: Mail,
}

/// What its owner knows of an inbox.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// `posts` when the inbox was last read.
    pub(super) seen: i64,
    /// Messages that were there and have no row yet.
    pub(super) waiting: HashSet<Arc<str>>,
    /// Messages that have a row.
    pub(super) moved: HashSet<Arc<str>>,
}

impl Claim {
    /// The claim of an execution that has never been claimed.
    pub(super) fn first(worker: WorkerId, code: Arc<str>, started: Stamp) -> Self {
        Self {
            worker,
            epoch: Epoch(1),
            code,
            place: 0,
            seq: 0,
            stamp: started,
            attempts: FastMap::default(),
            mail: Mail::default(),
        }
    }

    /// The claim goes on where the log ends.
    pub(super) fn go_on(&mut self, log: &Log) {
        self.place = log.next;
        self.seq = log.record.len() as u64;
        self.stamp = self.stamp.max(log.stamp().unwrap_or(self.stamp));
        self.attempts = log.attempts.iter().map(|(place, attempt)| (attempt.key.clone(), *place)).collect();
        self.mail.moved.clone_from(&log.moved);
    }

    /// An entry is written at this place; a row has its number.
    pub(super) fn go_past(&mut self, place: i64, seq: Option<u64>) {
        self.place = self.place.max(place + 1);
        self.seq = seq.map_or(self.seq, |seq| self.seq.max(seq + 1));
    }

    /// The stamp of what is written now: never below the last.
    pub(super) fn stamp_now(&mut self) -> Stamp {
        self.stamp = self.stamp.max(Stamp::now());
        self.stamp
    }
}

/// A worker that was registered through this handle.
#[derive(Debug, Clone)]
struct Registered {
    id: WorkerId,
    standing: bool,
    #[cfg(test)]
    forsaken: bool,
}

#[derive(Default)]
struct Inner {
    held: FastMap<ExecutionId, Claim>,
    workers: Vec<Registered>,
}

/// All claims of this handle.
#[derive(Default)]
pub(super) struct Claims(Mutex<Inner>);

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the claim of an execution under this epoch; `None` is "fenced".
    pub(super) fn with<T>(&self, id: &ExecutionId, epoch: Epoch, run: impl FnOnce(&mut Claim) -> T) -> Option<T> {
        self.lock().held.get_mut(id).filter(|claim| claim.epoch == epoch).map(run)
    }

    /// How many a worker holds.
    pub(super) fn count(&self, worker: &WorkerId) -> u64 {
        self.lock().held.values().filter(|claim| claim.worker == *worker).count() as u64
    }

    /// A new claim.
    pub(super) fn set(&self, id: &ExecutionId, claim: Claim) {
        self.lock().held.insert(id.clone(), claim);
    }

    /// Ends a claim.
    pub(super) fn end(&self, id: &ExecutionId, epoch: Epoch) {
        let mut inner = self.lock();
        if inner.held.get(id).is_some_and(|claim| claim.epoch == epoch) {
            inner.held.remove(id);
        }
    }

    /// A worker was registered.
    pub(super) fn register(&self, id: WorkerId) {
        let mut inner = self.lock();
        inner.workers.retain(|worker| worker.standing);
        inner.workers.push(Registered {
            id,
            standing: true,
            #[cfg(test)]
            forsaken: false,
        });
    }

    /// Lets a worker's lease run out, and the worker know nothing of it.
    #[cfg(test)]
    pub(super) fn stop_renewing(&self, id: &WorkerId) {
        for worker in self.lock().workers.iter_mut().filter(|worker| worker.id == *id) {
            worker.forsaken = true;
        }
    }

    /// Those whose leases are to be renewed.
    pub(super) fn to_renew(&self) -> Vec<WorkerId> {
        let forsaken = |worker: &Registered| {
            #[cfg(test)]
            return worker.forsaken;
            #[cfg(not(test))]
            !worker.standing
        };
        let inner = self.lock();
        let renewed = inner.workers.iter().filter(|worker| worker.standing && !forsaken(worker));
        renewed.map(|worker| worker.id.clone()).collect()
    }

    /// Whether a worker is of this handle and stands, as far as is known.
    pub(super) fn stands(&self, id: &WorkerId) -> bool {
        self.lock().workers.iter().any(|worker| worker.standing && worker.id == *id)
    }

    /// The workers of this handle that stand.
    pub(super) fn standing(&self) -> Vec<WorkerId> {
        self.lock().workers.iter().filter(|worker| worker.standing).map(|worker| worker.id.clone()).collect()
    }

    /// A worker is off the list: it has lost all that it owned. Whether that is news.
    pub(super) fn retire(&self, id: &WorkerId) -> bool {
        let mut inner = self.lock();
        let mut news = false;
        for worker in inner.workers.iter_mut().filter(|worker| worker.id == *id) {
            news |= std::mem::replace(&mut worker.standing, false);
        }
        inner.held.retain(|_, claim| claim.worker != *id);
        news
    }
}
