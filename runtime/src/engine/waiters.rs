//! Callers that wait for ends, by execution.

use tokio::sync::oneshot;

use crate::error::Result;
use crate::hashing::{FastMap, FastSet};
use crate::store::{ExecutionId, Finished};

/// One caller, by its number.
type Waiter = (u64, oneshot::Sender<Result<Finished>>);

#[derive(Default)]
pub(crate) struct Waiters {
    by_id: FastMap<ExecutionId, Vec<Waiter>>,
    /// Those of them that don't run here, as far as is known: only for these is the store asked.
    elsewhere: FastSet<ExecutionId>,
    made: u64,
}

impl Waiters {
    pub(crate) fn add(&mut self, id: &ExecutionId) -> (u64, oneshot::Receiver<Result<Finished>>) {
        let (sender, receiver) = oneshot::channel();
        let number = self.made;
        self.made += 1;
        self.by_id.entry(id.clone()).or_default().push((number, sender));
        (number, receiver)
    }

    pub(crate) fn remove(&mut self, id: &ExecutionId, number: u64) {
        if let Some(waiting) = self.by_id.get_mut(id) {
            waiting.retain(|(other, _)| *other != number);
            if waiting.is_empty() {
                self.by_id.remove(id);
                self.elsewhere.remove(id);
            }
        }
    }

    /// The execution doesn't run here (any more): its end has to be looked for. Whether anyone waits for it.
    pub(crate) fn look_for(&mut self, id: &ExecutionId) -> bool {
        let waited_for = self.by_id.contains_key(id);
        if waited_for {
            self.elsewhere.insert(id.clone());
        }
        waited_for
    }

    /// Tells one of them.
    pub(crate) fn tell_one(&mut self, id: &ExecutionId, number: u64, finished: Result<Finished>) {
        let Some(waiting) = self.by_id.get_mut(id) else { return };
        if let Some(at) = waiting.iter().position(|(other, _)| *other == number) {
            let (_, waiting) = waiting.swap_remove(at);
            let _ = waiting.send(finished);
        }
    }

    /// Tells all that wait for this one.
    pub(crate) fn tell(&mut self, id: &ExecutionId, finished: Result<Finished>) {
        self.elsewhere.remove(id);
        let mut waiting = self.by_id.remove(id).unwrap_or_default().into_iter();
        let last = waiting.next_back();
        for (_, waiting) in waiting {
            let _ = waiting.send(finished.clone());
        }
        // Mostly the only one.
        if let Some((_, last)) = last {
            let _ = last.send(finished);
        }
    }

    pub(crate) fn ids(&self) -> Vec<ExecutionId> {
        self.by_id.keys().cloned().collect()
    }

    /// Those whose ends have to be looked for.
    pub(crate) fn elsewhere(&self) -> Vec<ExecutionId> {
        self.elsewhere.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
        self.elsewhere.clear();
    }
}
