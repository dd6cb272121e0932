//! Each event is told once, in its order, however often it is looked at.

use std::time::Duration;

use super::*;
use crate::encoding::encode;
use crate::error::{Error, ErrorKind};
use crate::function::outcome::fault_bytes;
use crate::store::{Attempt, Digest, End, Epoch, Finished, Kind, Outcome, Row, RowKind, Summary, Value};

fn execution() -> Details {
    Details {
        summary: Summary {
            id: ExecutionId("order-42".into()),
            function: "checkout".into(),
            version: 1,
            status: Status::Ready,
            created: Stamp(1_000),
            started: None,
            ended: None,
            wake: None,
            deadline: None,
            parent: None,
            owner: None,
            epoch: Epoch(0),
            reason: None,
        },
        arguments: encode(&std::collections::BTreeMap::from([("order", "42")])).unwrap(),
        finished: None,
        record: Vec::new(),
        attempts: Vec::new(),
        inbox: Vec::new(),
    }
}

fn key() -> Key {
    Key { name: "charge".into(), digest: Digest([0; 16]), ordinal: 0 }
}

fn charged(seq: u64, stamp: i64) -> Row {
    let value = Value::Ok(encode("ch_1").unwrap());
    let arguments = Vec::new();
    let outcome = Outcome { kind: Kind::Step, key: key(), name_ordinal: 0, arguments, value, attempts: 2, build: 1 };
    Row { seq, stamp: Stamp(stamp), kind: RowKind::Outcome(outcome) }
}

fn failing(failed: u32) -> Attempt {
    let error = fault_bytes(&Error::new("refused"));
    Attempt { key: key(), failed, spent: Duration::ZERO, next: Stamp(5_000), error, started: false }
}

fn words(details: &Details, seen: &mut Seen, observed: i64) -> Vec<String> {
    let events = fresh(details, seen, Some(Stamp(observed)));
    events.iter().map(|event| event.line(None).written(false)[26..].to_owned()).collect()
}

#[test]
fn each_event_is_told_once() {
    let mut seen = Seen::default();
    let mut details = execution();
    assert_eq!(words(&details, &mut seen, 1_500), ["order-42  checkout  created {\"order\":\"42\"}"]);
    assert!(words(&details, &mut seen, 1_600).is_empty());

    details.summary.started = Some(Stamp(2_000));
    details.attempts = vec![failing(1)];
    assert_eq!(
        words(&details, &mut seen, 3_000),
        ["order-42  checkout  started", "order-42  checkout  attempt 1 of charge failed, next try in 2s: refused",]
    );
    assert!(words(&details, &mut seen, 3_100).is_empty());
    details.attempts = vec![failing(2)];
    assert_eq!(words(&details, &mut seen, 3_200).len(), 1);

    details.attempts.clear();
    details.record = vec![charged(0, 4_000)];
    assert_eq!(words(&details, &mut seen, 4_100), ["order-42  checkout  step charge after 2 attempts \"ch_1\""]);

    details.summary.status = Status::Parked;
    details.summary.reason = Some(fault_bytes(&Error::of(ErrorKind::Parked, "too many deaths")));
    assert_eq!(words(&details, &mut seen, 4_200), ["order-42  checkout  parked: too many deaths"]);
    assert!(words(&details, &mut seen, 4_300).is_empty());
    details.summary.status = Status::Running;
    assert_eq!(words(&details, &mut seen, 4_400), ["order-42  checkout  no longer parked"]);

    details.record.push(Row { seq: 1, stamp: Stamp(4_500), kind: RowKind::Cancel { reason: "twice".into() } });
    details.summary.status = Status::Ended(End::Cancelled);
    details.summary.ended = Some(Stamp(4_600));
    let value = Value::Fault(fault_bytes(&Error::of(ErrorKind::Cancelled, "it was cancelled")));
    details.finished = Some(Finished { end: End::Cancelled, value });
    assert_eq!(
        words(&details, &mut seen, 4_700),
        ["order-42  checkout  asked to end: twice", "order-42  checkout  cancelled: it was cancelled"]
    );
    assert!(words(&details, &mut seen, 4_800).is_empty());
}

#[test]
fn what_comes_into_sight_late_is_told_from_then_on() {
    let mut details = execution();
    details.summary.started = Some(Stamp(1_100));
    details.record = vec![charged(0, 1_200), charged(1, 3_000)];
    details.attempts = vec![failing(3)];
    let mut seen = Seen::since(&details, Stamp(2_000));
    assert_eq!(words(&details, &mut seen, 3_100), ["order-42  checkout  step charge after 2 attempts \"ch_1\""]);
}

#[test]
fn field_names_are_kept() {
    let mut details = execution();
    details.record = vec![charged(0, 4_000)];
    let events = fresh(&details, &mut Seen::default(), None);
    let json: Vec<_> = events.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    assert_eq!(
        json,
        [
            serde_json::json!({
                "at": "1970-01-01T00:00:01.000Z", "at_ms": 1000, "execution": "order-42", "function": "checkout",
                "event": "created", "arguments": { "order": "42" },
            }),
            serde_json::json!({
                "at": "1970-01-01T00:00:04.000Z", "at_ms": 4000, "execution": "order-42", "function": "checkout",
                "event": "outcome", "kind": "step", "name": "charge", "ordinal": 0, "attempts": 2,
                "arguments": null, "result": "ch_1", "error": null,
            }),
        ]
    );
}

#[test]
fn a_line_fits_the_terminal_and_no_value_fills_it() {
    let mut details = execution();
    let value = Value::Ok(encode(&"x".repeat(5_000)).unwrap());
    details.summary.ended = Some(Stamp(2_000));
    details.finished = Some(Finished { end: End::Succeeded, value });
    let lines = |width| {
        let events = fresh(&details, &mut Seen::default(), None);
        events.iter().map(|event| event.line(width).length()).max().unwrap()
    };
    assert!(lines(Some(100)) <= 100);
    assert!(lines(None) < 600);
}
