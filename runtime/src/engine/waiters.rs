//! Callers that wait for ends, by execution.

use std::time::{Duration, Instant};

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
    /// Those of these that it hasn't been asked for yet.
    fresh: FastSet<ExecutionId>,
    /// When it was last asked for all of them.
    whole: Option<Instant>,
    made: u64,
}

/// How often the store is asked for all that is waited for, whatever it tells.
const WHOLE: Duration = Duration::from_secs(1);

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
                self.forget(id);
            }
        }
    }

    /// The execution doesn't run here (any more): its end has to be looked for. Whether anyone waits for it.
    pub(crate) fn look_for(&mut self, id: &ExecutionId) -> bool {
        let waited_for = self.by_id.contains_key(id);
        if waited_for {
            self.elsewhere.insert(id.clone());
            self.fresh.insert(id.clone());
        }
        waited_for
    }

    fn forget(&mut self, id: &ExecutionId) {
        self.elsewhere.remove(id);
        self.fresh.remove(id);
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
        self.forget(id);
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

    /// Those that the store is to be asked for, if it has told of the ends of these: who waits for a thousand needn't ask
    /// for a thousand whenever one comes.
    pub(crate) fn worth_a_look(&mut self, told: Option<Vec<ExecutionId>>) -> Vec<ExecutionId> {
        let told = told.filter(|_| self.whole.is_some_and(|whole| whole.elapsed() < WHOLE));
        let Some(told) = told else {
            self.whole = Some(Instant::now());
            self.fresh.clear();
            return self.elsewhere.iter().cloned().collect();
        };
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.extend(told.into_iter().filter(|id| self.elsewhere.contains(id)));
        fresh.into_iter().collect()
    }

    /// The store couldn't be asked.
    pub(crate) fn missed(&mut self) {
        self.whole = None;
    }

    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
        self.elsewhere.clear();
        self.fresh.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ExecutionId {
        ExecutionId(text.into())
    }

    #[test]
    fn the_store_is_asked_for_what_is_new_and_what_it_tells_of() {
        let mut waiters = Waiters::default();
        let mut kept = Vec::new();
        for name in ["a", "b", "c"] {
            kept.push(waiters.add(&id(name)));
            assert!(waiters.look_for(&id(name)));
        }
        assert_eq!(waiters.worth_a_look(Some(vec![])).len(), 3, "the first look is at all");
        assert_eq!(waiters.worth_a_look(Some(vec![])), []);
        assert_eq!(waiters.worth_a_look(Some(vec![id("b"), id("elsewhere")])), [id("b")]);
        assert_eq!(waiters.worth_a_look(None).len(), 3, "it may have missed some");
        kept.push(waiters.add(&id("d")));
        assert!(waiters.look_for(&id("d")));
        assert_eq!(waiters.worth_a_look(Some(vec![])), [id("d")], "someone new waits");
        waiters.missed();
        assert_eq!(waiters.worth_a_look(Some(vec![])).len(), 4, "the last look failed");
        waiters.whole = Instant::now().checked_sub(WHOLE);
        assert_eq!(waiters.worth_a_look(Some(vec![])).len(), 4, "it is long ago");
    }
}
