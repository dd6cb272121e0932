//! An execution as people read it: who it is, what it was given, what happened when, what it waits for, how it ended.
//!
//! Pure: from [`Details`] and the time of looking to lines. Nothing here prints or reads a store.

use std::time::Duration;

use serde_json::Value as Json;

use super::shapes::{Failure, attempt_error, failure, json, result};
use super::text::{self, Line, Style, cut, length, wrapped};
use super::times::{between, readable, relative, span};
use crate::function::outcome::read_fault;
use crate::store::{
    Attempt, Details, End, Kind, Message, MessageBody, Outcome, Row, RowKind, Stamp, Status, Summary, Value,
};

/// How it is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// When.
    pub(crate) now: Stamp,
    /// How wide the terminal is; nothing where lines may be of any length.
    pub(crate) width: Option<usize>,
    /// Values whole, over as many lines as they take.
    pub(crate) full: bool,
}

/// Where text wraps that has no terminal to say so.
const WRAP: usize = 100;
/// The widest column of names.
const NAMES: usize = 28;
/// The margin of what stands under a heading.
const MARGIN: usize = 2;

/// The look of a status.
pub(crate) fn look(status: Status) -> Style {
    match status {
        Status::Running | Status::Ready | Status::Waiting => Style::Open,
        Status::Parked | Status::Ended(End::Failed) => Style::Bad,
        Status::Ended(End::Succeeded) => Style::Good,
        Status::Ended(End::Cancelled) => Style::Dim,
    }
}

/// The whole of an execution.
pub(crate) fn lines(details: &Details, view: View) -> Vec<Line> {
    let mut page = Page { view, lines: Vec::new() };
    page.header(&details.summary);
    page.arguments(&json(&details.arguments));
    page.timeline(details);
    page.inbox(&details.inbox);
    if let Some(reason) = &details.summary.reason {
        page.heading("parked because");
        page.failure(&Failure::of(&read_fault(reason)), MARGIN);
    }
    if let Some(finished) = &details.finished {
        page.end(&finished.value);
    }
    page.lines
}

struct Page {
    view: View,
    lines: Vec<Line>,
}

impl Page {
    fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    fn heading(&mut self, text: &str) {
        self.add(Line::new());
        self.add(Line::new().with(Style::Bold, text));
    }

    /// How many characters are left beside `used` ones; nothing where lines may be of any length.
    fn room(&self, used: usize) -> Option<usize> {
        self.view.width.map(|width| width.saturating_sub(used).max(8))
    }

    fn wrap_width(&self, margin: usize) -> usize {
        self.view.width.unwrap_or(WRAP).saturating_sub(margin).max(20)
    }

    fn header(&mut self, summary: &Summary) {
        let now = self.view.now;
        self.add(
            Line::new()
                .with(Style::Bold, &*summary.id.0)
                .with(Style::Plain, "  ")
                .with(look(summary.status), summary.status.name()),
        );
        self.fact("function", format!("{}, version {}", summary.function, summary.version));
        self.fact("created", format!("{}, {}", readable(summary.created), relative(summary.created, now)));
        if let Some(started) = summary.started {
            let wait = between(summary.created, started);
            self.fact("started", if wait.is_zero() { "at once".to_owned() } else { format!("{} later", span(wait)) });
        }
        if let Some(ended) = summary.ended {
            let took = span(between(summary.started.unwrap_or(summary.created), ended));
            self.fact("ended", format!("{}, after {took}", readable(ended)));
        }
        if let (Some(wake), None) = (summary.wake, summary.ended) {
            self.fact("due", format!("{}, {}", readable(wake), relative(wake, now)));
        }
        if let Some(deadline) = summary.deadline {
            let when = if summary.ended.is_some() { String::new() } else { format!(", {}", relative(deadline, now)) };
            self.fact("deadline", format!("{}{when}", readable(deadline)));
        }
        if let Some(parent) = &summary.parent {
            self.fact("parent", parent.to_string());
        }
        if let Some(worker) = &summary.owner {
            self.fact("worker", worker.0.to_string());
        }
        if summary.epoch.0 > 1 {
            self.fact("claims", summary.epoch.0.to_string());
        }
    }

    fn fact(&mut self, name: &str, value: String) {
        self.add(Line::new().column(Style::Dim, name, 10).with(Style::Plain, value));
    }

    fn arguments(&mut self, arguments: &Json) {
        let Json::Object(map) = arguments else { return };
        if map.is_empty() {
            return;
        }
        self.heading("arguments");
        let column = map.keys().map(|name| length(name)).max().unwrap_or(0).min(NAMES) + 2;
        for (name, value) in map {
            let line = Line::new().with(Style::Plain, " ".repeat(MARGIN)).column(Style::Dim, name, column);
            self.value(line, value);
        }
    }

