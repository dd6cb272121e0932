//! The checker: what happened to executions, in the order in which the server did it, and whether it may have.
//!
//! Per execution: one owner at a time, each under an epoch of its own, one higher than the last; records only by the owner
//! of the present epoch, at ever higher places, and none after its fence; one end. Whoever finds a write by an earlier
//! owner, finds it here.

use std::collections::{BTreeMap, HashMap};

/// Something that the server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) execution: String,
    /// Milliseconds, by the server's clock.
    pub(crate) at: i64,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// It has an owner, under an epoch: created with one, or claimed.
    Owned { owner: String, epoch: i64 },
    /// It has none any more.
    Free,
    /// It ended, by the owner of this epoch.
    Ended { epoch: i64 },
    /// A record of this epoch: the name of its step, if it is the outcome of one.
    Record { place: i64, epoch: i64, step: Option<String> },
    /// The owner of this epoch is to write no more.
    Fence { place: i64, epoch: i64 },
}

/// What is known of an execution at one moment.
#[derive(Debug, Default)]
struct State {
    owner: Option<String>,
    epoch: i64,
    /// The last place that was written to.
    place: Option<i64>,
    fenced: i64,
    ended: bool,
}

impl State {
    fn take(&mut self, what: &What) -> Result<(), String> {
        if self.ended && !matches!(what, What::Fence { .. }) {
            return Err("after the end".to_owned());
        }
        match what {
            What::Owned { owner, epoch } => {
                if let Some(other) = &self.owner {
                    return Err(format!("{other} owns it under epoch {}", self.epoch));
                }
                if *epoch != self.epoch + 1 {
                    return Err(format!("the epoch before was {}", self.epoch));
                }
                (self.owner, self.epoch) = (Some(owner.clone()), *epoch);
            }
            What::Free => self.owner = None,
            What::Ended { epoch } => {
                self.is_writer(*epoch)?;
                (self.owner, self.ended) = (None, true);
            }
            What::Record { place, epoch, .. } => {
                self.is_writer(*epoch)?;
                if self.fenced >= *epoch {
                    return Err(format!("epoch {} is fenced", self.fenced));
                }
                self.go_to(*place)?;
            }
            What::Fence { place, epoch } => {
                if *epoch > self.epoch {
                    return Err(format!("the epoch is still {}", self.epoch));
                }
                self.fenced = self.fenced.max(*epoch);
                self.go_to(*place)?;
            }
        }
        Ok(())
    }

    fn is_writer(&self, epoch: i64) -> Result<(), String> {
        match &self.owner {
            None => Err(format!("nobody owns it; its last epoch was {}", self.epoch)),
            Some(owner) if epoch != self.epoch => Err(format!("{owner} owns it under epoch {}", self.epoch)),
            Some(_) => Ok(()),
        }
    }

    fn go_to(&mut self, place: i64) -> Result<(), String> {
        match self.place.replace(place) {
            Some(last) if place <= last => Err(format!("place {last} is written to")),
            _ => Ok(()),
        }
    }
}

/// What came of a history that may have been.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) ended: usize,
    pub(crate) owners: usize,
    pub(crate) fences: usize,
    pub(crate) records: usize,
}

/// So late may the stand-in tell of a row that others have seen already, in milliseconds.
const LATE: i64 = 2_000;

/// A history in the order of its commits, where the server's stream has another: the stand-in shows rows before it tells of
/// them. Entries of a log are in the order of their places, an end is behind what its owner wrote shortly before.
pub(crate) fn as_committed(history: Vec<Event>) -> Vec<Event> {
    let mut by_execution = BTreeMap::<String, Vec<Event>>::new();
    for event in history {
        by_execution.entry(event.execution.clone()).or_default().push(event);
    }
    let place = |what: &What| match what {
        What::Record { place, .. } | What::Fence { place, .. } => Some(*place),
        What::Owned { .. } | What::Free | What::Ended { .. } => None,
    };
    for events in by_execution.values_mut() {
        let at: Vec<usize> = (0..events.len()).filter(|at| place(&events[*at].what).is_some()).collect();
        let mut log: Vec<Event> = at.iter().map(|at| events[*at].clone()).collect();
        log.sort_by_key(|event| place(&event.what));
        for (at, event) in at.into_iter().zip(log) {
            events[at] = event;
        }
        if let Some(end) = events.iter().position(|event| matches!(event.what, What::Ended { .. })) {
            let soon = events[end + 1..].iter().take_while(|event| event.at - events[end].at < LATE).count();
            events[end..=end + soon].rotate_left(1);
        }
    }
    by_execution.into_values().flatten().collect()
}

/// Checks a history; the first event that can't have been is the error.
pub(crate) fn check(history: &[Event]) -> Result<Checked, String> {
    let (mut states, mut checked) = (HashMap::<&str, State>::new(), Checked::default());
    for (number, event) in history.iter().enumerate() {
        let state = states.entry(&event.execution).or_default();
        state.take(&event.what).map_err(|why| format!("event {number}, {event:?}: {why}"))?;
        match event.what {
            What::Owned { .. } => checked.owners += 1,
            What::Free => {}
            What::Ended { .. } => checked.ended += 1,
            What::Record { .. } => checked.records += 1,
            What::Fence { .. } => checked.fences += 1,
        }
    }
    Ok(checked)
}

