//! What is new about an execution since it was last looked at, as lines of a log.
//!
//! Pure: from [`Details`] and what was seen before to events. Who looks, and how often, is `commands/logs.rs`.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::shapes::{self, Failure, What};
use super::text::{Line, Style, cut, json};
use super::timeline::waited;
use super::times::{relative, rfc3339};
use crate::function::outcome::read_fault;
use crate::store::{Details, ExecutionId, Key, Stamp, Status};

/// What has been told of an execution.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How far its life has been told, `parked` apart: that comes and goes.
    stages: Stages,
    /// Rows below have been told.
    rows: u64,
    /// Failures told, of operations without an outcome.
    failed: HashMap<Key, u32>,
    parked: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Stages {
    created: bool,
    started: bool,
    ended: bool,
}

impl Seen {
    /// As if all before `since` had been told.
    pub(crate) fn since(details: &Details, since: Stamp) -> Self {
        let before = |stamp: Option<Stamp>| stamp.is_some_and(|stamp| stamp < since);
        let rows = details.record.iter().take_while(|row| row.stamp < since).count();
        let created = before(Some(details.summary.created));
        Self {
            stages: Stages { created, started: before(details.summary.started), ended: before(details.summary.ended) },
            rows: rows as u64,
            // Neither a failed attempt nor parking has a stamp: of an execution from before they are taken for told.
            failed: if created { failures(details).collect() } else { HashMap::new() },
            parked: created && details.summary.status == Status::Parked,
        }
    }
}

fn failures(details: &Details) -> impl Iterator<Item = (Key, u32)> + '_ {
    details.attempts.iter().map(|attempt| (attempt.key.clone(), attempt.failed))
}

/// Something that happened.
#[derive(Debug, Serialize)]
pub(crate) struct Event {
    at: String,
    at_ms: i64,
    execution: String,
    function: String,
    #[serde(flatten)]
    what: Happened,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Happened {
    Life(Life),
    Recorded(What),
}

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Life {
    Created { arguments: Json },
    Started,
    Attempt { name: String, failed: u32, next: String, next_ms: i64, error: Option<Failure> },
    Parked { error: Failure },
    Resumed,
    Ended { status: &'static str, result: Option<Json>, error: Option<Failure> },
}

/// What is new, in order. `observed` is the time of what has no stamp of its own; without it, that of the row before.
pub(crate) fn fresh(details: &Details, seen: &mut Seen, observed: Option<Stamp>) -> Vec<Event> {
    let summary = &details.summary;
    let mut events = Events { id: &summary.id, function: &summary.function, list: Vec::new() };
    if !std::mem::replace(&mut seen.stages.created, true) {
        events.life(summary.created, Life::Created { arguments: shapes::json(&details.arguments) });
    }
    if let Some(started) = summary.started
        && !std::mem::replace(&mut seen.stages.started, true)
    {
        events.life(started, Life::Started);
    }
    for row in details.record.iter().filter(|row| row.seq >= seen.rows) {
        events.add(row.stamp, Happened::Recorded(What::of(&row.kind)));
    }
    seen.rows = details.record.last().map_or(seen.rows, |row| row.seq + 1);
    let last = details.record.last().map_or(summary.created, |row| row.stamp);
    let observed = observed.unwrap_or(last).max(last);
    for attempt in &details.attempts {
        let told = seen.failed.insert(attempt.key.clone(), attempt.failed).unwrap_or(0);
        if attempt.failed > told {
            let life = Life::Attempt {
                name: attempt.key.name.to_string(),
                failed: attempt.failed,
                next: rfc3339(attempt.next),
                next_ms: attempt.next.0,
                error: shapes::attempt_error(attempt).as_ref().map(Failure::of),
            };
            events.life(observed, life);
        }
    }
    let open: Vec<_> = details.attempts.iter().map(|attempt| &attempt.key).collect();
    seen.failed.retain(|key, _| open.contains(&key));
    let parked = summary.status == Status::Parked;
    match (std::mem::replace(&mut seen.parked, parked), parked) {
        (false, true) => {
            let error = Failure::of(&read_fault(summary.reason.as_deref().unwrap_or_default()));
            events.life(observed, Life::Parked { error });
        }
        (true, false) => events.life(observed, Life::Resumed),
        (true, true) | (false, false) => {}
    }
    if let (Some(finished), Some(ended)) = (&details.finished, summary.ended)
        && !std::mem::replace(&mut seen.stages.ended, true)
    {
        let life = Life::Ended {
            status: Status::Ended(finished.end).name(),
            result: shapes::result(&finished.value),
            error: shapes::failure(&finished.value),
        };
        events.life(ended, life);
    }
    events.list
}

struct Events<'a> {
    id: &'a ExecutionId,
    function: &'a str,
    list: Vec<Event>,
}

impl Events<'_> {
    fn life(&mut self, at: Stamp, life: Life) {
        self.add(at, Happened::Life(life));
    }

