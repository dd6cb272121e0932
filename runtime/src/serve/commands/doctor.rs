//! `doctor`: what is wrong, each with the way out. It changes nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{NOT_LINKED, looking};
use crate::app::{App, Running};
use crate::error::{Error, ErrorKind, Result};
use crate::function::registry::Registry;
use crate::serve::output::{Done, Output};
use crate::serve::text::{Line, Style, wrapped};
use crate::store::{ExecutionId, Filter, Report, Status, Summary};

/// Executions read at a time, and pages read of each status: on a larger store the counts are lower bounds.
const PAGE: usize = 1_000;
const PAGES: usize = 50;

#[derive(Debug, Default, Serialize)]
struct Answer {
    ok: bool,
    store: String,
    facts: Vec<Fact>,
    functions: Vec<String>,
    /// `present`, `missing`, `wrong` or `not needed`.
    key: &'static str,
    /// Open executions that nothing in this binary can run.
    unclaimable: Vec<Unclaimable>,
    parked: usize,
    problems: Vec<String>,
    /// All that is kept was read.
    thorough: bool,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Unclaimable {
    function: String,
    version: u32,
    executions: usize,
    example: String,
}

pub(crate) async fn run(app: App, thorough: bool, output: &mut Output) -> Done {
    let mut answer = Answer { store: app.shown_store(), key: "not needed", thorough, ..Answer::default() };
    let program = output.program.clone();
    let registry = match Registry::of_binary() {
        Ok(registry) => Some(registry),
        Err(error) => {
            answer.problems.push(error.to_string());
            None
        }
    };
    let roles = app.roles().map(|value| Fact { name: "roles needed", value });
    if let Some(registry) = &registry {
        answer.functions_and_key(registry, app.key_state());
        let store = looking(app, async |running| {
            answer.store(running.store_report(thorough).await?);
            answer.key_of_store(running.check_key());
            answer.executions(running, registry, &program).await
        })
        .await;
        if let Err(error) = store {
            answer.problems.push(error.messages().join(": "));
        }
    }
    answer.facts.extend(roles);
    answer.ok = answer.problems.is_empty();
    if output.json {
        output.answer(&answer)?;
    } else {
        output.lines(&answer.lines(output.width.unwrap_or(100)))?;
    }
    output.flush()?;
    match answer.problems.len() {
        0 => Ok(()),
        1 => Err(Error::of(ErrorKind::Failed, "1 problem was found").into()),
        count => Err(Error::of(ErrorKind::Failed, format!("{count} problems were found")).into()),
    }
}

impl Answer {
    fn functions_and_key(&mut self, registry: &Registry, key: Option<Result<()>>) {
        self.functions = registry
            .all()
            .map(|function| match function.version {
                1 => function.name.to_owned(),
                version => format!("{} (version {version})", function.name),
            })
            .collect();
        if self.functions.is_empty() {
            self.problems.push(NOT_LINKED.to_owned());
        }
        let secret = registry.all().find(|function| function.secret.result || !function.secret.arguments.is_empty());
        match (key, secret) {
            (Some(Ok(())), _) => self.key = "present",
            (Some(Err(error)), _) => {
                self.key = "wrong";
                self.problems.push(error.messages().join(": "));
            }
            (None, Some(function)) => {
                self.key = "missing";
                self.problems.push(format!(
                    "`{}` has secrets, but there is no key: set OUTLAST_KEY to 32 random bytes in base64",
                    function.name
                ));
            }
            (None, None) => {}
        }
    }

    fn key_of_store(&mut self, fits: Result<()>) {
        if let Err(error) = fits
            && matches!(self.key, "present" | "not needed")
        {
            self.key = if self.key == "present" { "wrong" } else { "missing" };
            self.problems.push(error.messages().join(": "));
        }
    }

    fn store(&mut self, report: Report) {
        self.facts = report.facts.into_iter().map(|(name, value)| Fact { name, value }).collect();
        self.problems.extend(report.problems);
    }

