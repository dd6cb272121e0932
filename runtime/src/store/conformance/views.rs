//! What people and callers see.

use std::time::Duration;

use super::case::{Case, call, cancel, eventually, id, outcome, request, signal, step, succeeded, write};
use crate::error::{ErrorKind, Result};
use crate::store::{Filter, NewExecution, Refused, Stamp, Value, Write};

impl Case {
    async fn names(&self, filter: Filter) -> Result<Vec<String>> {
        Ok(self.store.list(filter).await?.into_iter().map(|summary| summary.id.to_string()).collect())
    }
}

pub(super) async fn a_list_has_pages(case: Case) -> Result<()> {
    let mut expected = Vec::new();
    for number in 0..25_u8 {
        let name = format!("{:02}", (number * 7) % 25);
        case.store.create(call(&name, number)).await?;
        expected.push(name);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    expected.reverse();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let before = seen.last().map(|last| id(last));
        let page = case.names(Filter { limit: 10, before, ..Filter::default() }).await?;
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, expected, "newest first");
    let unknown = case.store.list(Filter { limit: 1, before: Some(id("nobody")), ..Filter::default() }).await;
    assert_eq!(unknown.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    Ok(())
}

pub(super) async fn a_list_can_be_narrowed(case: Case) -> Result<()> {
    let other = |name: &str| NewExecution { function: "other".into(), ..call(name, 1) };
    case.store.create(other("ready")).await?;
    case.store.create(NewExecution { not_before: Some(Stamp(i64::MAX / 2)), ..other("later") }).await?;
    let asleep = case.owned_call(other("asleep")).await?;
    case.must(&asleep, Write::Release { wake: None }).await?;
    let parked = case.owned_call(other("parked")).await?;
    case.must(&parked, Write::Park { reason: vec![1], until_build: None }).await?;
    case.owned_call(NewExecution { parent: Some(id("parked")), ..call("running", 2) }).await?;
    for (name, end) in [("good", crate::store::End::Succeeded), ("bad", crate::store::End::Failed)] {
        let claimed = case.owned_call(other(name)).await?;
        case.must(&claimed, Write::End(crate::store::Finished { end, value: Value::Ok(vec![]) })).await?;
    }
    let status = |word: &str| Filter { status: Some(word.into()), limit: 10, ..Filter::default() };
    for (word, expected) in [
        ("ready", vec!["ready"]),
        ("waiting", vec!["asleep", "later"]),
        ("parked", vec!["parked"]),
        ("running", vec!["running"]),
        ("succeeded", vec!["good"]),
        ("failed", vec!["bad"]),
        ("cancelled", vec![]),
    ] {
        let mut names = case.names(status(word)).await?;
        names.sort();
        assert_eq!(names, expected, "{word}");
        for summary in case.store.list(status(word)).await? {
            assert_eq!(summary.status.name(), word);
        }
    }
    assert_eq!(case.store.list(status("asleep")).await.err().map(|error| error.kind()), Some(ErrorKind::Invalid));
    let function = Filter { function: Some("checkout".into()), limit: 10, ..Filter::default() };
    assert_eq!(case.names(function).await?, ["running"]);
    let parent = Filter { parent: Some(id("parked")), limit: 10, ..Filter::default() };
    assert_eq!(case.names(parent).await?, ["running"]);
    Ok(())
}

pub(super) async fn details_show_everything(case: Case) -> Result<()> {
    assert!(case.store.details(id("a")).await?.is_none());
    let claimed = case.owned("a").await?;
    case.must(&claimed, step("one", 1)).await?;
    case.store.post(id("a"), signal("m", "rating")).await?;
    case.store.post(id("a"), cancel("c")).await?;
    let details = case.details("a").await?;
    assert_eq!(details.arguments, vec![1; 3]);
    assert_eq!(details.inbox, [signal("m", "rating"), cancel("c")]);
    assert_eq!(details.record[0].kind, outcome("one", 0, Value::Ok(vec![1])));
    assert_eq!((details.summary.created, details.summary.started), (claimed.started, Some(claimed.started)));
    assert_eq!((&*details.summary.function, details.summary.version), ("checkout", 1));
    Ok(())
}

pub(super) async fn changes_are_announced_to_all_handles(case: Case) -> Result<()> {
    let other = case.second().await?;
    for (number, handle) in [&case.store, &other.store].into_iter().enumerate() {
        let mut changes = handle.changes();
        changes.mark_unchanged();
        case.store.create(call(&format!("{number}"), 1)).await?;
        let heard = tokio::time::timeout(Duration::from_secs(2), changes.changed()).await;
        assert!(matches!(heard, Ok(Ok(()))), "handle {number} heard nothing");
    }
    let wakeups = other.store.wakeups(request(&other.worker, 1)).await?;
    assert!(wakeups.due);
    Ok(())
}

pub(super) async fn ends_can_be_asked_for(case: Case) -> Result<()> {
    let ended = case.owned_call(call("ended", 1)).await?;
    case.must(&ended, Write::End(succeeded(3))).await?;
    let parked = case.owned_call(call("parked", 2)).await?;
    case.must(&parked, Write::Park { reason: vec![1], until_build: None }).await?;
    case.owned_call(call("running", 3)).await?;
    let asked = case.store.finished(["ended", "parked", "running", "nobody"].map(id).to_vec()).await?;
    let names: Vec<_> = asked.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["ended", "parked", "nobody"]);
    assert_eq!(asked[0].1.as_ref().ok(), Some(&succeeded(3)));
    assert!(asked[1].1.is_err());
    assert_eq!(asked[2].1.as_ref().err().map(crate::Error::kind), Some(ErrorKind::NotFound));
    Ok(())
}

pub(super) async fn a_report_has_facts(case: Case) -> Result<()> {
    for thorough in [false, true] {
        assert!(!case.store.report(thorough).await?.facts.is_empty());
        // On a busy machine a short lease may have run out just now: that is a problem, until it is renewed.
        let sound = || async { Ok(case.store.report(thorough).await?.problems.is_empty()) };
        eventually("a report without problems", sound).await?;
    }
    assert_eq!(case.store.digest_key(), case.second().await?.store.digest_key(), "one key for one store");
    let another = case.stores.fresh().await?;
    assert_ne!(case.store.digest_key(), another.digest_key());
    another.close().await;
    Ok(())
}

pub(super) async fn a_closed_store_says_so(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let ledger = std::sync::Arc::new(super::case::Ledger::default());
    for ticket in 0..50 {
        case.store.submit(super::case::submission(&claimed, step("one", 1), ledger.clone(), ticket));
    }
    case.store.close().await;
    assert_eq!(ledger.so_far(), 50, "what was submitted is written first");
    assert!(ledger.told(50).await.iter().all(|(_, result)| result.is_ok()));
    let refused = case.store.create(call("b", 2)).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Unavailable));
    let refused = case.store.details(id("a")).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Unavailable));
    assert_eq!(write(&case.store, &claimed, step("one", 1)).await, Err(Refused::Closed));
    Ok(())
}
