//! The model: what the server has, what each worker believes, what is on its way.

use std::collections::BTreeMap;

/// How far the search goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) workers: u8,
    /// Places of the log.
    pub(crate) places: u8,
    pub(crate) epochs: u8,
    /// Messages on their way at once.
    pub(crate) messages: usize,
}

/// The sentences of the protocol; a test leaves one out.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a sentence that a test leaves out")]
pub(crate) struct Rules {
    /// A collision is one's own row only if its epoch is one's own.
    pub(crate) check_epoch: bool,
    /// A take-back puts a fence into the log.
    pub(crate) fence: bool,
    /// It does so before it sets the owner free.
    pub(crate) fence_first: bool,
    /// Who finds a fence of its own epoch in the log that it reads has lost the execution already.
    pub(crate) heed_fence: bool,
    /// An end is written only where owner and epoch are still the writer's.
    pub(crate) guarded_end: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { check_epoch: true, fence: true, fence_first: true, heed_fence: true, guarded_end: true }
    }
}

/// An entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Entry {
    Row { epoch: u8 },
    Fence { epoch: u8 },
}

/// A command on its way to the server: sent once, it may be carried out at any time, more than once, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Message {
    Insert { worker: u8, place: u8, epoch: u8 },
    End { worker: u8, epoch: u8 },
}

/// What a worker believes of the execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Belief {
    Nothing,
    /// It has claimed, and hasn't read the log.
    Claimed {
        epoch: u8,
    },
    /// It goes on at this place.
    Owns {
        epoch: u8,
        next: u8,
        waits: bool,
    },
}

/// What a sweeper is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sweep {
    Idle,
    /// It has seen this owner under this epoch, whose lease has run out, and where the log ends.
    Saw {
        owner: u8,
        epoch: u8,
        end: u8,
    },
    /// Its fence is in the log; or, the other way round, the owner is free.
    Half {
        owner: u8,
        epoch: u8,
    },
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) owner: Option<u8>,
    pub(crate) epoch: u8,
    pub(crate) ended_by: Option<u8>,
    pub(crate) log: BTreeMap<u8, Entry>,
    /// Whose leases have run out, for good.
    pub(crate) dead: Vec<bool>,
    pub(crate) beliefs: Vec<Belief>,
    pub(crate) sweeps: Vec<Sweep>,
    /// On their way, in order.
    pub(crate) messages: Vec<Message>,
    /// Rows that an owner was told are recorded: the place and its epoch.
    pub(crate) acknowledged: Vec<(u8, u8)>,
    /// How long the log was when each epoch's owner read it.
    pub(crate) read: BTreeMap<u8, u8>,
}

/// What happened in a step, for the tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Other,
    Ended,
    TakenBack,
    Fenced,
}

impl State {
    pub(crate) fn first(bounds: Bounds) -> Self {
        let workers = usize::from(bounds.workers);
        Self {
            owner: None,
            epoch: 0,
            ended_by: None,
            log: BTreeMap::new(),
            dead: vec![false; workers],
            beliefs: vec![Belief::Nothing; workers],
            sweeps: vec![Sweep::Idle; workers],
            messages: Vec::new(),
            acknowledged: Vec::new(),
            read: BTreeMap::new(),
        }
    }

