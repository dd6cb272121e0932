//! Many handles at once: each execution has one owner, and each is found by someone.

use std::collections::HashSet;

use super::*;
use crate::store::conformance::case::{Case, call, eventually, id, request, step, write};
use crate::store::{Epoch, Refused, Stamp, Write};

async fn handles(count: usize) -> Vec<(Case, Arc<MongoStore>)> {
    let database = server::new_database();
    let mut handles = Vec::new();
    for _ in 0..count {
        handles.push(case_on(hasty(&database)).await);
    }
    handles
}

/// A sweep that set out when another owned the execution, and comes to its fence late.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_fence_of_an_earlier_owner_stops_nobody_for_ever() {
    let (case, store) =
        case_on(MongoOptions { lease: Duration::from_secs(60), ..hasty(&server::new_database()) }).await;
    let first = case.owned("a").await.unwrap();
    case.must(&first, Write::Release { wake: Some(Stamp(0)) }).await.unwrap();
    let second = case.claim().await.unwrap();
    store.shared.fence_one(&second.id, first.epoch).await.unwrap();
    // Before the new owner's first row, there is no telling whose place it is.
    assert_eq!(case.write(&second, step("one", 1)).await, Err(Refused::Fenced));
    eventually("it is due again", || async { Ok(store.wakeups(request(&case.worker, 1)).await?.due) }).await.unwrap();
    let third = case.claim().await.unwrap();
    assert_eq!(third.epoch, Epoch(3));
    case.must(&third, step("one", 1)).await.unwrap();
    store.shared.fence_one(&third.id, first.epoch).await.unwrap();
    case.must(&third, step("two", 2)).await.unwrap();
    assert_eq!(case.details("a").await.unwrap().record.len(), 2);
}

