//! What is due when: one heap and one task for all executions of a worker.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::Engine;
use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use crate::store::Stamp;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A sleep, or a signal's timeout.
    Operation(usize),
    /// The execution's deadline.
    Deadline,
    /// To park it, if nothing has happened since this generation.
    Park(u64),
}

struct Entry {
    at: Stamp,
    /// Keeps entries of one moment in the order in which they were made.
    number: u64,
    execution: Weak<Execution>,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Default)]
struct Heap {
    entries: BinaryHeap<Reverse<Entry>>,
    made: u64,
    /// How many entries were left when those of executions that have gone were last removed.
    kept: usize,
}

/// So many entries aren't worth a look for those of executions that have gone.
const FEW: usize = 1_000;

impl Heap {
    /// An execution that is parked leaves its timers behind, which may be due in a month: once the entries have doubled,
    /// those of executions that have gone are removed.
    fn tidy(&mut self) {
        if self.entries.len() >= FEW.max(2 * self.kept) {
            self.entries.retain(|Reverse(entry)| entry.execution.strong_count() > 0);
            self.kept = self.entries.len();
        }
    }
}

#[derive(Default)]
pub(crate) struct Timers {
    heap: Mutex<Heap>,
    earlier: Notify,
}

/// The longest wait at a stretch: the wall clock may jump meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Timers {
    pub(crate) fn at(&self, at: Stamp, execution: &Arc<Execution>, due: Due) {
        let mut heap = self.heap.held();
        heap.tidy();
        let number = heap.made;
        heap.made += 1;
        let first = heap.entries.peek().is_none_or(|Reverse(first)| at < first.at);
        heap.entries.push(Reverse(Entry { at, number, execution: Arc::downgrade(execution), due }));
        drop(heap);
        if first {
            self.earlier.notify_one();
        }
    }

    /// Sends what is due; when the next one will be.
    fn fire(&self) -> Option<Stamp> {
        let now = Stamp::now();
        loop {
            let entry = {
                let mut heap = self.heap.held();
                match heap.entries.peek() {
                    None => return None,
                    Some(Reverse(first)) if first.at > now => return Some(first.at),
                    Some(_) => heap.entries.pop(),
                }
            };
            if let Some((execution, due)) = entry.and_then(|Reverse(e)| Some((e.execution.upgrade()?, e.due))) {
                execution.send(Event::Due(due));
            }
        }
    }
}

/// Fires what is due; ends with the engine.
pub(crate) async fn run(engine: Weak<Engine>) {
    let Some(timers) = engine.upgrade().map(|engine| engine.timers.clone()) else { return };
    while engine.strong_count() > 0 {
        let next = timers.fire();
        let wait = next.map_or(LOOK_AGAIN, |at| {
            Duration::from_millis(at.0.saturating_sub(Stamp::now().0).max(0).unsigned_abs()).min(LOOK_AGAIN)
        });
        let _ = tokio::time::timeout(wait, timers.earlier.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_of_executions_that_have_gone_do_not_pile_up() {
        let mut heap = Heap::default();
        for number in 0..10 * FEW as u64 {
            heap.tidy();
            let entry = Entry { at: Stamp(i64::MAX), number, execution: Weak::new(), due: Due::Deadline };
            heap.entries.push(Reverse(entry));
        }
        assert!(heap.entries.len() <= FEW, "{} entries", heap.entries.len());
    }
}
