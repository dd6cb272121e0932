//! What the record decides: the time, drawn values, and whether the code still fits.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::harness::{Post, RUNTIME, WAITING};
use super::super::probe::{Came, Death, Plan, note};
use super::{dice, fast, holds, live, returned};
use crate::engine::held::Held;
use crate::store::{Digest, Outcome, Row, RowKind, Status};
use crate::{ErrorKind, Result, durable, step};

#[durable]
async fn key_before_a_step() -> Result<u64> {
    let key = crate::uuid();
    note(format!("uuid {key}, random {}", crate::random::<u64>()));
    fast(key.as_u64_pair().0 % 1_000_000).await
}

/// The worker dies with the body's outcome on its way: the body runs again, with the same argument.
#[test]
fn a_uuid_before_a_step_is_the_same_after_a_death() {
    let called = WAITING.call("key_before_a_step", serde_json::Value::Null);
    for event in 1..4 {
        let deaths = [Death { event, handled: true }, Death { event: 2, handled: false }].into();
        let ended = RUNTIME.block_on(WAITING.run(&called, Plan { deaths, ..Plan::default() }, Post::NONE, &mut dice()));
        returned(&ended);
        let whole = &ended.last().trace;
        for run in &ended.runs {
            assert_eq!(run.trace, whole[..run.trace.len()]);
        }
    }
    holds("key_before_a_step");
}

#[durable]
async fn tells_the_time() -> Result<u64> {
    note(format!("now {}", crate::now()));
    let mut early = fast(1);
    let _ = futures::FutureExt::now_or_never(&mut early);
    for round in 0..3 {
        fast(round + 2).await?;
        super::slow(2).await?;
        note(format!("now {}", crate::now()));
    }
    // Older than what was taken before it: the time never goes back.
    early.await?;
    note(format!("now {}", crate::now()));
    Ok(1)
}

#[test]
fn now_is_the_largest_stamp_among_the_outcomes_taken_live_and_replayed() {
    holds("tells_the_time");
    let (_, ended) = live(&WAITING, "tells_the_time", serde_json::Value::Null);
    let mut now = ended.details.summary.started.unwrap();
    let mut stamps = ended.record().iter().map(|row| (row.stamp, takes(row)));
    let mut told = vec![now];
    // The early one stands anywhere; the others in order, a note after every second one.
    let mut taken = 0;
    let early = stamps.clone().find(|(_, argument)| argument.as_deref() == Some("1")).unwrap().0;
    for (stamp, _) in stamps.by_ref().filter(|(_, argument)| argument.as_deref() != Some("1")) {
        now = now.max(stamp);
        taken += 1;
        if taken % 2 == 0 {
            told.push(now);
        }
    }
    told.push(now.max(early));
    let told: Vec<_> = told.into_iter().map(|stamp| format!("now {}", jiff::Timestamp::from(stamp))).collect();
    for run in ended.runs.iter().filter(|run| run.came.is_some()) {
        let noted: Vec<_> = run.trace.iter().filter(|word| word.starts_with("now")).cloned().collect();
        assert_eq!(noted, told);
    }
}

/// The argument of a recorded `fast`.
fn takes(row: &Row) -> Option<String> {
    let RowKind::Outcome(outcome) = &row.kind else { return None };
    let view = crate::encoding::view(&outcome.arguments).ok()?;
    Some(view.get("argument")?.to_string())
}

static BODIES: AtomicU32 = AtomicU32::new(0);
/// Held by each test whose function's bodies are counted.
static COUNTING: Mutex<()> = Mutex::new(());

#[step]
async fn noticed(argument: u64) -> Result<u64> {
    BODIES.fetch_add(1, Ordering::SeqCst);
    Ok(argument)
}

#[durable]
async fn calls_two() -> Result<u64> {
    let other = noticed(9);
    let (one, _) = tokio::join!(noticed(1), other);
    let two = noticed(2).await?;
    Ok(one? + two)
}

/// The row of the step with this argument, changed.
fn changed(record: &[Row], argument: &str, change: impl Fn(&mut Outcome)) -> Vec<Row> {
    let mut record = record.to_vec();
    let row = record.iter_mut().find(|row| takes(row).as_deref() == Some(argument)).unwrap();
    let RowKind::Outcome(outcome) = &mut row.kind else { panic!("{row:?}") };
    change(outcome);
    record
}

