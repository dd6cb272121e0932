//! Creating, claiming, taking back: one owner, and an epoch that rises.

use std::collections::HashSet;
use std::time::Duration;

use super::case::{
    Case, FUNCTION, call, claim_one, eventually, id, key, outcome, request, signal, step, succeeded, write,
};
use crate::error::{ErrorKind, Result};
use crate::store::{Attempt, ClaimRequest, Created, Epoch, NewExecution, Refused, Stamp, Status, Value, Write};

pub(super) async fn an_id_is_created_once(case: Case) -> Result<()> {
    assert!(matches!(case.store.create(call("a", 1)).await?, Created::New(None)));
    assert!(matches!(case.store.create(call("a", 1)).await?, Created::Exists));
    // Another version of the function is no other call.
    assert!(matches!(case.store.create(NewExecution { version: 2, ..call("a", 1) }).await?, Created::Exists));
    let claimed = case.claim().await?;
    assert_eq!((claimed.version, claimed.epoch), (1, Epoch(1)), "the first creation stands");
    assert!(matches!(case.store.create(call("a", 1)).await?, Created::Exists));
    case.must(&claimed, Write::End(succeeded(9))).await?;
    match case.store.create(call("a", 1)).await? {
        Created::Ended(finished) => assert_eq!(finished, succeeded(9)),
        other => panic_with(&other),
    }
    Ok(())
}

/// What a sweep took back, and whether the sweeper stands.
async fn swept(case: &Case) -> Result<(usize, bool)> {
    let swept = case.store.sweep(&case.worker).await?;
    Ok((swept.reclaimed, swept.standing))
}

fn panic_with(created: &Created) {
    assert!(matches!(created, Created::Ended(_)), "the result should be given: {created:?}");
}

pub(super) async fn another_call_under_an_id_is_a_mismatch(case: Case) -> Result<()> {
    case.store.create(call("a", 1)).await?;
    case.store.create(NewExecution { function: "other".into(), ..call("parent", 3) }).await?;
    let other = NewExecution { watcher: Some(super::case::watcher("parent", "m")), ..call("a", 2) };
    let created = case.store.create(other).await?;
    assert!(matches!(&created, Created::Mismatch { function } if &**function == FUNCTION), "{created:?}");
    let claimed = case.claim().await?;
    assert_eq!(claimed.arguments, vec![1; 3], "nothing was written over it");
    case.must(&claimed, Write::End(succeeded(1))).await?;
    assert!(case.store.inbox(id("parent")).await?.is_empty(), "a mismatch adds no watcher");
    Ok(())
}

pub(super) async fn a_creation_can_claim_at_once(case: Case) -> Result<()> {
    let claimed = case.owned_call(NewExecution { timeout: Some(Duration::from_secs(60)), ..call("a", 4) }).await?;
    assert_eq!((claimed.epoch, claimed.seed, claimed.crashes), (Epoch(1), u64::MAX - 4, 0));
    assert_eq!(claimed.deadline, Some(claimed.started.after(Duration::from_secs(60))));
    assert!(claimed.record.is_empty() && claimed.inbox.is_empty() && claimed.attempts.is_empty());
    case.claims_nothing().await?;
    assert_eq!(case.must(&claimed, step("a", 1)).await?.seq, Some(0));
    let details = case.details("a").await?;
    assert_eq!((details.summary.status, details.summary.owner), (Status::Running, Some(case.worker.clone())));
    assert_eq!(details.summary.deadline, claimed.deadline);
    Ok(())
}

pub(super) async fn a_later_start_is_kept(case: Case) -> Result<()> {
    let start = Stamp::now().after(Duration::from_millis(1500));
    let new = NewExecution {
        not_before: Some(start),
        timeout: Some(Duration::from_secs(1)),
        claim_for: Some(case.worker.clone()),
        ..call("a", 1)
    };
    assert!(matches!(case.store.create(new).await?, Created::New(None)), "what isn't due isn't claimed");
    case.claims_nothing().await?;
    let wakeups = case.store.wakeups(request(&case.worker, 1)).await?;
    assert_eq!((wakeups.due, wakeups.next), (false, Some(start)));
    assert_eq!(case.details("a").await?.summary.status, Status::Waiting);
    eventually("the start comes", || async { Ok(case.store.wakeups(request(&case.worker, 1)).await?.due) }).await?;
    let claimed = case.claim().await?;
    assert!(claimed.started >= start, "not claimed before");
    assert_eq!(claimed.deadline, Some(start.after(Duration::from_secs(1))), "its clock starts there");
    Ok(())
}

