//! Rows and attempts: in order, fenced, and as they were written.

use std::sync::Arc;
use std::time::Duration;

use super::case::{Case, Ledger, id, key, outcome, step, submission, succeeded, write};
use crate::error::Result;
use crate::store::{Attempt, Claimed, Digest, Epoch, Key, Kind, Outcome, Refused, RowKind, Stamp, Value, Write};

pub(super) async fn rows_are_in_order_without_a_gap(case: Case) -> Result<()> {
    let executions = [case.owned("a").await?, case.owned_call(super::case::call("b", 2)).await?];
    // An owner for each: between executions there is no order.
    let ledgers = [Arc::new(Ledger::default()), Arc::new(Ledger::default())];
    for ticket in 0..200_u64 {
        let number = (ticket % 2) as usize;
        let claimed = &executions[number];
        let row = outcome("step", ticket as u32, Value::Ok(vec![ticket as u8]));
        case.store.submit(submission(claimed, Write::Row { row, from: None }, ledgers[number].clone(), ticket));
    }
    for (number, (name, ledger)) in ["a", "b"].iter().zip(ledgers).enumerate() {
        let told = ledger.told(100).await;
        for (place, (ticket, result)) in told.iter().enumerate() {
            assert_eq!(*ticket, (place * 2 + number) as u64, "told in the order of submission");
            assert_eq!(result.map(|done| done.seq), Ok(Some(place as u64)), "without a gap");
        }
        let record = case.details(name).await?.record;
        assert_eq!(record.len(), 100);
        for (place, row) in record.iter().enumerate() {
            let ticket = place * 2 + number;
            assert_eq!(row.kind, outcome("step", ticket as u32, Value::Ok(vec![ticket as u8])));
            assert_eq!(told[place].1.map(|done| done.stamp), Ok(row.stamp), "the stamp that was told");
        }
    }
    Ok(())
}

pub(super) async fn another_epoch_changes_nothing(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let writes = || {
        let attempt = Attempt {
            key: key("x", 0),
            failed: 1,
            spent: Duration::ZERO,
            next: Stamp(0),
            error: Vec::new(),
            started: false,
        };
        [
            step("one", 1),
            Write::Attempt(attempt),
            Write::End(succeeded(1)),
            Write::Release { wake: None },
            Write::Park { reason: vec![1], until_build: None },
        ]
    };
    for epoch in [0, 2, u64::MAX] {
        for what in writes() {
            let mistaken = Claimed { epoch: Epoch(epoch), ..claimed.clone() };
            let refused = write(&case.store, &mistaken, what).await;
            assert_eq!(refused, Err(Refused::Fenced), "epoch {epoch}");
        }
    }
    for what in writes() {
        let nobodys = Claimed { id: id("nobody"), ..claimed.clone() };
        assert_eq!(write(&case.store, &nobodys, what).await, Err(Refused::Fenced));
    }
    let details = case.details("a").await?;
    assert!(details.record.is_empty() && details.attempts.is_empty() && details.finished.is_none());
    assert_eq!(case.must(&claimed, step("one", 1)).await?.seq, Some(0), "the owner goes on");
    Ok(())
}

pub(super) async fn a_claim_that_ended_is_fenced_beside_later_ones(case: Case) -> Result<()> {
    let first = case.owned("first").await?;
    case.must(&first, Write::End(succeeded(1))).await?;
    // Whatever the store kept of the first claim may serve these now.
    let mut later = Vec::new();
    for number in 0..3 {
        later.push(case.owned(&format!("later-{number}")).await?);
    }
    for claimed in &later {
        let strayed = Claimed { slot: claimed.slot, ..first.clone() };
        assert_eq!(case.write(&strayed, step("one", 1)).await, Err(Refused::Fenced));
    }
    assert_eq!(case.write(&first, step("one", 1)).await, Err(Refused::Fenced));
    for claimed in &later {
        assert_eq!(case.must(claimed, step("one", 1)).await?.seq, Some(0), "nothing was written before");
    }
    assert!(case.details("first").await?.record.is_empty());
    Ok(())
}

pub(super) async fn stamps_never_fall(case: Case) -> Result<()> {
    let mut claimed = case.owned("a").await?;
    let mut last = claimed.started;
    for round in 0..5 {
        for _ in 0..3 {
            let done = case.must(&claimed, step("one", round)).await?;
            assert!(done.stamp >= last);
            last = done.stamp;
        }
        case.must(&claimed, Write::Release { wake: Some(Stamp(0)) }).await?;
        claimed = case.claim().await?;
    }
    let ended = case.must(&claimed, Write::End(succeeded(1))).await?;
    assert!(ended.stamp >= last);
    assert_eq!(case.details("a").await?.summary.ended, Some(ended.stamp));
    Ok(())
}

pub(super) async fn attempts_stay_until_their_outcome(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let attempt = |name: &str, failed: u32| Attempt {
        key: key(name, 0),
        failed,
        spent: Duration::from_millis(10),
        next: Stamp(5),
        error: vec![9],
        started: false,
    };
    for (name, failed) in [("one", 1), ("two", 1), ("one", 2)] {
        assert_eq!(case.must(&claimed, Write::Attempt(attempt(name, failed))).await?.seq, None);
    }
    let mut attempts = case.details("a").await?.attempts;
    attempts.sort_by(|left, right| left.key.name.cmp(&right.key.name));
    assert_eq!(attempts, [attempt("one", 2), attempt("two", 1)], "the last word on each");
    case.must(&claimed, step("one", 1)).await?;
    assert_eq!(case.details("a").await?.attempts, [attempt("two", 1)]);
    case.must(&claimed, Write::End(succeeded(1))).await?;
    assert!(case.details("a").await?.attempts.is_empty());
    Ok(())
}

pub(super) async fn all_kinds_of_rows_come_back(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let mut rows = Vec::new();
    for number in 1..=9 {
        let kind = Kind::of(number).unwrap_or(Kind::Step);
        for value in [Value::Ok(vec![]), Value::Err(vec![0, 255]), Value::Fault(vec![number; 70_000])] {
            rows.push(RowKind::Outcome(Outcome {
                kind,
                key: Key { name: "name.of:it/x-1".into(), digest: Digest([number; 16]), ordinal: u32::MAX },
                name_ordinal: rows.len() as u32,
                arguments: vec![number],
                value,
                attempts: 3,
                build: u64::MAX - u64::from(number),
            }));
        }
    }
    rows.push(RowKind::Arrival { name: "rating".into(), payload: vec![1, 2, 3] });
    rows.push(RowKind::Cancel { reason: "ünwanted".into() });
    rows.push(RowKind::Deadline);
    for row in &rows {
        case.must(&claimed, Write::Row { row: row.clone(), from: None }).await?;
    }
    let record: Vec<_> = case.details("a").await?.record.into_iter().map(|row| row.kind).collect();
    assert_eq!(record, rows);
    Ok(())
}
