//! Callers that wait for ends, by execution.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::error::Result;
use crate::store::{ExecutionId, Finished};

/// One caller, by its number.
type Waiter = (u64, oneshot::Sender<Result<Finished>>);

#[derive(Default)]
pub(crate) struct Waiters {
    by_id: HashMap<ExecutionId, Vec<Waiter>>,
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
            }
        }
    }

    /// Tells all that wait for this one.
    pub(crate) fn tell(&mut self, id: &ExecutionId, finished: &Result<Finished>) {
        for (_, waiting) in self.by_id.remove(id).unwrap_or_default() {
            let _ = waiting.send(finished.clone());
        }
    }

    pub(crate) fn ids(&self) -> Vec<ExecutionId> {
        self.by_id.keys().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
    }
}
