//! What others send: taken into the inbox at most once, and from there into the record at most once.

use std::time::Duration;

use super::case::{Case, call, cancel, id, request, signal};
use crate::error::{ErrorKind, Result};
use crate::store::{Epoch, MAX_INBOX, NewExecution, Refused, RowKind, Stamp, Status, Write};

/// The row that a message becomes.
fn arrival(message: &str) -> Write {
    let row = RowKind::Arrival { name: "rating".into(), payload: message.as_bytes().to_vec() };
    Write::Row { row, from: Some(message.into()) }
}

pub(super) async fn a_message_is_taken_once(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    assert!(case.store.post(id("a"), signal("m", "rating")).await?);
    assert!(!case.store.post(id("a"), signal("m", "rating")).await?, "sent twice");
    assert_eq!(case.store.inbox(id("a")).await?.len(), 1);
    assert_eq!(case.must(&claimed, arrival("m")).await?.seq, Some(0));
    assert!(case.store.inbox(id("a")).await?.is_empty(), "it left the inbox with its row");
    assert_eq!(case.write(&claimed, arrival("m")).await, Err(Refused::Gone), "moved twice");
    assert_eq!(case.write(&claimed, arrival("never sent")).await, Err(Refused::Gone));
    assert!(!case.store.post(id("a"), signal("m", "rating")).await?, "sent again after it was taken");
    assert!(case.store.inbox(id("a")).await?.is_empty());
    let details = case.details("a").await?;
    assert_eq!(details.record.len(), 1);
    // Ids are an execution's own.
    case.owned_call(call("b", 2)).await?;
    assert!(case.store.post(id("b"), signal("m", "rating")).await?);
    Ok(())
}

pub(super) async fn messages_keep_their_order(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let names: Vec<String> = (0..20).map(|number| format!("{:02}", (number * 7) % 20)).collect();
    for name in &names {
        assert!(case.store.post(id("a"), signal(name, "rating")).await?);
    }
    case.must(&claimed, arrival(&names[3])).await?;
    let inbox: Vec<String> =
        case.store.inbox(id("a")).await?.iter().map(|message| message.id.as_ref().to_owned()).collect();
    let left: Vec<String> = names.iter().enumerate().filter(|(at, _)| *at != 3).map(|(_, name)| name.clone()).collect();
    assert_eq!(inbox, left);
    Ok(())
}

pub(super) async fn a_message_makes_a_waiting_execution_due(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let far = Stamp::now().after(Duration::from_secs(3600));
    case.must(&claimed, Write::Release { wake: Some(far) }).await?;
    case.claims_nothing().await?;
    assert!(case.store.post(id("a"), signal("m", "rating")).await?);
    assert!(case.store.wakeups(request(&case.worker, 1)).await?.due);
    let again = case.claim().await?;
    assert_eq!((again.epoch, again.inbox), (Epoch(2), vec![signal("m", "rating")]));
    Ok(())
}

pub(super) async fn a_message_before_the_release_makes_it_due(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.store.post(id("a"), signal("m", "rating")).await?;
    case.must(&claimed, Write::Release { wake: None }).await?;
    assert_eq!(case.claim().await?.inbox.len(), 1);
    Ok(())
}

pub(super) async fn an_owner_hears_of_its_messages(case: Case) -> Result<()> {
    let other = case.second().await?;
    let claimed = case.owned("a").await?;
    case.owned_call(call("b", 2)).await?;
    assert!(case.store.wakeups(request(&case.worker, 1)).await?.arrived.is_empty());
    other.store.post(id("a"), signal("m", "rating")).await?;
    other.store.post(id("a"), signal("n", "rating")).await?;
    assert_eq!(case.store.wakeups(request(&case.worker, 1)).await?.arrived, [id("a")]);
    assert!(other.store.wakeups(request(&other.worker, 1)).await?.arrived.is_empty(), "another's don't concern it");
    case.must(&claimed, arrival("m")).await?;
    case.must(&claimed, arrival("n")).await?;
    assert!(case.store.wakeups(request(&case.worker, 1)).await?.arrived.is_empty());
    Ok(())
}

pub(super) async fn only_a_cancellation_wakes_a_parked_one(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.must(&claimed, Write::Park { reason: vec![5], until_build: None }).await?;
    assert!(case.store.post(id("a"), signal("m", "rating")).await?);
    case.claims_nothing().await?;
    assert!(case.store.post(id("a"), cancel("c")).await?);
    let again = case.claim().await?;
    assert_eq!((again.parked.clone(), again.inbox.len()), (Some(vec![5]), 2), "it knows that it was parked");
    // So it does after a release, until the end or `resume`.
    case.must(&again, Write::Release { wake: Some(Stamp(0)) }).await?;
    assert_eq!(case.details("a").await?.summary.status, Status::Ready);
    assert_eq!(case.claim().await?.parked, Some(vec![5]));
    Ok(())
}

pub(super) async fn a_cancellation_before_parking_wakes_it(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.store.post(id("a"), cancel("c")).await?;
    case.must(&claimed, Write::Park { reason: vec![5], until_build: None }).await?;
    assert_eq!(case.claim().await?.parked, Some(vec![5]));
    Ok(())
}

pub(super) async fn a_signal_leaves_a_later_start_alone(case: Case) -> Result<()> {
    let start = Stamp::now().after(Duration::from_secs(3600));
    case.store.create(NewExecution { not_before: Some(start), ..call("a", 1) }).await?;
    assert!(case.store.post(id("a"), signal("m", "rating")).await?);
    case.claims_nothing().await?;
    assert!(case.store.post(id("a"), cancel("c")).await?);
    assert_eq!(case.claim().await?.inbox.len(), 2, "a cancellation needn't wait for the start");
    Ok(())
}

pub(super) async fn a_message_needs_an_execution(case: Case) -> Result<()> {
    let posted = case.store.post(id("nobody"), signal("m", "rating")).await;
    assert_eq!(posted.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    Ok(())
}

/// How many send at once.
const GROUP: u64 = 500;

pub(super) async fn an_inbox_is_bounded_but_for_a_cancellation(case: Case) -> Result<()> {
    case.owned("a").await?;
    // In groups: each caller has a limit, which all of them at once would meet on a busy machine.
    for group in 0..MAX_INBOX / GROUP {
        let numbers = group * GROUP..(group + 1) * GROUP;
        let posts = numbers.map(|number| case.store.post(id("a"), signal(&number.to_string(), "rating")));
        for posted in futures::future::join_all(posts).await {
            assert!(posted?);
        }
    }
    let error = case.store.post(id("a"), signal("one more", "rating")).await.err();
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::TooLarge));
    assert!(case.store.post(id("a"), cancel("stop")).await?, "what ends it still gets in");
    Ok(())
}
