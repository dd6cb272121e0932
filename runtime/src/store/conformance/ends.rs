//! How a claim ends: the end, release, parking; and who hears of it.

use std::time::Duration;

use super::case::{Case, call, eventually, id, request, signal, step, succeeded, watcher};
use crate::error::{ErrorKind, Result};
use crate::store::{
    Created, End, Epoch, Finished, Message, MessageBody, NewExecution, Refused, Stamp, Status, Value, Write,
};

pub(super) async fn an_end_is_final(case: Case) -> Result<()> {
    for (name, end, value) in [
        ("a", End::Succeeded, Value::Ok(vec![1])),
        ("b", End::Failed, Value::Err(vec![2])),
        ("c", End::Failed, Value::Fault(vec![3])),
        ("d", End::Cancelled, Value::Fault(vec![])),
    ] {
        let claimed = case.owned(name).await?;
        case.must(&claimed, step("one", 1)).await?;
        let finished = Finished { end, value };
        assert_eq!(case.must(&claimed, Write::End(finished.clone())).await?.seq, None);
        assert_eq!(case.write(&claimed, step("two", 2)).await, Err(Refused::Fenced));
        assert_eq!(case.write(&claimed, Write::End(succeeded(9))).await, Err(Refused::Fenced));
        assert!(!case.store.resume(id(name)).await?);
        assert!(!case.store.post(id(name), signal("late", "rating")).await?);
        let details = case.details(name).await?;
        assert_eq!((details.summary.status, details.finished), (Status::Ended(end), Some(finished.clone())));
        assert_eq!(details.record.len(), 1, "the record stays");
        let ends = case.store.finished(vec![id(name)]).await?;
        assert!(matches!(&ends[..], [(_, Ok(found))] if *found == finished), "{ends:?}");
    }
    case.claims_nothing().await
}

pub(super) async fn a_parked_execution_waits_for_resume(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.must(&claimed, step("one", 1)).await?;
    case.must(&claimed, Write::Park { reason: vec![5], until_build: None }).await?;
    assert_eq!(case.write(&claimed, step("two", 2)).await, Err(Refused::Fenced));
    let details = case.details("a").await?;
    assert_eq!((details.summary.status, details.summary.reason), (Status::Parked, Some(vec![5])));
    case.store.register(2).await?;
    case.claims_nothing().await?;
    assert!(case.store.finished(vec![id("a")]).await?[0].1.is_err(), "whoever waits for it is told");
    assert!(case.store.resume(id("a")).await?);
    let again = case.claim().await?;
    assert_eq!((again.epoch, again.parked, again.crashes), (Epoch(2), None, 0));
    assert!(!case.store.resume(id("a")).await?, "it is owned");
    Ok(())
}

pub(super) async fn a_parked_execution_waits_for_another_build(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.must(&claimed, Write::Park { reason: vec![5], until_build: Some(1) }).await?;
    case.store.register(1).await?;
    case.claims_nothing().await?;
    case.store.register(u64::MAX).await?;
    let again = case.claim().await?;
    assert_eq!((again.epoch, again.parked), (Epoch(2), None));
    Ok(())
}

pub(super) async fn a_released_execution_waits_for_its_time(case: Case) -> Result<()> {
    let first = case.owned("a").await?;
    let wake = Stamp::now().after(Duration::from_millis(1500));
    case.must(&first, Write::Release { wake: Some(wake) }).await?;
    case.claims_nothing().await?;
    let wakeups = case.store.wakeups(request(&case.worker, 1)).await?;
    assert_eq!((wakeups.due, wakeups.next), (false, Some(wake)));
    eventually("its time comes", || async { Ok(case.store.wakeups(request(&case.worker, 1)).await?.due) }).await?;
    let again = case.claim().await?;
    // Without a time, it waits for a message alone; `resume` makes it due, too.
    case.must(&again, Write::Release { wake: None }).await?;
    case.claims_nothing().await?;
    let wakeups = case.store.wakeups(request(&case.worker, 1)).await?;
    assert!(!wakeups.due && wakeups.next.is_none());
    assert!(case.store.resume(id("a")).await?);
    assert_eq!(case.claim().await?.epoch, Epoch(3));
    Ok(())
}

/// The message of an end.
fn ended(message: &str, execution: &str, value: u8) -> Message {
    Message { id: message.into(), body: MessageBody::Ended { execution: id(execution), finished: succeeded(value) } }
}