pub(super) async fn a_worker_claims_only_what_it_has(case: Case) -> Result<()> {
    case.store.create(NewExecution { version: 2, ..call("newer", 1) }).await?;
    case.store.create(NewExecution { function: "other".into(), ..call("other", 2) }).await?;
    case.claims_nothing().await?;
    let wakeups = case.store.wakeups(request(&case.worker, 1)).await?;
    assert!(!wakeups.due && wakeups.next.is_none(), "{wakeups:?}");
    let functions = [("other".into(), 1), (FUNCTION.into(), 2)].into();
    let claimed = case.store.claim(ClaimRequest { worker: case.worker.clone(), functions, limit: 10 }).await?;
    let claimed: HashSet<_> = claimed.iter().map(|claimed| claimed.id.to_string()).collect();
    assert_eq!(claimed, ["newer", "other"].map(str::to_owned).into());
    Ok(())
}

pub(super) async fn the_oldest_is_claimed_first(case: Case) -> Result<()> {
    for number in 0..5 {
        case.store.create(call(&format!("{}", 9 - number), number)).await?;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let claimed = case.store.claim(request(&case.worker, 2)).await?;
    let names: Vec<_> = claimed.iter().map(|claimed| claimed.id.to_string()).collect();
    assert_eq!(names, ["9", "8"]);
    assert_eq!(case.store.claim(request(&case.worker, 10)).await?.len(), 3);
    // Over functions, too.
    case.store.create(NewExecution { function: "other".into(), ..call("older", 1) }).await?;
    tokio::time::sleep(Duration::from_millis(3)).await;
    case.store.create(call("younger", 1)).await?;
    let functions = [(FUNCTION.into(), 1), ("other".into(), 1)].into();
    let claimed = case.store.claim(ClaimRequest { worker: case.worker.clone(), functions, limit: 1 }).await?;
    assert_eq!(claimed[0].id, id("older"));
    Ok(())
}

pub(super) async fn an_execution_has_one_owner(case: Case) -> Result<()> {
    let other = case.second().await?;
    for number in 0..40 {
        case.store.create(call(&format!("{number}"), number)).await?;
    }
    let claim = |case: &Case| {
        let (store, worker) = (case.store.clone(), case.worker.clone());
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            for _ in 0..20 {
                claimed.extend(store.claim(request(&worker, 3)).await?);
            }
            Ok::<_, crate::Error>(claimed)
        })
    };
    let (left, right) = (claim(&case), claim(&other));
    let (left, right) = (left.await??, right.await??);
    let ids: HashSet<_> = left.iter().chain(&right).map(|claimed| claimed.id.clone()).collect();
    assert_eq!((ids.len(), left.len() + right.len()), (40, 40), "each is claimed once");
    Ok(())
}

pub(super) async fn each_claim_raises_the_epoch(case: Case) -> Result<()> {
    let first = case.owned("a").await?;
    case.must(&first, Write::Release { wake: Some(Stamp(0)) }).await?;
    assert_eq!(case.write(&first, step("a", 1)).await, Err(Refused::Fenced), "the claim has ended");
    for epoch in 2..5 {
        let claimed = case.claim().await?;
        assert_eq!((claimed.epoch, claimed.started), (Epoch(epoch), first.started));
        assert_eq!(case.write(&first, step("a", 1)).await, Err(Refused::Fenced), "an old epoch");
        case.must(&claimed, step("a", 1)).await?;
        case.must(&claimed, Write::Release { wake: Some(Stamp(0)) }).await?;
    }
    assert_eq!(case.details("a").await?.record.len(), 3);
    Ok(())
}

pub(super) async fn a_claim_brings_all_that_is_needed(case: Case) -> Result<()> {
    let parent = case.owned_call(NewExecution { function: "other".into(), ..call("parent", 9) }).await?;
    let first = case.owned_call(NewExecution { parent: Some(parent.id), ..call("a", 1) }).await?;
    case.must(&first, step("one", 1)).await?;
    case.must(&first, step("two", 2)).await?;
    let attempt = Attempt {
        key: key("three", 0),
        failed: 2,
        spent: Duration::from_millis(1500),
        next: Stamp(77),
        error: vec![1],
        started: true,
    };
    case.must(&first, Write::Attempt(attempt.clone())).await?;
    case.must(&first, Write::Release { wake: Some(Stamp(0)) }).await?;
    case.store.post(id("a"), signal("m", "rating")).await?;
    let again = case.claim().await?;
    assert_eq!(again.record.len(), 2);
    assert_eq!(again.record[1].kind, outcome("two", 0, Value::Ok(vec![2])));
    assert_eq!(again.attempts, [attempt]);
    assert_eq!(again.inbox, [signal("m", "rating")]);
    let kept = (&again.function, again.version, &again.arguments, again.seed);
    assert_eq!(kept, (&first.function, first.version, &first.arguments, first.seed));
    assert_eq!(again.started, first.started);
    assert_eq!(case.must(&again, step("three", 3)).await?.seq, Some(2), "the record goes on where it was");
    Ok(())
}

