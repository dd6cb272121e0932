//! Values and names that are large or odd.

use super::*;
use crate::store::conformance::case::{call, id, key, outcome, signal, step};
use crate::store::{Attempt, Finished, Kind, Outcome, RowKind, Stamp, Value, Write};

#[tokio::test(flavor = "multi_thread")]
async fn values_larger_than_a_document_come_back() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    let large = |byte: u8| vec![byte; 20 << 20];
    let new = NewExecution { arguments: large(1), ..call("a", 1) };
    let claimed = case.owned_call(new).await.unwrap();
    let row = RowKind::Outcome(Outcome {
        kind: Kind::Step,
        key: key("large", 0),
        name_ordinal: 0,
        arguments: large(2),
        value: Value::Ok(large(3)),
        attempts: 1,
        build: 1,
    });
    assert_eq!(case.must(&claimed, step("small", 1)).await.unwrap().seq, Some(0));
    case.must(&claimed, Write::Row { row: row.clone(), from: None }).await.unwrap();
    case.must(&claimed, Write::Release { wake: Some(Stamp(0)) }).await.unwrap();
    let again = case.claim().await.unwrap();
    assert!(again.arguments == large(1));
    assert_eq!(again.record.len(), 2);
    assert!(again.record[1].kind == row, "the row is the same");
    let mut message = signal("m", "rating");
    if let crate::store::MessageBody::Signal { payload, .. } = &mut message.body {
        *payload = large(4);
    }
    assert!(store.post(id("a"), message.clone()).await.unwrap());
    assert!(store.inbox(id("a")).await.unwrap() == [message]);
    let finished = Finished { end: crate::store::End::Succeeded, value: Value::Ok(large(5)) };
    case.must(&again, Write::End(finished.clone())).await.unwrap();
    assert!(store.finished(vec![id("a")]).await.unwrap()[0].1.as_ref().is_ok_and(|found| *found == finished));
    assert!(store.shared.tables.blobs.count_documents(doc! {}).await.unwrap() >= 10);
    // With the execution go its pieces.
    let retention = Retention { executions: Duration::ZERO, tombstones: Duration::from_secs(3600) };
    while store.details(id("a")).await.unwrap().is_some() {
        store.purge(retention).await.unwrap();
    }
    assert_eq!(store.shared.tables.blobs.count_documents(doc! {}).await.unwrap(), 0);
    assert_eq!(store.shared.tables.inbox.count_documents(doc! {}).await.unwrap(), 0);
    assert_eq!(store.shared.tables.log.count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_ids_are_ids() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    // Among them such as begin as another's, or as its keys are made.
    let names = ["a", "a:", "a:b", "1:a:", "$a.b", "ü\u{1F600}", " ", "a\0b", "{\"e\":1}", &"x".repeat(255)];
    for (number, name) in names.iter().enumerate() {
        let claimed = case.owned_call(call(name, number as u8)).await.unwrap();
        case.must(&claimed, step("one", number as u8)).await.unwrap();
        assert!(store.post(id(name), signal("$m:\0", "rating")).await.unwrap());
        assert!(!store.post(id(name), signal("$m:\0", "rating")).await.unwrap());
    }
    for (number, name) in names.iter().enumerate() {
        let details = case.details(name).await.unwrap();
        assert_eq!(details.record.len(), 1, "{name:?}");
        assert_eq!(details.record[0].kind, outcome("one", 0, Value::Ok(vec![number as u8])));
        assert_eq!(details.inbox.len(), 1, "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_for_years_fill_no_log() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    let claimed = case.owned("a").await.unwrap();
    for failed in 1..=30 {
        let attempt = Attempt {
            key: key("flaky", 0),
            failed,
            spent: Duration::ZERO,
            next: Stamp(0),
            error: vec![1],
            started: false,
        };
        case.must(&claimed, Write::Attempt(attempt)).await.unwrap();
    }
    assert_eq!(case.details("a").await.unwrap().attempts[0].failed, 30);
    let kept = || async { store.shared.tables.log.count_documents(doc! {}).await.unwrap() };
    for _ in 0..100 {
        if kept().await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(kept().await, 1, "the last one is enough");
    assert_eq!(case.must(&claimed, step("flaky", 1)).await.unwrap().seq, Some(0));
}