pub(super) async fn watchers_hear_of_an_end_once(case: Case) -> Result<()> {
    let parent = case.owned("parent").await?;
    case.must(&parent, Write::Release { wake: None }).await?;
    let new = |message: &str| NewExecution { watcher: Some(watcher("parent", message)), ..call("child", 2) };
    let child = case.owned_call(new("m1")).await?;
    assert!(matches!(case.store.create(new("m2")).await?, Created::Exists), "a second watcher is added");
    assert!(matches!(case.store.create(new("m1")).await?, Created::Exists), "the first stays one");
    case.must(&child, Write::End(succeeded(7))).await?;
    let mut inbox = case.store.inbox(id("parent")).await?;
    inbox.sort_by(|left, right| left.id.cmp(&right.id));
    assert_eq!(inbox, [ended("m1", "child", 7), ended("m2", "child", 7)]);
    assert_eq!(case.claim().await?.inbox.len(), 2, "the parent is due");
    assert!(matches!(case.store.create(new("m1")).await?, Created::Ended(_)));
    assert_eq!(case.store.inbox(id("parent")).await?.len(), 2, "heard once");
    Ok(())
}

pub(super) async fn a_late_watcher_hears_at_once(case: Case) -> Result<()> {
    let parent = case.owned("parent").await?;
    let child = case.owned_call(call("child", 2)).await?;
    case.must(&child, Write::End(succeeded(7))).await?;
    let late = NewExecution { watcher: Some(watcher("parent", "m")), ..call("child", 2) };
    assert!(matches!(case.store.create(late).await?, Created::Ended(finished) if finished == succeeded(7)));
    assert_eq!(case.store.inbox(id("parent")).await?, [ended("m", "child", 7)]);
    assert_eq!(case.store.wakeups(request(&case.worker, 1)).await?.arrived, [parent.id]);
    Ok(())
}

pub(super) async fn an_end_and_its_message_are_one(case: Case) -> Result<()> {
    // Whenever the child is seen as ended, the message is there.
    let parent = case.owned("parent").await?;
    for number in 0..20 {
        let name = format!("child-{number}");
        let new = NewExecution { watcher: Some(watcher("parent", &name)), ..call(&name, number) };
        let child = case.owned_call(new).await?;
        let (store, waited) = (case.store.clone(), child.id.clone());
        let seen = tokio::spawn(async move {
            while store.finished(vec![waited.clone()]).await?.is_empty() {}
            store.inbox(id("parent")).await
        });
        case.must(&child, Write::End(succeeded(number))).await?;
        let inbox = seen.await??;
        assert!(inbox.contains(&ended(&name, &name, number)), "ended, and no message");
    }
    // A watcher that has ended itself is no obstacle.
    case.must(&parent, Write::End(succeeded(0))).await?;
    let new = NewExecution { watcher: Some(watcher("parent", "late")), ..call("late", 99) };
    let late = case.owned_call(new).await?;
    case.must(&late, Write::End(succeeded(1))).await?;
    let new = NewExecution { watcher: Some(watcher("nobody", "m")), ..call("orphan", 98) };
    let orphan = case.owned_call(new).await?;
    case.must(&orphan, Write::End(succeeded(1))).await?;
    Ok(())
}

pub(super) async fn children_are_those_that_were_created(case: Case) -> Result<()> {
    let parent = case.owned("parent").await?;
    let child = |name: &str, number| NewExecution { parent: Some(id("parent")), ..call(name, number) };
    let first = case.owned_call(child("a", 2)).await?;
    case.store.create(child("b", 3)).await?;
    let parked = case.owned_call(child("c", 4)).await?;
    case.must(&parked, Write::Park { reason: vec![1], until_build: None }).await?;
    case.store.create(call("stranger", 5)).await?;
    // Joined, not created: it stays a stranger.
    case.store.create(child("stranger", 5)).await?;
    let mut children = case.store.children(parent.id.clone()).await?;
    children.sort();
    assert_eq!(children, [id("a"), id("b"), id("c")]);
    case.must(&first, Write::End(succeeded(1))).await?;
    assert_eq!(case.store.children(parent.id).await?.len(), 2, "open ones only");
    let unknown = case.store.resume(id("nobody")).await;
    assert_eq!(unknown.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    Ok(())
}