    async fn executions(&mut self, running: &Running, registry: &Registry, program: &str) -> Result<()> {
        let mut open = BTreeMap::new();
        for status in [Status::Ready, Status::Running, Status::Waiting, Status::Parked] {
            let mut before = None;
            for _ in 0..PAGES {
                let filter =
                    Filter { status: Some(status.name().to_owned()), before, limit: PAGE, ..Filter::default() };
                let page = running.executions(filter).await?;
                before = page.last().map(|last| last.id.clone());
                let full = page.len() == PAGE;
                if status == Status::Parked {
                    self.parked += page.len();
                }
                count(&mut open, page);
                if !full {
                    break;
                }
            }
        }
        self.unclaimable = unclaimable(open, registry);
        for found in &self.unclaimable {
            self.problems.push(format!(
                "no function here can run {}: `{}` version {}, such as `{}`. Deploy a binary that has it, or cancel",
                if found.executions == 1 {
                    "1 execution".to_owned()
                } else {
                    format!("{} executions", found.executions)
                },
                found.function,
                found.version,
                found.example
            ));
        }
        if self.parked > 0 {
            self.problems.push(format!(
                "{} parked: `{program} ls --status parked` lists them, `show` says why, `resume` tries again",
                if self.parked == 1 { "1 execution is".to_owned() } else { format!("{} executions are", self.parked) }
            ));
        }
        Ok(())
    }

    fn lines(&self, width: usize) -> Vec<Line> {
        let facts = [("store", self.store.as_str()), ("key", self.key)]
            .into_iter()
            .chain(self.facts.iter().map(|fact| (fact.name, fact.value.as_str())));
        let facts: Vec<_> = facts.collect();
        let column = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(9) + 2;
        let mut lines = Vec::new();
        let functions = if self.functions.is_empty() { "none".to_owned() } else { self.functions.join(", ") };
        for (name, value) in facts.into_iter().chain([("functions", functions.as_str())]) {
            for (place, piece) in wrapped(value, width.saturating_sub(column).max(20)).into_iter().enumerate() {
                let name = if place == 0 { name } else { "" };
                lines.push(Line::new().column(Style::Dim, name, column).with(Style::Plain, piece));
            }
        }
        lines.push(Line::new());
        if self.problems.is_empty() {
            let read = if self.thorough { "" } else { " (the contents weren't read: `doctor --thorough` does)" };
            lines.push(Line::new().with(Style::Good, "✓").with(Style::Plain, format!(" nothing is wrong{read}")));
        }
        for problem in &self.problems {
            for (place, piece) in wrapped(problem, width.saturating_sub(2).max(20)).into_iter().enumerate() {
                lines
                    .push(Line::new().with(Style::Bad, if place == 0 { "✗ " } else { "  " }).with(Style::Plain, piece));
            }
        }
        lines
    }
}

/// Open executions by function and version: how many, and one of them.
type Open = BTreeMap<(String, u32), (usize, ExecutionId)>;

fn count(open: &mut Open, page: Vec<Summary>) {
    for summary in page {
        let entry = open.entry((summary.function.to_string(), summary.version)).or_insert_with(|| (0, summary.id));
        entry.0 += 1;
    }
}

fn unclaimable(open: Open, registry: &Registry) -> Vec<Unclaimable> {
    open.into_iter()
        .filter(|((function, version), _)| registry.get(function, *version).is_none())
        .map(|((function, version), (executions, example))| Unclaimable {
            function,
            version,
            executions,
            example: example.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Epoch;
    use crate::store::Stamp;

    fn summary(id: &str, function: &str) -> Summary {
        Summary {
            id: ExecutionId(id.into()),
            function: function.into(),
            version: 1,
            status: Status::Ready,
            created: Stamp(0),
            started: None,
            ended: None,
            wake: None,
            deadline: None,
            parent: None,
            owner: None,
            epoch: Epoch(0),
            reason: None,
        }
    }

    #[test]
    fn what_no_function_can_run_is_named_with_an_example() {
        let registry = Registry::of_binary().unwrap();
        let mut open = Open::new();
        count(&mut open, vec![summary("a", "gone"), summary("b", "gone"), summary("c", "left")]);
        let found = unclaimable(open, &registry);
        let short: Vec<_> = found.iter().map(|found| (&*found.function, found.executions, &*found.example)).collect();
        assert_eq!(short, [("gone", 2, "a"), ("left", 1, "c")]);
    }

    #[test]
    fn problems_wrap_under_their_mark() {
        let answer = Answer {
            store: "memory:".into(),
            key: "not needed",
            problems: vec!["one two three four five six".into()],
            ..Answer::default()
        };
        let shown: Vec<_> = answer.lines(24).iter().map(|line| line.written(false)).collect();
        assert_eq!(
            shown,
            [
                "store      memory:",
                "key        not needed",
                "functions  none",
                "",
                "✗ one two three four",
                "  five six",
            ]
        );
    }
}