    /// A value behind what stands on the line already: cut, or whole and wrapped.
    fn value(&mut self, line: Line, value: &Json) {
        let text = text::json(value);
        let margin = line.length();
        if !self.view.full {
            let text = cut(&text, self.room(margin));
            return self.add(line.with(Style::Plain, text));
        }
        let mut pieces = wrapped(&text, self.wrap_width(margin)).into_iter();
        self.add(line.with(Style::Plain, pieces.next().unwrap_or_default()));
        for piece in pieces {
            self.add(Line::new().with(Style::Plain, " ".repeat(margin)).with(Style::Plain, piece));
        }
    }

    fn timeline(&mut self, details: &Details) {
        let start = details.summary.started.unwrap_or(details.summary.created);
        let entries: Vec<Entry> = details
            .record
            .iter()
            .map(|row| Entry::of_row(row, start))
            .chain(details.attempts.iter().map(|attempt| Entry::of_attempt(attempt, self.view.now)))
            .collect();
        if entries.is_empty() {
            return;
        }
        self.heading("timeline");
        let widest = |of: fn(&Entry) -> usize| entries.iter().map(of).max().unwrap_or(0);
        let columns = Columns {
            time: widest(|entry| length(&entry.time)),
            kind: widest(|entry| length(entry.kind)) + 2,
            name: widest(|entry| length(&entry.name)).min(NAMES) + 2,
        };
        for entry in entries {
            self.entry(entry, columns);
        }
    }

    fn entry(&mut self, entry: Entry, columns: Columns) {
        let fill = columns.time.saturating_sub(length(&entry.time)) + MARGIN;
        let name = cut(&entry.name, Some(columns.name.saturating_sub(2)));
        let mut line = Line::new()
            .with(Style::Plain, " ".repeat(fill))
            .with(Style::Dim, &entry.time)
            .with(Style::Plain, "  ")
            .column(Style::Dim, entry.kind, columns.kind)
            .column(Style::Plain, name, columns.name)
            .with(entry.style, entry.mark);
        if !entry.note.is_empty() {
            line = line.with(Style::Plain, " ").with(entry.style, &entry.note);
        }
        match &entry.value {
            Some(value) => self.value(line.with(Style::Plain, " "), value),
            None => self.add(line),
        }
        if let Some(failure) = &entry.failure {
            self.failure(failure, columns.time + MARGIN + 2 + columns.kind);
        }
    }

    /// An error: its words wrapped, then what stands behind it.
    fn failure(&mut self, failure: &Failure, margin: usize) {
        for (depth, message) in failure.chain.iter().enumerate() {
            let message = match depth {
                0 if failure.kind == "failed" => message.clone(),
                0 => format!("{}: {message}", failure.kind),
                _ => format!("caused by: {message}"),
            };
            for piece in wrapped(&message, self.wrap_width(margin)) {
                self.add(Line::new().with(Style::Plain, " ".repeat(margin)).with(Style::Bad, piece));
            }
        }
    }

    fn inbox(&mut self, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        self.heading("inbox");
        for message in messages {
            let line = Line::new().with(Style::Plain, " ".repeat(MARGIN));
            match &message.body {
                MessageBody::Signal { name, payload } => {
                    let line = line.with(Style::Dim, "signal  ").with(Style::Plain, format!("{name}  "));
                    self.value(line, &json(payload));
                }
                MessageBody::Cancel { reason } => {
                    self.add(line.with(Style::Dim, "cancel  ").with(Style::Plain, reason));
                }
                MessageBody::Ended { execution, finished } => {
                    let status = Status::Ended(finished.end);
                    let line = line.with(Style::Dim, "ended   ").with(Style::Plain, format!("{execution}  "));
                    self.add(line.with(look(status), status.name()));
                }
            }
        }
    }

    fn end(&mut self, value: &Value) {
        if let Some(failure) = failure(value) {
            self.heading("error");
            return self.failure(&failure, MARGIN);
        }
        self.heading("result");
        // What it all was for is shown whole.
        let asked = std::mem::replace(&mut self.view.full, true);
        self.value(Line::new().with(Style::Plain, " ".repeat(MARGIN)), &result(value).unwrap_or_default());
        self.view.full = asked;
    }
}

#[derive(Clone, Copy)]
struct Columns {
    time: usize,
    kind: usize,
    name: usize,
}

/// A line of the timeline, and what stands under it.
struct Entry {
    time: String,
    kind: &'static str,
    name: String,
    mark: &'static str,
    style: Style,
    note: String,
    value: Option<Json>,
    failure: Option<Failure>,
}

