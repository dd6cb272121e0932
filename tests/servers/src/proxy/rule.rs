//! Rules: which requests something happens to, and what.

use std::fmt;
use std::time::Duration;

use bson::{Document, doc};

use crate::chance::Chance;
use crate::wire::Command;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection is cut before the server gets it.
    LoseRequest,
    /// The server does it, and the connection is cut before the reply is passed on.
    LoseReply,
    /// The server does it, and its reply comes twice. A driver that doesn't look at what a reply answers takes the second
    /// one for the reply to its next request.
    RepeatReply,
    /// The server does it, and its reply comes once more before the reply to the next request on this connection.
    RepeatReplyLate,
    /// The server does it, and gets it once more so much later, by another connection. Nobody hears of that reply.
    Again(Duration),
    /// The server does it, and no reply ever comes; the connection stays.
    Hang,
    /// The server never gets it, and this is the reply.
    Answer(Document),
    /// The server does it, and this is the reply instead of its own.
    AnswerAfter(Document),
    /// The server gets it later.
    Delay(Duration),
}

type Looks = Box<dyn Fn(&Command) -> bool + Send + Sync>;

/// Something that happens to some requests: to the next one that fits, unless it says otherwise.
pub struct Rule {
    fault: Fault,
    command: Option<String>,
    collection: Option<String>,
    when: Option<Looks>,
    skip: u64,
    times: u64,
    probability: f64,
}

impl Rule {
    /// A rule about the next request of any kind.
    pub fn new(fault: Fault) -> Self {
        Self { fault, command: None, collection: None, when: None, skip: 0, times: 1, probability: 1.0 }
    }

    /// Only about this command.
    #[must_use]
    pub fn on(mut self, command: &str) -> Self {
        self.command = Some(command.to_owned());
        self
    }

    /// Only about this collection.
    #[must_use]
    pub fn of(mut self, collection: &str) -> Self {
        self.collection = Some(collection.to_owned());
        self
    }

    /// Only about requests that look so.
    #[must_use]
    pub fn when(mut self, looks: impl Fn(&Command) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Box::new(looks));
        self
    }

    /// Only the `n`-th request that fits, and those after it as far as [`times`](Self::times) goes; the first is 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// So many requests that fit.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Every request that fits, for ever.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Each request that fits with this probability.
    #[must_use]
    pub fn chance(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    fn fits(&self, command: &Command) -> bool {
        self.command.as_ref().is_none_or(|name| *name == command.name)
            && self.collection.as_ref().is_none_or(|name| Some(name) == command.collection.as_ref())
            && self.when.as_ref().is_none_or(|looks| looks(command))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .field("command", &self.command)
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

/// A rule in a proxy, with what it has done.
#[derive(Debug)]
pub(super) struct Armed {
    rule: Rule,
    chance: Chance,
    seen: u64,
    hits: u64,
}

impl Armed {
    pub(super) fn new(rule: Rule, seed: u64) -> Self {
        Self { rule, chance: Chance::of(seed), seen: 0, hits: 0 }
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits
    }

    /// What it does to this request, if anything.
    pub(super) fn acts_on(&mut self, command: &Command) -> Option<Fault> {
        if self.hits >= self.rule.times || !self.rule.fits(command) {
            return None;
        }
        self.seen += 1;
        if self.seen <= self.rule.skip || self.chance.draw() >= self.rule.probability {
            return None;
        }
        self.hits += 1;
        Some(self.rule.fault.clone())
    }
}

/// The reply of a server that fails, as [`Fault::Answer`] takes it.
pub fn failure(code: i32, name: &str, labels: &[&str]) -> Document {
    let mut reply = doc! { "ok": 0.0, "errmsg": format!("{name}, made up by a test"), "code": code, "codeName": name };
    if !labels.is_empty() {
        reply.insert("errorLabels", labels.to_vec());
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str, collection: &str) -> Command {
        let body = doc! { name: collection };
        Command { name: name.to_owned(), database: "d".to_owned(), collection: Some(collection.to_owned()), body }
    }

    fn acts(armed: &mut Armed, requests: usize) -> Vec<bool> {
        (0..requests).map(|_| armed.acts_on(&command("insert", "c")).is_some()).collect()
    }

    #[test]
    fn the_nth_and_those_after_it() {
        let mut armed = Armed::new(Rule::new(Fault::Hang).on("insert").of("c").nth(2).times(2), 0);
        assert!(armed.acts_on(&command("update", "c")).is_none());
        assert!(armed.acts_on(&command("insert", "other")).is_none());
        assert_eq!(acts(&mut armed, 4), [false, true, true, false]);
        assert_eq!(armed.hits(), 2);
    }

    #[test]
    fn chance_comes_from_the_seed() {
        let of = |seed| acts(&mut Armed::new(Rule::new(Fault::Hang).chance(0.5).always(), seed), 200);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let hits = of(7).iter().filter(|hit| **hit).count();
        assert!((70..130).contains(&hits), "{hits} of 200");
    }

    #[test]
    fn what_it_looks_at() {
        let mut armed = Armed::new(Rule::new(Fault::Hang).when(|command| command.body.contains_key("find")), 0);
        assert!(armed.acts_on(&command("insert", "c")).is_none());
        assert!(armed.acts_on(&command("find", "c")).is_some());
    }
}
