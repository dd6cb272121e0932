//! Golden text: an execution in each of its states, at 80 columns.

use serde::Serialize;

use super::*;
use crate::encoding::{MapWriter, encode, sealed};
use crate::error::{Error, ErrorKind};
use crate::function::outcome::fault_bytes;
use crate::store::{Digest, Epoch, ExecutionId, Finished, Key, WorkerId};

const START: i64 = 1_785_665_703_000;

fn map<T: Serialize>(entries: &[(&str, T)]) -> Vec<u8> {
    let mut map = MapWriter::default();
    for (name, value) in entries {
        map.add(name, encode(value).unwrap());
    }
    map.finish()
}

fn key(name: &str) -> Key {
    Key { name: name.to_owned().into(), digest: Digest([0; 16]), ordinal: 0 }
}

fn outcome(kind: Kind, name: &str, value: Value) -> Outcome {
    let arguments = map::<u8>(&[]);
    Outcome { kind, key: key(name), name_ordinal: 0, arguments, value, attempts: 1, build: 1 }
}

fn ok<T: Serialize>(value: T) -> Value {
    Value::Ok(encode(&value).unwrap())
}

fn rows(kinds: impl IntoIterator<Item = (i64, RowKind)>) -> Vec<Row> {
    let rows = kinds.into_iter().enumerate();
    rows.map(|(seq, (offset, kind))| Row { seq: seq as u64, stamp: Stamp(START + offset), kind }).collect()
}

fn details(status: Status) -> Details {
    let mut arguments = MapWriter::default();
    arguments.add("card", sealed(b"never shown"));
    arguments.add("order", encode(&("a longer value", "that is cut where the line ends", "and no earlier")).unwrap());
    Details {
        summary: Summary {
            id: ExecutionId("order-42".into()),
            function: "checkout".into(),
            version: 1,
            status,
            created: Stamp(START - 12),
            started: Some(Stamp(START)),
            ended: None,
            wake: None,
            deadline: None,
            parent: None,
            owner: None,
            epoch: Epoch(1),
            reason: None,
        },
        arguments: arguments.finish(),
        finished: None,
        record: Vec::new(),
        attempts: Vec::new(),
        inbox: Vec::new(),
    }
}

fn shown(details: &Details, width: Option<usize>) -> Vec<String> {
    let view = View { now: Stamp(START + 182_000), width, full: false };
    lines(details, view).iter().map(|line| line.written(false)).collect()
}