/// Between a claim and the look at its log, a worker may be taken for dead: it must not go on behind its own fence.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_fenced_before_its_log_was_read_is_none() {
    let (case, store) =
        case_on(MongoOptions { lease: Duration::from_secs(60), ..hasty(&server::new_database()) }).await;
    let first = case.owned("a").await.unwrap();
    case.must(&first, step("one", 1)).await.unwrap();
    case.must(&first, Write::Release { wake: Some(Stamp(0)) }).await.unwrap();
    let second = case.claim().await.unwrap();
    store.shared.fence_one(&second.id, second.epoch).await.unwrap();
    let found = store.shared.tables.executions.find_one(doc! { "_id": "a" }).await.unwrap().unwrap();
    assert!(store.shared.filled(&case.worker, vec![found]).await.unwrap().is_empty());
    eventually("it is due again", || async { Ok(store.wakeups(request(&case.worker, 1)).await?.due) }).await.unwrap();
    let third = case.claim().await.unwrap();
    assert_eq!(third.epoch, Epoch(3));
    case.must(&third, step("two", 2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_execution_holds_no_other_up() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    for name in ["a", "b", "c"] {
        store.create(call(name, 1)).await.unwrap();
    }
    let tables = &store.shared.tables;
    tables.executions.update_one(doc! { "_id": "a" }, doc! { "$unset": { "seed": 1 } }).await.unwrap();
    let claimed = tokio::time::timeout(Duration::from_secs(5), store.claim(request(&case.worker, 10))).await;
    let claimed = claimed.expect("it isn't read for ever").unwrap();
    assert_eq!(claimed.iter().map(|claimed| &*claimed.id.0).collect::<Vec<_>>(), ["b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_nobody_knows_of_is_taken_back() {
    let (case, store) =
        case_on(MongoOptions { lease: Duration::from_secs(60), ..hasty(&server::new_database()) }).await;
    let held = case.owned("held").await.unwrap();
    store.create(call("a", 1)).await.unwrap();
    // What a request does that the server takes up after its sender has given it up.
    let claim = doc! { "owner": &*case.worker.0, "token": "late", "epoch": 1_i64, "started": 1_i64 };
    let late = doc! { "$set": claim, "$unset": { "due": "", "queue": "" } };
    store.shared.tables.executions.update_one(doc! { "_id": "a" }, late).await.unwrap();
    eventually("it is due again", || async {
        store.sweep(&case.worker).await?;
        Ok(store.wakeups(request(&case.worker, 1)).await?.due)
    })
    .await
    .unwrap();
    let claimed = case.claim().await.unwrap();
    assert_eq!((&*claimed.id.0, claimed.epoch), ("a", Epoch(2)));
    for _ in 0..40 {
        store.sweep(&case.worker).await.unwrap();
    }
    case.must(&held, step("one", 1)).await.unwrap();
    case.must(&claimed, step("one", 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_race_for_executions_with_short_leases() {
    let handles = handles(8).await;
    for number in 0..200 {
        handles[number % 8].1.create(call(&format!("{number}"), number as u8)).await.unwrap();
    }
    // On a busy machine a lease may be over before it is renewed: then another takes the execution over, and what the
    // first still writes is refused.
    let races = handles.iter().map(|(case, store)| {
        let (mut worker, store) = (case.worker.clone(), store.clone() as Arc<dyn Store>);
        tokio::spawn(async move {
            let (mut claims, mut rows) = (Vec::new(), Vec::new());
            for _ in 0..15 {
                for claimed in store.claim(request(&worker, 7)).await.unwrap_or_default() {
                    let written = write(&store, &claimed, step("one", 1)).await;
                    assert!(matches!(written, Ok(_) | Err(Refused::Fenced)), "{written:?}");
                    rows.extend(written.is_ok().then(|| claimed.id.clone()));
                    claims.push((claimed.id, claimed.epoch));
                }
                if !store.sweep(&worker).await.unwrap().standing {
                    worker = store.register(1).await.unwrap();
                }
            }
            (claims, rows)
        })
    });
    let (mut claims, mut rows) = (Vec::new(), Vec::new());
    for race in races.collect::<Vec<_>>() {
        let (claimed, written) = race.await.unwrap();
        claims.extend(claimed);
        rows.extend(written);
    }
    let ids: HashSet<_> = claims.iter().map(|(id, _)| id.clone()).collect();
    let different: HashSet<_> = claims.iter().collect();
    assert_eq!((ids.len(), different.len()), (200, claims.len()), "each is claimed, and once under each epoch");
    for id in ids {
        let record = handles[0].0.details(&id.0).await.unwrap().record;
        assert_eq!(record.len(), rows.iter().filter(|row| **row == id).count(), "{id}: what was acknowledged is there");
    }
    conformance::case::sound(&*handles[0].1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_claims_at_once_get_a_thousand() {
    let (case, store) = handles(1).await.pop().unwrap();
    let creations = (0..1000).map(|number| store.create(call(&format!("{number}"), number as u8)));
    for created in futures::future::join_all(creations).await {
        created.unwrap();
    }
    let mut left = 1000;
    let mut ids = HashSet::new();
    while left > 0 {
        let claims = (0..100).map(|_| store.claim(request(&case.worker, 10)));
        let mut some = 0;
        for claimed in futures::future::join_all(claims).await {
            for claimed in claimed.unwrap() {
                assert!(ids.insert(claimed.id), "claimed once");
                some += 1;
            }
        }
        assert!(some > 0, "someone gets something");
        left -= some;
    }
    assert_eq!(store.claim(request(&case.worker, 10)).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sweeps_at_once_count_each_execution_once() {
    let mut handles = handles(3).await;
    let (victim, _) = handles.remove(0);
    for number in 0..30 {
        let claimed = victim.owned_call(call(&format!("{number}"), number)).await.unwrap();
        if number % 2 == 0 {
            victim.must(&claimed, step("one", 1)).await.unwrap();
        }
    }
    expire(&victim, &handles[0].1).await;
    let sweeps = handles.iter().map(|(case, store)| store.sweep(&case.worker));
    let swept = futures::future::join_all(sweeps).await;
    let reclaimed: usize = swept.into_iter().map(|swept| swept.unwrap().reclaimed).sum();
    assert_eq!(reclaimed, 30);
    let (case, store) = &handles[0];
    let claimed = store.claim(request(&case.worker, 100)).await.unwrap();
    assert_eq!(claimed.len(), 30);
    for claimed in claimed {
        assert_eq!((claimed.epoch, claimed.crashes), (Epoch(2), 1), "one death, however many saw it: {}", claimed.id);
        case.must(&claimed, step("two", 2)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_takes_up_a_dead_worker_at_a_time() {
    let mut handles = handles(3).await;
    let (victim, _) = handles.remove(0);
    let ((one, first), (two, second)) = (handles.remove(0), handles.remove(0));
    let dead = &*victim.worker.0;
    assert!(first.shared.is_taken_up(dead, &one.worker).await.unwrap());
    assert!(!second.shared.is_taken_up(dead, &two.worker).await.unwrap());
    assert!(first.shared.is_taken_up(dead, &one.worker).await.unwrap(), "again, after a failure");
    // It dies, too.
    tokio::time::sleep(first.shared.options.lease * 2).await;
    assert!(second.shared.is_taken_up(dead, &two.worker).await.unwrap());
    assert!(!first.shared.is_taken_up(dead, &one.worker).await.unwrap());
    assert!(!first.shared.is_taken_up("nobody", &one.worker).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_taken_for_dead_takes_nothing_back() {
    let mut handles = handles(2).await;
    let (victim, victims) = handles.remove(0);
    let (case, store) = handles.remove(0);
    victim.owned("a").await.unwrap();
    let dead = doc! { "$set": { "dead": true } };
    store.shared.tables.workers.update_many(doc! {}, dead).await.unwrap();
    let swept = victims.sweep(&victim.worker).await.unwrap();
    assert_eq!((swept.reclaimed, swept.standing), (0, false));
    assert!(!store.sweep(&case.worker).await.unwrap().standing);
    let again = store.register(1).await.unwrap();
    assert_eq!(store.sweep(&again).await.unwrap().reclaimed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_died_half_way_is_done_again() {
    let mut handles = handles(2).await;
    let (victim, victims) = handles.remove(0);
    let (case, store) = handles.remove(0);
    let claimed = victim.owned("a").await.unwrap();
    victim.must(&claimed, step("one", 1)).await.unwrap();
    expire(&victim, &store).await;
    // The first sweep got as far as its fence.
    store.shared.fence_one(&id("a"), claimed.epoch).await.unwrap();
    assert_eq!(store.sweep(&case.worker).await.unwrap().reclaimed, 1);
    assert_eq!(victim.write(&claimed, step("two", 2)).await, Err(Refused::Fenced));
    assert_eq!(victim.write(&claimed, Write::Release { wake: None }).await, Err(Refused::Fenced));
    let again = case.claim().await.unwrap();
    assert_eq!((again.crashes, again.record.len()), (1, 1), "the fence is one");
    case.must(&again, step("two", 2)).await.unwrap();
    assert!(!victims.sweep(&victim.worker).await.unwrap().standing);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_quicker_than_the_fence_is_fenced_behind_it() {
    let mut handles = handles(2).await;
    let (victim, _) = handles.remove(0);
    let (_, store) = handles.remove(0);
    let claimed = victim.owned("a").await.unwrap();
    let writing = async {
        let mut written = 0;
        while victim.write(&claimed, step("one", 1)).await.is_ok() {
            written += 1;
        }
        written
    };
    let fencing = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        store.shared.fence_one(&id("a"), claimed.epoch).await.unwrap();
    };
    let (written, ()) = tokio::join!(writing, fencing);
    let log = store.shared.logs(&[id("a")]).await.unwrap().remove(&id("a")).unwrap();
    assert_eq!((log.record.len(), log.crashes(0), log.next), (written, 1, written as i64 + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_nobody_knows_is_dead() {
    let (case, store) = handles(1).await.pop().unwrap();
    let claimed = case.owned("a").await.unwrap();
    let stranger = doc! { "$set": { "owner": "a worker off the list" } };
    store.shared.tables.executions.update_one(doc! { "_id": "a" }, stranger).await.unwrap();
    eventually("it is taken back", || async { Ok(store.sweep(&case.worker).await?.reclaimed == 1) }).await.unwrap();
    assert_eq!(case.claim().await.unwrap().epoch, Epoch(2));
    assert_eq!(case.write(&claimed, step("one", 1)).await, Err(Refused::Fenced));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_died_before_its_watchers_heard_is_finished() {
    let (case, store) = handles(1).await.pop().unwrap();
    case.owned("parent").await.unwrap();
    let watched =
        NewExecution { watcher: Some(crate::store::conformance::case::watcher("parent", "m")), ..call("child", 2) };
    let child = case.owned_call(watched).await.unwrap();
    // As the owner leaves it when it dies after its first update.
    let ended = doc! { "$set": {
        "status": 1, "ended": 1_i64, "outcome": 1, "value": schema::binary(vec![7]), "tell": true, "left": 1_i64,
    }, "$unset": { "owner": "" } };
    store.shared.tables.executions.update_one(doc! { "_id": "child" }, ended).await.unwrap();
    assert!(store.finished(vec![child.id.clone()]).await.unwrap().is_empty(), "not before its watcher has heard");
    store.sweep(&case.worker).await.unwrap();
    assert_eq!(store.inbox(id("parent")).await.unwrap().len(), 1);
    assert_eq!(store.finished(vec![child.id]).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lives_is_left_alone() {
    let database = server::new_database();
    let options = || MongoOptions { lease: Duration::from_secs(1), ..hasty(&database) };
    let ((case, store), (other, others)) = (case_on(options()).await, case_on(options()).await);
    let claimed = case.owned("a").await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(others.sweep(&other.worker).await.unwrap().reclaimed, 0, "its lease is renewed");
    store.shared.frozen.store(true, Ordering::Relaxed);
    eventually("it is found dead", || async { Ok(others.sweep(&other.worker).await?.reclaimed == 1) }).await.unwrap();
    assert_eq!(case.write(&claimed, step("one", 1)).await, Err(Refused::Fenced));
}