    fn end_of_log(&self) -> u8 {
        self.log.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Every state that may come next.
    pub(crate) fn next(&self, bounds: Bounds, rules: Rules) -> Vec<(State, Event)> {
        let mut all = Vec::new();
        for worker in 0..bounds.workers {
            self.of_worker(worker, bounds, rules, &mut all);
            self.of_sweeper(worker, bounds, rules, &mut all);
        }
        for place in 0..self.messages.len() {
            self.of_network(place, rules, &mut all);
        }
        all
    }

    fn with(&self, change: impl FnOnce(&mut State)) -> State {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    fn of_worker(&self, worker: u8, bounds: Bounds, rules: Rules, all: &mut Vec<(State, Event)>) {
        let at = usize::from(worker);
        // Its lease may run out at any time, whatever it does; its process may die, and forget.
        if !self.dead[at] {
            all.push((self.with(|next| next.dead[at] = true), Event::Other));
        }
        if self.beliefs[at] != Belief::Nothing {
            all.push((self.with(|next| next.beliefs[at] = Belief::Nothing), Event::Other));
        }
        match self.beliefs[at] {
            Belief::Nothing => {
                let free = self.owner.is_none() && self.ended_by.is_none() && self.epoch < bounds.epochs;
                if free && !self.dead[at] {
                    let claimed = self.with(|next| {
                        next.owner = Some(worker);
                        next.epoch += 1;
                    });
                    let epoch = claimed.epoch;
                    // Its answer may be lost: then nobody knows of it.
                    all.push((claimed.with(|next| next.beliefs[at] = Belief::Claimed { epoch }), Event::Other));
                    all.push((claimed, Event::Other));
                }
            }
            Belief::Claimed { epoch } => {
                let next = self.end_of_log();
                let lost = rules.heed_fence && self.log.values().any(|entry| *entry == Entry::Fence { epoch });
                let read = self.with(|state| {
                    state.beliefs[at] = if lost { Belief::Nothing } else { Belief::Owns { epoch, next, waits: false } };
                    state.read.insert(epoch, next);
                });
                all.push((read, if lost { Event::Fenced } else { Event::Other }));
            }
            Belief::Owns { epoch, next, waits } => {
                if self.messages.len() >= bounds.messages {
                    return;
                }
                // A row at its next place: sent again, as the same one, while there is no answer.
                if next < bounds.places {
                    let sent = self.with(|state| {
                        state.messages.push(Message::Insert { worker, place: next, epoch });
                        state.beliefs[at] = Belief::Owns { epoch, next, waits: true };
                    });
                    all.push((sent, Event::Other));
                }
                if !waits {
                    let sent = self.with(|state| state.messages.push(Message::End { worker, epoch }));
                    all.push((sent, Event::Other));
                }
            }
        }
    }

    fn of_sweeper(&self, worker: u8, bounds: Bounds, rules: Rules, all: &mut Vec<(State, Event)>) {
        let at = usize::from(worker);
        if self.sweeps[at] != Sweep::Idle {
            // It dies, or forgets.
            all.push((self.with(|next| next.sweeps[at] = Sweep::Idle), Event::Other));
        }
        match self.sweeps[at] {
            Sweep::Idle => {
                if let Some(owner) = self.owner.filter(|owner| self.dead[usize::from(*owner)] && *owner != worker) {
                    let (epoch, end) = (self.epoch, self.end_of_log());
                    // A fence of this epoch at the end is enough: a sweep died half-way.
                    let is_fenced = self.log.values().next_back() == Some(&Entry::Fence { epoch });
                    let saw = if is_fenced { Sweep::Half { owner, epoch } } else { Sweep::Saw { owner, epoch, end } };
                    all.push((self.with(|next| next.sweeps[at] = saw), Event::Other));
                }
            }
            Sweep::Saw { owner, epoch, end } if rules.fence_first => {
                if end <= bounds.places {
                    all.push((self.fenced(at, end, owner, epoch, rules), Event::Other));
                }
            }
            Sweep::Saw { owner, epoch, .. } => {
                let free = self.freed(at, owner, epoch).with(|next| next.sweeps[at] = Sweep::Half { owner, epoch });
                all.push((free, Event::TakenBack));
            }
            Sweep::Half { owner, epoch } if rules.fence_first => {
                all.push((self.freed(at, owner, epoch), Event::TakenBack));
            }
            Sweep::Half { owner, epoch } => {
                let fenced = self.fenced(at, self.end_of_log(), owner, epoch, rules);
                all.push((fenced.with(|next| next.sweeps[at] = Sweep::Idle), Event::Other));
            }
        }
    }

    /// A fence at the end that the sweeper saw; behind it, if the old owner was quicker. What another sweeper has done is
    /// enough: its fence is met before any entry of a later epoch.
    fn fenced(&self, at: usize, end: u8, owner: u8, epoch: u8, rules: Rules) -> State {
        let half = |next: &mut State| next.sweeps[at] = Sweep::Half { owner, epoch };
        if !rules.fence {
            return self.with(half);
        }
        match self.log.get(&end) {
            None => self.with(|next| {
                next.log.insert(end, Entry::Fence { epoch });
                half(next);
            }),
            Some(Entry::Fence { epoch: other }) if *other == epoch => self.with(half),
            Some(Entry::Row { epoch: other }) if *other == epoch => {
                self.with(|next| next.sweeps[at] = Sweep::Saw { owner, epoch, end: end + 1 })
            }
            Some(_) => self.with(|next| next.sweeps[at] = Sweep::Idle),
        }
    }

    fn freed(&self, at: usize, owner: u8, epoch: u8) -> State {
        self.with(|next| {
            if next.owner == Some(owner) && next.epoch == epoch && next.ended_by.is_none() {
                next.owner = None;
            }
            next.sweeps[at] = Sweep::Idle;
        })
    }

    fn of_network(&self, place: usize, rules: Rules, all: &mut Vec<(State, Event)>) {
        let message = self.messages[place];
        // Lost.
        all.push((
            self.with(|next| {
                next.messages.remove(place);
            }),
            Event::Other,
        ));
        match message {
            Message::Insert { worker, place: wanted, epoch } => {
                let (arrived, event) = self.inserted(wanted, epoch);
                // Carried out, and its answer lost; and it may come a second time.
                all.push((arrived.clone(), event));
                let mut told = arrived;
                told.messages.remove(place);
                told.tell(worker, wanted, epoch, rules);
                all.push((told, event));
            }
            Message::End { worker, epoch } => {
                let holds = self.owner == Some(worker) && self.epoch == epoch;
                let may = if rules.guarded_end { holds } else { self.owner.is_some() };
                if may && self.ended_by.is_none() {
                    let ended = self.with(|next| {
                        next.ended_by = Some(epoch);
                        next.owner = None;
                    });
                    all.push((ended, Event::Ended));
                }
            }
        }
    }

    fn inserted(&self, place: u8, epoch: u8) -> (State, Event) {
        if self.log.contains_key(&place) {
            let event = if self.log[&place] == (Entry::Row { epoch }) { Event::Other } else { Event::Fenced };
            return (self.clone(), event);
        }
        let arrived = self.with(|next| {
            next.log.insert(place, Entry::Row { epoch });
        });
        (arrived, Event::Other)
    }

    /// The answer to an insert reaches its worker.
    fn tell(&mut self, worker: u8, place: u8, epoch: u8, rules: Rules) {
        let belief = &mut self.beliefs[usize::from(worker)];
        if *belief != (Belief::Owns { epoch, next: place, waits: true }) {
            return;
        }
        let own = self.log.get(&place) == Some(&Entry::Row { epoch });
        if own || !rules.check_epoch {
            *belief = Belief::Owns { epoch, next: place + 1, waits: false };
            self.acknowledged.push((place, epoch));
        } else {
            *belief = Belief::Nothing;
        }
    }

    /// What is broken, if anything is.
    pub(crate) fn broken(&self) -> Option<String> {
        for (place, epoch) in &self.acknowledged {
            if self.log.get(place) != Some(&Entry::Row { epoch: *epoch }) {
                return Some(format!("a row was acknowledged that isn't in the log: {self:#?}"));
            }
        }
        let mut last = 0;
        let mut fenced = 0;
        for (number, (place, entry)) in self.log.iter().enumerate() {
            if usize::from(*place) != number {
                return Some(format!("the log has a gap: {self:#?}"));
            }
            match *entry {
                Entry::Row { epoch } if epoch < last || epoch <= fenced => {
                    return Some(format!("a zombie wrote after it was taken back from: {self:#?}"));
                }
                Entry::Row { epoch } => last = epoch,
                Entry::Fence { epoch } if epoch < last => {
                    return Some(format!("a fence fell into the log of a later owner: {self:#?}"));
                }
                Entry::Fence { epoch } => fenced = epoch,
            }
        }
        // What an owner has read is all there was before its own rows, for ever.
        for (epoch, read) in &self.read {
            let later = self.log.iter().find(|(place, entry)| {
                **place >= *read
                    && matches!(entry, Entry::Row { epoch: other } | Entry::Fence { epoch: other } if other < epoch)
            });
            if let Some((place, entry)) = later {
                let what = if matches!(entry, Entry::Fence { .. }) { "a fence" } else { "a zombie's row" };
                return Some(format!(
                    "{what} came to place {place} after the owner of epoch {epoch} had read: {self:#?}"
                ));
            }
        }
        match self.ended_by {
            Some(epoch) if epoch != self.epoch => Some(format!("an end was written under an old epoch: {self:#?}")),
            _ => None,
        }
    }
}