/// A body that ran: in which process's hands the worker was, and when.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) execution: String,
    pub(crate) step: String,
    /// The names of the worker that its process had.
    pub(crate) workers: Vec<String>,
    pub(crate) at: i64,
}

/// No body runs for an owner who had its record when the claim was made.
pub(crate) fn check_runs(history: &[Event], runs: &[Run]) -> Result<(), String> {
    let mut recorded = HashMap::<(&str, &str), i64>::new();
    let mut owned = HashMap::<(&str, &str), BTreeMap<i64, i64>>::new();
    for event in history {
        match &event.what {
            What::Record { step: Some(step), epoch, .. } => {
                if recorded.insert((&event.execution, step), *epoch).is_some() {
                    return Err(format!("{step} of {} is recorded twice", event.execution));
                }
            }
            What::Owned { owner, epoch } => {
                owned.entry((&event.execution, owner)).or_default().insert(*epoch, event.at);
            }
            What::Record { .. } | What::Free | What::Ended { .. } | What::Fence { .. } => {}
        }
    }
    for run in runs {
        let Some(record) = recorded.get(&(&*run.execution, &*run.step)) else {
            return Err(format!("{} of {} ran and is not recorded", run.step, run.execution));
        };
        let claims = run.workers.iter().filter_map(|worker| owned.get(&(&*run.execution, &**worker))).flatten();
        let mut claims = claims.filter(|(_, at)| **at <= run.at).peekable();
        if claims.peek().is_none() {
            return Err(format!("{run:?} ran for nobody who had claimed it"));
        }
        if claims.max_by_key(|(epoch, _)| **epoch).is_some_and(|(epoch, _)| epoch > record) {
            return Err(format!("{run:?} ran again: epoch {record} had recorded it"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(whats: &[What]) -> Vec<Event> {
        let event = |(at, what): (usize, &What)| Event {
            execution: "a".to_owned(),
            at: i64::try_from(at).unwrap(),
            what: what.clone(),
        };
        whats.iter().enumerate().map(event).collect()
    }

    fn owned(owner: &str, epoch: i64) -> What {
        What::Owned { owner: owner.to_owned(), epoch }
    }

    fn record(place: i64, epoch: i64) -> What {
        What::Record { place, epoch, step: Some(format!("s{place}")) }
    }

    /// Claimed, taken back in the middle, and ended by another.
    fn good() -> Vec<What> {
        vec![
            owned("w", 1),
            record(0, 1),
            What::Fence { place: 1, epoch: 1 },
            What::Free,
            owned("x", 2),
            record(2, 2),
            What::Ended { epoch: 2 },
        ]
    }

    #[test]
    fn what_may_be_is_accepted() {
        let checked = check(&history(&good())).unwrap();
        assert_eq!((checked.ended, checked.owners, checked.fences, checked.records), (1, 2, 1, 2));
    }

    #[test]
    fn what_may_not_be_is_found() {
        let with = |at: usize, what: What| {
            let mut whats = good();
            whats.insert(at, what);
            check(&history(&whats)).unwrap_err()
        };
        let found = |error: String, words: &str| assert!(error.contains(words), "{error}");
        found(with(1, owned("x", 2)), "w owns it");
        found(with(4, owned("x", 1)), "the epoch before was 1");
        found(with(3, record(5, 1)), "epoch 1 is fenced");
        found(with(5, record(5, 1)), "x owns it under epoch 2");
        found(with(4, record(5, 1)), "nobody owns it");
        found(with(6, record(2, 2)), "place 2 is written to");
        found(with(6, What::Ended { epoch: 1 }), "x owns it under epoch 2");
        found(with(7, What::Ended { epoch: 2 }), "after the end");
        found(with(1, What::Fence { place: 1, epoch: 2 }), "the epoch is still 1");
    }

    #[test]
    fn a_recorded_step_that_ran_again_is_found() {
        let run = |step: &str, worker: &str, at| Run {
            execution: "a".to_owned(),
            step: step.to_owned(),
            workers: vec![worker.to_owned()],
            at,
        };
        let history = history(&good());
        // A body that was lost with its owner, and one of an owner that hasn't heard yet.
        assert_eq!(check_runs(&history, &[run("s0", "w", 0), run("s2", "w", 9), run("s2", "x", 5)]), Ok(()));
        assert!(check_runs(&history, &[run("s0", "x", 5)]).unwrap_err().contains("ran again"));
        assert!(check_runs(&history, &[run("s0", "y", 5)]).unwrap_err().contains("nobody"));
        assert!(check_runs(&history, &[run("s1", "w", 5)]).unwrap_err().contains("not recorded"));
    }

    #[test]
    fn what_is_told_late_is_put_in_its_place_and_no_more() {
        let record = |place, epoch| What::Record { place, epoch, step: None };
        let late = [owned("w", 1), record(0, 1), What::Ended { epoch: 1 }, record(1, 1)];
        assert!(check(&history(&late)).is_err());
        assert!(check(&as_committed(history(&late))).is_ok());
        let fence = |place| What::Fence { place, epoch: 1 };
        let fenced = [owned("w", 1), record(0, 1), fence(2), What::Free, fence(1), owned("v", 2), record(3, 2)];
        assert!(check(&as_committed(history(&fenced))).is_ok());
        let zombie = [owned("w", 1), fence(0), record(1, 1)];
        assert!(check(&as_committed(history(&zombie))).is_err(), "behind the fence it stays");
    }
}