impl Entry {
    fn of_row(row: &Row, start: Stamp) -> Self {
        let entry = |kind, name: String, mark, style| Self {
            time: format!("+{}", span(between(start, row.stamp))),
            kind,
            name,
            mark,
            style,
            note: String::new(),
            value: None,
            failure: None,
        };
        match &row.kind {
            RowKind::Outcome(outcome) => {
                let failure = failure(&outcome.value);
                let (mark, style) = if failure.is_some() { ("✗", Style::Bad) } else { ("✓", Style::Good) };
                let (note, value) = shown(outcome);
                Self { note, value, failure, ..entry(outcome.kind.name(), name(outcome), mark, style) }
            }
            RowKind::Arrival { name, payload } => {
                if let Some(child) = name.strip_prefix(".ended ") {
                    let note = "ended, and nobody waited for it".to_owned();
                    Self { note, ..entry("child", child.to_owned(), "·", Style::Dim) }
                } else if let Some(drifted) = name.strip_prefix(".drift ") {
                    let note = "recorded by another build, now called with".to_owned();
                    let value = Some(json(payload));
                    Self { note, value, ..entry("drift", drifted.to_owned(), "~", Style::Dim) }
                } else {
                    Self { value: Some(json(payload)), ..entry("signal", name.to_string(), "←", Style::Good) }
                }
            }
            RowKind::Cancel { reason } => {
                Self { note: reason.clone(), ..entry("cancel", String::new(), "✗", Style::Bad) }
            }
            RowKind::Deadline => {
                Self { note: "its time is up".to_owned(), ..entry("deadline", String::new(), "✗", Style::Bad) }
            }
        }
    }

    fn of_attempt(attempt: &Attempt, now: Stamp) -> Self {
        let note = match (attempt.failed, attempt.started) {
            (0, true) => "begun, and never begun again".to_owned(),
            (failed, _) => format!("failed {}", times(failed)),
        };
        let next = (attempt.failed > 0).then(|| {
            if attempt.next > now {
                format!(", next try {}", relative(attempt.next, now))
            } else {
                ", trying again".to_owned()
            }
        });
        Self {
            time: String::new(),
            kind: "open",
            name: numbered(&attempt.key.name, attempt.key.ordinal),
            mark: "…",
            style: Style::Open,
            note: note + &next.unwrap_or_default(),
            value: None,
            failure: attempt_error(attempt).as_ref().map(Failure::of),
        }
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// An operation's name; what outlast does itself is named by what it is about.
fn name(outcome: &Outcome) -> String {
    match outcome.kind {
        Kind::Sleep => waited(&json(&outcome.arguments), "duration"),
        Kind::Step
        | Kind::Transaction
        | Kind::Signal
        | Kind::Child
        | Kind::Start
        | Kind::Read
        | Kind::Write
        | Kind::Handle => {
            numbered(outcome.key.name.strip_prefix('.').unwrap_or(&outcome.key.name), outcome.name_ordinal)
        }
    }
}

/// The second of a name is `#2`.
fn numbered(name: &str, ordinal: u32) -> String {
    if ordinal == 0 { name.to_owned() } else { format!("{name} #{}", u64::from(ordinal) + 1) }
}

/// What is said of an outcome beside its mark, and the value to show.
fn shown(outcome: &Outcome) -> (String, Option<Json>) {
    let attempts = match outcome.attempts {
        0 | 1 => String::new(),
        attempts => format!("{attempts} attempts"),
    };
    let value = result(&outcome.value).filter(|value| !value.is_null());
    match outcome.kind {
        Kind::Signal if value.is_none() => {
            (format!("none came within {}", waited(&json(&outcome.arguments), "timeout")), None)
        }
        Kind::Start => ("started".to_owned(), value),
        Kind::Step
        | Kind::Transaction
        | Kind::Sleep
        | Kind::Signal
        | Kind::Child
        | Kind::Read
        | Kind::Write
        | Kind::Handle => (attempts, value),
    }
}

/// A recorded duration (`86400s`, `1.5ms`) as people read it.
pub(crate) fn waited(arguments: &Json, name: &str) -> String {
    let text = arguments.get(name).and_then(Json::as_str).unwrap_or_default();
    let seconds =
        text.strip_suffix("ms").map(|millis| (millis, 0.001)).or_else(|| text.strip_suffix('s').map(|s| (s, 1.0)));
    let parsed = seconds.and_then(|(number, unit)| Some(number.parse::<f64>().ok()? * unit));
    match parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(duration) => span(duration),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
