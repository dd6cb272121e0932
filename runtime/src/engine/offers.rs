//! What is offered next: committed outcomes in order, each to the operation it belongs to, which takes it or leaves it.
//!
//! The rule's sentences about order, skipping and refusing are kept here; those about polls in `driver`.

use std::task::Waker;

use super::execution::Execution;
use super::launch::family;
use super::state::{Ending, Offerable, Offered, Place, Standing, State, Taken};
use crate::error::{Error, ErrorKind};
use crate::store::{Outcome, Stamp};

/// What the next offer is.
pub(super) enum Next {
    /// An offer stands; wake this and poll.
    Offer(Option<Waker>),
    /// Nothing is left.
    None,
    Ends(Ending),
    Fault(Error),
}

impl State {
    /// Adds a committed outcome behind all others.
    pub(crate) fn offer(&mut self, stamp: Stamp, what: Offered) {
        self.offers.push_back(Offerable {
            stamp,
            #[cfg(test)]
            turned: false,
            fresh: false,
            what,
        });
    }

    /// Makes the next outcome available, in order.
    pub(super) fn next(&mut self, execution: &Execution) -> Next {
        while self.cursor < self.offers.len() {
            let cursor = self.cursor;
            #[cfg(test)]
            if !std::mem::replace(&mut self.offers[cursor].turned, true) {
                self.probe.turn();
            }
            if std::mem::take(&mut self.offers[cursor].fresh) {
                self.unoffered -= 1;
                if let Err(error) = self.first_turn(execution, cursor) {
                    return Next::Fault(error);
                }
            }
            match &mut self.offers[cursor].what {
                Offered::Cancel { reason } => return Next::Ends(Ending::Cancelled(reason.clone())),
                Offered::Deadline => return Next::Ends(Ending::Deadline),
                Offered::Outcome { place, value } => {
                    let place = *place;
                    // rule: the outcome of a dropped operation is skipped without a poll, live and on replay.
                    if self.places[place].dropped || self.places[place].taken {
                        self.offers.remove(cursor);
                    // rule: a refused outcome is offered again only if its operation was polled since.
                    } else if self.places[place].refused {
                        self.cursor += 1;
                    } else {
                        let what = Taken::Value(std::mem::take(value));
                        return self.stand(place, what);
                    }
                }
                Offered::Arrival { name, .. } => {
                    let name = name.clone();
                    match self.waiting_for(&name) {
                        Some(place) => {
                            let payload = self.offers[cursor].what.lend_payload();
                            return self.stand(place, Taken::Arrival(payload));
                        }
                        None => self.cursor += 1,
                    }
                }
                Offered::Recorded(_) => self.cursor += 1,
            }
        }
        Next::None
    }

    fn stand(&mut self, place: usize, what: Taken) -> Next {
        self.standing = Some(Standing { place, what });
        self.took = false;
        Next::Offer(self.places[place].waker.clone())
    }

    /// The first operation, in the order of places, that waits for a signal and hasn't just refused one.
    fn waiting_for(&mut self, name: &str) -> Option<usize> {
        let places = &self.places;
        self.signals.retain(|place| !places[*place].taken && !places[*place].dropped);
        let waits = |place: &Place| place.polled && !place.refused && *place.key.name == *name;
        self.signals.iter().copied().find(|place| waits(&self.places[*place]))
    }

    /// A recorded outcome has its turn for the first time: its operation must have been called.
    fn first_turn(&mut self, execution: &Execution, at: usize) -> Result<(), Error> {
        if !matches!(self.offers[at].what, Offered::Recorded(_)) {
            return Ok(());
        }
        // Its place is taken for the moment by what holds nothing.
        let taken = std::mem::replace(&mut self.offers[at].what, Offered::Deadline);
        let Offered::Recorded(outcome) = taken else { return Ok(()) };
        let found = match self.recorded.remove(&(family(outcome.kind), outcome.key.clone())).flatten() {
            Some(place) => place,
            None => match self.drift(execution, &outcome) {
                Some(place) => place,
                None => return Err(self.diverged(execution, &outcome)),
            },
        };
        self.places[found].recorded = true;
        let value = outcome.value;
        self.offers[at].what = Offered::Outcome { place: found, value };
        Ok(())
    }

    /// The one unrecorded call of the same kind, name and name-ordinal, if another build wrote the row.
    fn drift(&mut self, execution: &Execution, outcome: &Outcome) -> Option<usize> {
        if outcome.build == execution.engine.build {
            return None;
        }
        let mut fitting = (0..self.places.len()).filter(|place| {
            let place = &self.places[*place];
            family(place.kind) == family(outcome.kind)
                && place.key.name == outcome.key.name
                && place.name_ordinal == outcome.name_ordinal
                && !place.recorded
        });
        let place = fitting.next().filter(|_| fitting.next().is_none())?;
        self.drifted.push(place);
        tracing::warn!(id = %execution.id, operation = %outcome.key.name, "recorded with other arguments by another build");
        Some(place)
    }

    fn diverged(&self, execution: &Execution, outcome: &Outcome) -> Error {
        let recorded = match outcome.key.ordinal {
            0 => format!("`{}`", outcome.key.name),
            ordinal => format!("`{}` ({})", outcome.key.name, ordinal + 1),
        };
        let called: Vec<_> = self
            .places
            .iter()
            .filter(|place| !place.recorded && place.key.name == outcome.key.name)
            .map(|place| super::view::arguments(&place.arguments))
            .collect();
        let side = if called.is_empty() {
            match self.last_operation {
                Some(last) => format!("now it wasn't called; the last call is {}", self.describe(last)),
                None => "now nothing was called".to_owned(),
            }
        } else {
            format!("now it was called with {}", called.join(", "))
        };
        Error::of(
            ErrorKind::Diverged,
            format!(
                "`{}` went another way than its record: recorded is {recorded} with {}, {side}. Deploy code that fits \
                 (for new behaviour, `version = {}` beside the old function), or cancel the execution",
                execution.function.name,
                super::view::arguments(&outcome.arguments),
                execution.function.version + 1,
            ),
        )
    }

    /// After a round: what was taken is gone and the first one left over is next; what was refused is withdrawn.
    pub(super) fn conclude(&mut self) {
        let cursor = self.cursor;
        if self.took {
            self.offers.remove(cursor);
            // rule: after a take it starts again with the first one left over.
            self.cursor = 0;
        } else if let Some(standing) = self.standing.take() {
            self.places[standing.place].refused = true;
            match (standing.what, &mut self.offers[cursor].what) {
                (Taken::Value(lent), Offered::Outcome { value, .. }) => {
                    *value = lent;
                    self.cursor += 1;
                }
                // The next operation that waits for the signal is asked.
                (Taken::Arrival(lent), Offered::Arrival { payload, .. }) => *payload = lent,
                (Taken::Value(_) | Taken::Arrival(_), _) => {}
            }
        }
        self.took = false;
    }

    /// The standing offer, if it is for this place.
    pub(crate) fn take(&mut self, place: usize) -> Option<Taken> {
        if self.standing.as_ref()?.place != place {
            return None;
        }
        let standing = self.standing.take()?;
        self.took = true;
        self.now = self.now.max(self.offers[self.cursor].stamp);
        self.places[place].taken = true;
        self.abort(place);
        #[cfg(test)]
        self.probe.took(self.places[place].kind, &self.places[place].key, &standing.what);
        Some(standing.what)
    }
}