#[test]
fn a_record_that_does_not_fit_is_diverged_before_any_body_starts() {
    let _alone = COUNTING.held();
    let (called, ended) = live(&WAITING, "calls_two", serde_json::Value::Null);
    returned(&ended);
    let before = BODIES.load(Ordering::SeqCst);
    // The first step is recorded under a name that isn't called; the one beside it has no outcome yet.
    let only: Vec<_> = ended.record().iter().filter(|row| takes(row).as_deref() == Some("1")).cloned().collect();
    for record in [
        changed(&only, "1", |outcome| outcome.key.name = "gone".into()),
        changed(&only, "1", |outcome| outcome.key.digest = Digest([7; 16])),
        changed(&only, "1", |outcome| outcome.key.ordinal = 1),
    ] {
        let on = RUNTIME.block_on(WAITING.go_on(&called, &ended, &record, Plan::default(), Post::NONE, &mut dice()));
        let error = on.finished.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Diverged, "{error}");
        let words = error.messages().concat();
        let both =
            words.contains(r#"{"argument":1}"#) && (words.contains("called with") || words.contains("last call"));
        assert!(both && words.contains("version = 2"), "both sides and the way out: {words}");
        assert_eq!(on.details.summary.status, Status::Parked);
        assert_eq!(on.details.record.len(), 1, "nothing is lost");
        assert!(on.runs[0].started.is_empty());
    }
    assert_eq!(BODIES.load(Ordering::SeqCst), before, "no body began");
}

#[test]
fn a_diverged_execution_goes_on_once_code_that_fits_is_there() {
    let _alone = COUNTING.held();
    let (called, ended) = live(&WAITING, "calls_two", serde_json::Value::Null);
    let record = changed(ended.record(), "1", |outcome| outcome.key.name = "gone".into());
    let replayed = WAITING.replay(&called, &ended, record);
    assert!(matches!(&replayed.came, Some(Came::Fault(fault)) if fault.starts_with("diverged")), "{replayed:?}");
    // Parking it for good wrote nothing into the record: it still replays.
    let replayed = WAITING.replay(&called, &ended, ended.record().to_vec());
    assert_eq!(replayed.came, ended.last().came);
}

#[test]
fn a_row_of_another_build_with_other_arguments_is_drift() {
    let _alone = COUNTING.held();
    let (called, ended) = live(&WAITING, "calls_two", serde_json::Value::Null);
    let drifted = |build_differs: bool| {
        changed(ended.record(), "2", |outcome| {
            outcome.key.digest = Digest([7; 16]);
            outcome.build ^= u64::from(build_differs);
        })
    };
    let replayed = WAITING.replay(&called, &ended, drifted(true));
    assert_eq!(replayed.came, ended.last().came);
    assert_eq!(replayed.trace, ended.last().trace, "matched by kind, name and name-ordinal");
    assert_eq!(replayed.drifted, 1, "and known as drift");
    let replayed = WAITING.replay(&called, &ended, drifted(false));
    assert!(matches!(&replayed.came, Some(Came::Fault(fault)) if fault.starts_with("diverged")), "{replayed:?}");
    // Another build, but no call of that name-ordinal is left.
    let record = changed(&drifted(true), "2", |outcome| outcome.name_ordinal += 1);
    let replayed = WAITING.replay(&called, &ended, record);
    assert!(matches!(&replayed.came, Some(Came::Fault(fault)) if fault.starts_with("diverged")), "{replayed:?}");
}

#[test]
fn the_body_of_a_drifted_step_does_not_run_again() {
    let _alone = COUNTING.held();
    let (called, ended) = live(&WAITING, "calls_two", serde_json::Value::Null);
    let record = changed(ended.record(), "2", |outcome| {
        outcome.key.digest = Digest([7; 16]);
        outcome.build ^= 1;
    });
    let before = BODIES.load(Ordering::SeqCst);
    let on = RUNTIME.block_on(WAITING.go_on(&called, &ended, &record, Plan::default(), Post::NONE, &mut dice()));
    assert_eq!(returned(&on), returned(&ended));
    assert!(on.runs[0].started.is_empty());
    assert_eq!(BODIES.load(Ordering::SeqCst), before);
    let said = on.record().iter().filter(|row| match &row.kind {
        RowKind::Arrival { name, .. } => name.starts_with(".drift "),
        RowKind::Outcome(_) | RowKind::Cancel { .. } | RowKind::Deadline => false,
    });
    assert_eq!(said.count(), 1, "the timeline says so, once");
}