#[test]
fn a_finished_execution_tells_its_story() {
    let mut details = details(Status::Ended(End::Succeeded));
    details.summary.ended = Some(Stamp(START + 63_000));
    details.summary.deadline = Some(Stamp(START + 7_200_000));
    details.summary.parent = Some(ExecutionId("day-1".into()));
    details.summary.epoch = Epoch(3);
    details.finished = Some(Finished { end: End::Succeeded, value: ok(map_like()) });
    let again = Outcome { name_ordinal: 1, attempts: 3, ..outcome(Kind::Step, "charge", ok("ch_2")) };
    let sleep = Outcome { arguments: map(&[("duration", "60s")]), ..outcome(Kind::Sleep, ".sleep", ok(())) };
    let signal =
        Outcome { arguments: map(&[("timeout", "604800s")]), ..outcome(Kind::Signal, "rating", ok(None::<u8>)) };
    let charge = outcome(Kind::Step, "charge", ok("ch_1"));
    let reserve = outcome(Kind::Transaction, "reserve_the_whole_order_at_once", ok(()));
    let start = outcome(Kind::Start, "mail", ok("order-42.mail.1"));
    let result = Outcome { attempts: 0, ..outcome(Kind::Child, ".result", Value::Ok(sealed(b"x"))) };
    details.record = rows([
        (12, RowKind::Outcome(charge)),
        (230, RowKind::Outcome(again)),
        (300, RowKind::Outcome(reserve)),
        (60_300, RowKind::Outcome(sleep)),
        (60_400, RowKind::Outcome(start)),
        (61_000, RowKind::Arrival { name: "note".into(), payload: encode(&5_u8).unwrap() }),
        (61_500, RowKind::Arrival { name: ".ended order-42.x.1".into(), payload: Vec::new() }),
        (62_000, RowKind::Outcome(signal)),
        (62_500, RowKind::Outcome(result)),
    ]);
    let expected = "\
order-42  succeeded
function  checkout, version 1
created   2026-08-02 10:15:02 UTC, 3m 2s ago
started   12ms later
ended     2026-08-02 10:16:06 UTC, after 1m 3s
deadline  2026-08-02 12:15:03 UTC
parent    day-1
claims    3

arguments
  card   •••
  order  [\"a longer value\",\"that is cut where the line ends\",\"and no earlier\"]

timeline
   +12ms  step         charge                        ✓ \"ch_1\"
  +230ms  step         charge #2                     ✓ 3 attempts \"ch_2\"
  +300ms  transaction  reserve_the_whole_order_at_…  ✓
     +1m  sleep        1m                            ✓
     +1m  start        mail                          ✓ started \"order-42.mail.1\"
  +1m 1s  signal       note                          ← 5
  +1m 1s  child        order-42.x.1                  · ended, and nobody waited for it
  +1m 2s  signal       rating                        ✓ none came within 7d
  +1m 2s  child        result                        ✓ •••

result
  {\"charge\":\"ch_2\",\"rating\":null}";
    assert_eq!(shown(&details, Some(80)).join("\n"), expected);
}

fn map_like() -> std::collections::BTreeMap<&'static str, Option<&'static str>> {
    [("charge", Some("ch_2")), ("rating", None)].into()
}

#[test]
fn a_waiting_execution_says_for_what_and_until_when() {
    let mut details = details(Status::Waiting);
    details.arguments = map::<u8>(&[]);
    details.summary.wake = Some(Stamp(START + 185_000));
    details.summary.deadline = Some(Stamp(START + 7_200_000));
    details.attempts = vec![
        Attempt {
            key: key("charge"),
            failed: 2,
            spent: Duration::from_secs(1),
            next: Stamp(START + 185_000),
            error: fault_bytes(&Error::new("connection refused").context("the provider can't be reached")),
            started: false,
        },
        Attempt {
            key: key("launch"),
            failed: 0,
            spent: Duration::ZERO,
            next: Stamp(0),
            error: Vec::new(),
            started: true,
        },
    ];
    let signal = MessageBody::Signal { name: "rating".into(), payload: encode(&5_u8).unwrap() };
    let ended = Finished { end: End::Failed, value: ok(()) };
    details.inbox = vec![
        Message { id: "1".into(), body: signal },
        Message { id: "2".into(), body: MessageBody::Cancel { reason: "ordered twice".into() } },
        Message { id: "3".into(), body: MessageBody::Ended { execution: ExecutionId("c".into()), finished: ended } },
    ];
    let expected = "\
order-42  waiting
function  checkout, version 1
created   2026-08-02 10:15:02 UTC, 3m 2s ago
started   12ms later
due       2026-08-02 10:18:08 UTC, in 3s
deadline  2026-08-02 12:15:03 UTC, in 1h 56m

timeline
    open  charge  … failed twice, next try in 3s
          the provider can't be reached
          caused by: connection refused
    open  launch  … begun, and never begun again

inbox
  signal  rating  5
  cancel  ordered twice
  ended   c  failed";
    assert_eq!(shown(&details, Some(80)).join("\n"), expected);
}

#[test]
fn a_parked_execution_shows_both_sides_within_the_terminal() {
    let mut details = details(Status::Parked);
    details.summary.owner = Some(WorkerId("w1".into()));
    let reason = "`checkout` went another way than its record: recorded is `charge` with {\"order\":\"order-42\"}, now \
                  it was called with {\"order\":\"order-43\"}. Deploy code that fits";
    details.summary.reason = Some(fault_bytes(&Error::of(ErrorKind::Diverged, reason)));
    let failed = Value::Fault(fault_bytes(&Error::of(ErrorKind::Timeout, "an attempt took longer than its timeout")));
    details.record =
        rows([(5, RowKind::Outcome(outcome(Kind::Step, "charge", failed))), (9, RowKind::Deadline), (10, cancel())]);
    let text = shown(&details, Some(50));
    assert!(text.iter().all(|line| length(line) <= 50), "{text:#?}");
    let expected = "\
order-42  parked
function  checkout, version 1
created   2026-08-02 10:15:02 UTC, 3m 2s ago
started   12ms later
worker    w1

arguments
  card   •••
  order  [\"a longer value\",\"that is cut where the…

timeline
   +5ms  step      charge  ✗
                   timeout: an attempt took longer
                   than its timeout
   +9ms  deadline          ✗ its time is up
  +10ms  cancel            ✗ ordered twice

parked because
  diverged: `checkout` went another way than its
  record: recorded is `charge` with
  {\"order\":\"order-42\"}, now it was called with
  {\"order\":\"order-43\"}. Deploy code that fits";
    assert_eq!(text.join("\n"), expected);
}

fn cancel() -> RowKind {
    RowKind::Cancel { reason: "ordered twice".into() }
}

#[test]
fn nothing_is_cut_where_no_terminal_is() {
    let mut details = details(Status::Ready);
    let long = "x".repeat(500);
    details.record = rows([(1, RowKind::Outcome(outcome(Kind::Step, "charge", ok(&long))))]);
    let text = shown(&details, None).join("\n");
    assert!(text.contains(&long));
    let full = View { now: Stamp(START), width: Some(80), full: true };
    let whole: String = lines(&details, full).iter().map(|line| line.written(false).trim().to_owned()).collect();
    assert_eq!(whole.matches('x').count(), 500);
}

#[test]
fn a_typed_error_of_the_users_is_shown_as_its_json_and_a_recorded_one_with_its_chain() {
    let mut details = details(Status::Ended(End::Failed));
    details.arguments = map::<u8>(&[]);
    let typed = Value::Err(encode(&std::collections::BTreeMap::from([("Declined", 51_u8)])).unwrap());
    let plain = Value::Err(encode(&Error::new("refused").context("no charge")).unwrap());
    details.record = rows([(1, RowKind::Outcome(outcome(Kind::Step, "charge", typed)))]);
    details.finished = Some(Finished { end: End::Failed, value: plain });
    let text = shown(&details, Some(80)).join("\n");
    let expected = "\
timeline
  +1ms  step  charge  ✗
              {\"Declined\":51}

error
  no charge
  caused by: refused";
    assert!(text.ends_with(expected), "{text}");
}