pub(super) async fn what_a_leaving_worker_owned_is_due(case: Case) -> Result<()> {
    let other = case.second().await?;
    let claimed = case.owned("a").await?;
    case.must(&claimed, step("one", 1)).await?;
    case.store.leave(&case.worker).await?;
    assert_eq!(case.write(&claimed, step("two", 2)).await, Err(Refused::Fenced));
    let again = claim_one(&other.store, &other.worker).await?;
    assert_eq!((again.epoch, again.crashes, again.record.len()), (Epoch(2), 0, 1), "leaving isn't a crash");
    assert_eq!(swept(&other).await?, (0, true));
    let refused = case.store.claim(request(&case.worker, 1)).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Unavailable), "it is off the list");
    Ok(())
}

pub(super) async fn what_a_dead_worker_owned_is_taken_back(case: Case) -> Result<()> {
    let other = case.second().await?;
    let claimed = case.owned("a").await?;
    case.must(&claimed, step("one", 1)).await?;
    assert_eq!(swept(&other).await?, (0, true), "it lives");
    case.stores.kill(&case.store, &case.worker);
    assert_eq!(swept(&other).await?, (1, true));
    assert_eq!(case.write(&claimed, step("two", 2)).await, Err(Refused::Fenced), "a zombie can't write");
    let again = claim_one(&other.store, &other.worker).await?;
    assert_eq!((again.epoch, again.crashes, again.record.len()), (Epoch(2), 1, 1));
    assert_eq!(case.write(&claimed, Write::End(succeeded(0))).await, Err(Refused::Fenced));
    assert_eq!(write(&other.store, &again, step("two", 2)).await.map(|done| done.seq), Ok(Some(1)));
    Ok(())
}

pub(super) async fn what_a_hung_worker_owned_is_taken_back(case: Case) -> Result<()> {
    let other = case.second().await?;
    if std::sync::Arc::ptr_eq(&case.store, &other.store) {
        return hung_together(case).await;
    }
    let claimed = case.owned("a").await?;
    case.stores.hang(&case.store);
    eventually("it is found hung", || async { Ok(other.store.sweep(&other.worker).await?.reclaimed == 1) }).await?;
    assert_eq!(case.write(&claimed, step("one", 1)).await, Err(Refused::Fenced));
    assert!(!case.store.sweep(&case.worker).await?.standing, "it learns that it lost all");
    assert_eq!(claim_one(&other.store, &other.worker).await?.epoch, Epoch(2));
    Ok(())
}

/// On a store within one process all workers hang together: a new one finds the old.
async fn hung_together(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.stores.hang(&case.store);
    let observer = case.store.register(1).await?;
    eventually("it is found hung", || async { Ok(case.store.sweep(&observer).await?.reclaimed == 1) }).await?;
    assert_eq!(case.write(&claimed, step("one", 1)).await, Err(Refused::Fenced));
    Ok(())
}

pub(super) async fn a_worker_is_fenced_after_its_sweep(case: Case) -> Result<()> {
    let other = case.second().await?;
    let owned = case.owned("a").await?;
    case.stores.kill(&case.store, &case.worker);
    other.store.sweep(&other.worker).await?;
    // Its own sweep says so, its claims are refused, and a creation isn't claimed for it.
    assert!(!case.store.sweep(&case.worker).await?.standing);
    assert!(case.store.claim(request(&case.worker, 1)).await.is_err());
    let new = NewExecution { claim_for: Some(case.worker.clone()), ..call("b", 2) };
    assert!(matches!(case.store.create(new).await?, Created::New(None)));
    assert_eq!(case.write(&owned, Write::Release { wake: None }).await, Err(Refused::Fenced));
    // Registered anew, it is another worker.
    let anew = case.store.register(1).await?;
    assert_ne!(anew, case.worker);
    assert_eq!(case.store.claim(request(&anew, 10)).await?.len(), 2);
    assert_eq!(case.write(&owned, step("one", 1)).await, Err(Refused::Fenced));
    Ok(())
}

pub(super) async fn crashes_count_until_there_is_a_row(case: Case) -> Result<()> {
    let observer = case.second().await?;
    case.store.create(call("a", 1)).await?;
    let mut victim = case.worker.clone();
    for crashes in 0..3 {
        assert_eq!(claim_one(&case.store, &victim).await?.crashes, crashes);
        case.stores.kill(&case.store, &victim);
        observer.store.sweep(&observer.worker).await?;
        victim = case.store.register(1).await?;
    }
    let claimed = claim_one(&case.store, &victim).await?;
    assert_eq!(claimed.crashes, 3);
    case.must(&claimed, step("one", 1)).await?;
    case.stores.kill(&case.store, &victim);
    observer.store.sweep(&observer.worker).await?;
    let claimed = claim_one(&observer.store, &observer.worker).await?;
    assert_eq!(claimed.crashes, 1, "a row sets the count to 0");
    observer.must(&claimed, Write::Release { wake: None }).await?;
    assert!(observer.store.resume(id("a")).await?);
    assert_eq!(claim_one(&observer.store, &observer.worker).await?.crashes, 0, "and so does who resumes it");
    Ok(())
}
