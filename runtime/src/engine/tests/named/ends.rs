//! Cancellation and deadlines are rows like any other: when theirs is the turn, the function ends without another poll.

use super::super::harness::{Ended, Post, RUNTIME, WAITING};
use super::super::probe::{Came, Plan};
use super::{dice, fast, live, returned, slow};
use crate::store::{End, Row, RowKind, Value};
use crate::{Error, ErrorKind, Result, durable};

#[durable]
async fn four_outcomes() -> Result<u64> {
    let mut early = fast(0);
    let _ = futures::FutureExt::now_or_never(&mut early);
    let one = fast(1).await?;
    let (two, three) = tokio::join!(fast(one % 3), slow(1));
    Ok(two? + three? + early.await?)
}

/// The record with such a row at a place.
fn with(ended: &Ended, kind: &RowKind, at: usize) -> Vec<Row> {
    let mut record = ended.record().to_vec();
    let stamp = ended.details.summary.started.unwrap();
    record.insert(at, Row { seq: at as u64, stamp, kind: kind.clone() });
    record
}

fn ends_at_every_place(kind: &RowKind, as_error: ErrorKind, end: End) {
    let (called, ended) = live(&WAITING, "four_outcomes", serde_json::Value::Null);
    returned(&ended);
    let whole = ended.last();
    for at in 0..whole.turns.len() {
        let record = with(&ended, kind, at);
        let on = RUNTIME.block_on(WAITING.go_on(&called, &ended, &record, Plan::default(), Post::NONE, &mut dice()));
        let finished = on.finished.as_ref().unwrap();
        assert_eq!(finished.end, end, "at row {at}");
        let Value::Fault(bytes) = &finished.value else { panic!("{finished:?}") };
        let error: Error = crate::encoding::decode(bytes).unwrap();
        assert_eq!(error.kind(), as_error);
        let run = &on.runs[0];
        assert_eq!(run.turns, whole.turns[..=at], "nothing behind it has a turn");
        assert_eq!((run.trace.len(), run.polls), (whole.turns[at].words, whole.turns[at].polls), "no further poll");
        assert!(run.started.is_empty());
        assert_eq!(on.record().len(), record.len());
    }
    // Behind the outcome with which the function returns it comes too late.
    let replayed = WAITING.replay(&called, &ended, with(&ended, kind, ended.record().len()));
    assert_eq!(replayed.came, whole.came);
    assert!(matches!(replayed.came, Some(Came::Returned(_))));
}

#[test]
fn a_cancellation_has_its_turn_and_nothing_can_catch_it() {
    let kind = RowKind::Cancel { reason: "asked".into() };
    ends_at_every_place(&kind, ErrorKind::Cancelled, End::Cancelled);
}

#[test]
fn a_deadline_has_its_turn_and_nothing_can_catch_it() {
    ends_at_every_place(&RowKind::Deadline, ErrorKind::Timeout, End::Failed);
}
