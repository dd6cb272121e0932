//! The search: breadth first, each state once.

use std::collections::{HashSet, VecDeque};

use super::model::{Bounds, Event, Rules, State};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) ends: usize,
    pub(crate) take_backs: usize,
    pub(crate) fenced: usize,
    /// The first state in which an invariant doesn't hold.
    pub(crate) broken: Option<String>,
}

pub(crate) fn search(bounds: Bounds, rules: Rules) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    let mut queue = VecDeque::from([State::first(bounds)]);
    seen.insert(State::first(bounds));
    while let Some(state) = queue.pop_front() {
        found.states += 1;
        if let Some(broken) = state.broken() {
            found.broken = Some(broken);
            return found;
        }
        for (next, event) in state.next(bounds, rules) {
            match event {
                Event::Ended => found.ends += 1,
                Event::TakenBack => found.take_backs += 1,
                Event::Fenced => found.fenced += 1,
                Event::Other => (),
            }
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    found
}
