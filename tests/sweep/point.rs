//! The points of the sweep, derived from the record of a run that nothing disturbed.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use outlast::Execution;
use outlast::Kind;

/// When, in the life of an operation, the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    BeforeBody,
    AfterBody,
    BeforeCommit,
    /// Committed, and not yet offered or answered.
    AfterCommit,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// The operation, as `NAME#N`, or what else is committed.
    pub(crate) label: String,
    pub(crate) phase: Phase,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::BeforeBody => "before-body",
            Phase::AfterBody => "after-body",
            Phase::BeforeCommit => "before-commit",
            Phase::AfterCommit => "after-commit",
        };
        write!(f, "{}:{phase}", self.label)
    }
}

/// The recorded operations as `NAME#N`, in order. Operations of one name follow each other in the programs of these
/// tests, so their order in the record is that of their calls.
pub(crate) fn operations(execution: &Execution) -> Vec<(String, Kind)> {
    let mut counts = HashMap::<&str, u32>::new();
    let label = |(name, kind, _, _)| {
        let count = counts.entry(name).or_default();
        *count += 1;
        (format!("{name}#{}", *count - 1), kind)
    };
    execution.operations().map(label).collect()
}

/// The points of a journey: for each row of the record, of each execution's life, of each message.
pub(crate) fn of_record(executions: &[Execution], log: &BTreeSet<String>) -> BTreeSet<Point> {
    use Phase::{AfterBody, AfterCommit, BeforeBody, BeforeCommit};
    let mut points = BTreeSet::new();
    let mut add = |label: &str, phases: &[Phase]| {
        points.extend(phases.iter().map(|&phase| Point { label: label.to_owned(), phase }));
    };
    let commit = [BeforeCommit, AfterCommit];
    for execution in executions {
        for (label, kind) in operations(execution) {
            match kind {
                Kind::Step => add(&label, &[BeforeBody, AfterBody, BeforeCommit, AfterCommit]),
                // After the body of a transaction is before its commit.
                Kind::Transaction => add(&label, &[BeforeBody, BeforeCommit, AfterCommit]),
                Kind::Sleep | Kind::Child => add(&label, &commit),
                Kind::Signal | Kind::Start | Kind::Read | Kind::Write | Kind::Handle => {
                    panic!("the journey has no {} so far: say what its points are", kind.name())
                }
            }
        }
        for signal in execution.signals() {
            add(&format!("inbox signal {signal}"), &commit);
            add(&format!("arrival {signal}"), &commit);
        }
        for life in ["create", "end"] {
            add(&format!("{life} {}", execution.function()), &commit);
        }
        if execution.claims() > 1 && execution.function() == "journey" {
            add("release journey", &commit);
            add("claim journey", &commit);
        }
    }
    for life in ["register", "leave"] {
        add(life, &commit);
    }
    // The loser of a `select!` leaves no row; that its body began is all that there is.
    let losers: Vec<_> = log
        .iter()
        .filter_map(|point| point.strip_suffix(":before-body"))
        .filter(|label| {
            !log.contains(&format!("{label}:after-body")) && !log.contains(&format!("{label}:after-commit"))
        })
        .collect();
    assert_eq!(losers, ["tortoise#0"]);
    add("tortoise#0", &[BeforeBody]);
    points
}