    fn add(&mut self, at: Stamp, what: Happened) {
        let (execution, function) = (self.id.to_string(), self.function.to_owned());
        self.list.push(Event { at: rfc3339(at), at_ms: at.0, execution, function, what });
    }
}

impl Event {
    /// When it happened: what lines are sorted by.
    pub(crate) fn at(&self) -> Stamp {
        Stamp(self.at_ms)
    }

    /// As a line, cut to the terminal's width where there is one.
    pub(crate) fn line(&self, width: Option<usize>) -> Line {
        let line = Line::new()
            .with(Style::Dim, &self.at)
            .with(Style::Plain, "  ")
            .with(Style::Bold, &self.execution)
            .with(Style::Plain, "  ")
            .with(Style::Dim, &self.function)
            .with(Style::Plain, "  ");
        let (style, mut words) = match &self.what {
            Happened::Life(happened) => happened.words(self.at()),
            Happened::Recorded(what) => recorded(what),
        };
        // Whole in `show`: a log has a line for each event, and no value fills the screen.
        let room = width.map_or(LONGEST, |width| width.saturating_sub(line.length()).max(24));
        words = cut(&super::text::clean(&words), Some(room));
        line.with(style, words)
    }
}

/// The longest line where no terminal says how long it may be.
const LONGEST: usize = 400;

impl Life {
    fn words(&self, at: Stamp) -> (Style, String) {
        match self {
            Self::Created { arguments } => (Style::Plain, format!("created {}", json(arguments))),
            Self::Started => (Style::Plain, "started".to_owned()),
            Self::Attempt { name, failed, next_ms, error, .. } => {
                let error = error.as_ref().map(|error| format!(": {}", error.in_one_line())).unwrap_or_default();
                let next = relative(Stamp(*next_ms), at);
                (Style::Open, format!("attempt {failed} of {name} failed, next try {next}{error}"))
            }
            Self::Parked { error } => (Style::Bad, format!("parked: {}", error.in_one_line())),
            Self::Resumed => (Style::Plain, "no longer parked".to_owned()),
            Self::Ended { status, result, error } => match error {
                Some(error) => (Style::Bad, format!("{status}: {}", error.in_one_line())),
                None => (Style::Good, format!("{status} {}", json(result.as_ref().unwrap_or(&Json::Null)))),
            },
        }
    }
}

fn recorded(what: &What) -> (Style, String) {
    match what {
        What::Outcome { kind, name, arguments, attempts, result, error, .. } => {
            let name = match name.strip_prefix('.') {
                Some("sleep") => waited(arguments, "duration"),
                Some(own) => own.to_owned(),
                None => name.clone(),
            };
            let called = format!("{kind} {name}");
            let tries = if *attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
            match (error, result) {
                (Some(error), _) => (Style::Bad, format!("{called} failed{tries}: {}", error.in_one_line())),
                (None, Some(value)) if !value.is_null() => (Style::Good, format!("{called}{tries} {}", json(value))),
                (None, _) => (Style::Good, format!("{called}{tries} done")),
            }
        }
        What::Signal { name, payload } => (Style::Plain, format!("signal {name} {}", json(payload))),
        What::Cancel { reason } => (Style::Bad, format!("asked to end: {reason}")),
        What::Deadline => (Style::Bad, "its time is up".to_owned()),
    }
}

#[cfg(test)]
mod tests;
