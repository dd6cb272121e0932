//! What a journey must have come to, whoever was killed on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use outlast::{End, Filter, Status};
use outlast::{ErrorKind, Execution, Running};
use serde_json::Value as Json;

use crate::place;
use crate::point::{Phase, Point, operations};
use crate::started::{Directory, Effect, effects};

pub(crate) const ID: &str = "journey-1";

/// The journey and its errand, as far as they are there.
pub(crate) async fn executions(running: &Running) -> Vec<Execution> {
    let mut all = Vec::new();
    for summary in running.executions(Filter { limit: 100, ..Filter::default() }).await.unwrap() {
        match running.execution(summary.id().as_str()).details().await {
            Ok(execution) => all.push(execution),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
        }
    }
    all.sort_by_key(|execution| execution.function() != "journey");
    all
}

/// What was on record at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) recorded: BTreeSet<String>,
    /// Whether it is what stood there when the process died, and not a moment later.
    pub(crate) exact: bool,
    /// How often the executions had been claimed.
    pub(crate) claims: u64,
    pub(crate) exists: bool,
}

impl Known {
    pub(crate) async fn of(running: &Running) -> Self {
        let executions = executions(running).await;
        Self {
            recorded: executions.iter().flat_map(operations).map(|(label, _)| label).collect(),
            exact: true,
            claims: executions.iter().map(Execution::claims).sum(),
            exists: !executions.is_empty(),
        }
    }
}

/// What a journey left: compared with that of the run that nothing disturbed.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    status: Status,
    result: Option<Json>,
    /// Name, kind, attempts and result of each operation of either execution. Branches may record in another order.
    operations: BTreeSet<String>,
    signals: Vec<String>,
    functions: Vec<String>,
    /// Bookings by account, and how many writes of such a document the store itself knows of.
    bookings: Vec<i64>,
    changes: i64,
    /// What should be gone from the store: messages, attempts, watchers.
    left_over: i64,
}

impl Outcome {
    pub(crate) async fn of(running: &Running, directory: &Directory) -> (Self, Vec<Execution>) {
        let executions = executions(running).await;
        let journey = &executions[0];
        let (changes, left_over) = place::counted(directory).await;
        let outcome = Self {
            status: journey.status(),
            result: journey.result(),
            operations: executions
                .iter()
                .flat_map(Execution::operations)
                .map(|(name, kind, attempts, result)| format!("{} {name} {attempts} {result}", kind.name()))
                .collect(),
            signals: executions.iter().flat_map(Execution::signals).map(str::to_owned).collect(),
            functions: executions.iter().map(|execution| execution.function().to_owned()).collect(),
            bookings: bookings(running).await,
            changes,
            left_over,
        };
        (outcome, executions)
    }

    /// What must hold of the undisturbed one, and so of all that equal it.
    pub(crate) fn is_whole(&self) {
        assert_eq!(self.status, Status::Ended(End::Succeeded));
        assert_eq!(self.signals, ["rating"]);
        assert_eq!(self.functions, ["journey", "errand"]);
        assert_eq!((&*self.bookings, self.changes, self.left_over), (&[1][..], 1, 0));
        for line in self.operations.iter().filter(|line| line.starts_with("step") || line.starts_with("transaction")) {
            assert!(line.split(' ').nth(2) == Some("1"), "a crash counted as an attempt: {line}");
        }
    }
}

async fn bookings(running: &Running) -> Vec<i64> {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Account {
        bookings: i64,
    }
    let found = running
        .scope(async { outlast::collection::<Account>("accounts").find(bson::doc! {}).await?.to_vec().await })
        .await;
    found.unwrap().into_iter().map(|account| account.bookings).collect()
}

/// A process was killed at a point: what every body may have done, exactly.
pub(crate) fn judge(point: &Point, victim: u32, known: &Known, bodies: &BTreeSet<String>, directory: &Path) {
    let effects = effects(directory);
    keys_hold(point, &effects, bodies.len());
    let mut ran: BTreeMap<&str, (usize, usize)> = bodies.iter().map(|body| (&**body, (0, 0))).collect();
    for Effect { label, pid, .. } in &effects {
        let (victims, others) = ran.get_mut(&**label).unwrap_or_else(|| panic!("{point}: {label} never ran before"));
        *if *pid == victim { victims } else { others } += 1;
    }
    for (body, (victims, others)) in ran {
        let said = format!("{point}: {body} ran {victims} times where it was killed, {others} times after, {known:?}");
        // The loser of the `select!` is settled by the row of its winner.
        let row = if body == "tortoise#0" { "hare#0" } else { body };
        if body == point.label {
            let expected = match point.phase {
                Phase::BeforeBody => (0, 1),
                Phase::AfterBody | Phase::BeforeCommit => (1, 1),
                Phase::AfterCommit => (1, 0),
            };
            assert_eq!((victims, others), expected, "{said}");
        } else if !known.exact {
            assert!(victims <= 1 && (1..=2).contains(&(victims + others)), "{said}");
        } else if known.recorded.contains(row) {
            assert_eq!(victims + others, 1, "{said}: what is recorded ran again");
        } else {
            assert!(victims <= 1 && others == 1, "{said}: what isn't recorded runs once more");
        }
    }
    if known.exact && point.label.contains('#') {
        let is_recorded = known.recorded.contains(&point.label);
        assert_eq!(is_recorded, point.phase == Phase::AfterCommit, "{point}: {known:?}");
    }
}

/// A body's key is the same whenever it runs, and no other has it.
fn keys_hold(point: &Point, effects: &[Effect], bodies: usize) {
    let mut keys = BTreeMap::<&str, &str>::new();
    for effect in effects {
        let key = keys.entry(&effect.label).or_insert(&effect.key);
        assert_eq!(*key, effect.key, "{point}: the idempotency key of {} has changed", effect.label);
    }
    assert_eq!(keys.values().collect::<BTreeSet<_>>().len(), bodies, "{point}: two bodies share a key");
}
