//! A server that is away, and replies that get lost: nothing is lost or done twice, and work goes on by itself.

use std::time::Instant;

use super::proxy::Proxy;
use super::*;
use crate::ErrorKind;
use crate::store::conformance::case::{
    Case, Ledger, call, eventually, id, insert, outcome, request, signal, step, succeeded, update,
};
use crate::store::{Epoch, Refused, RowKind, Slot, Stamp, Swept, TransactionBody, Value, Verdict, WorkerId, Write};

async fn behind(proxy: &Proxy, limit: Duration) -> (Case, Arc<MongoStore>) {
    let mut options = hasty(&server::new_database());
    options.uri = proxy.uri();
    options.limit = limit;
    options.lease = Duration::from_secs(60);
    case_on(options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_reply_was_lost_is_written_once() {
    let proxy = Proxy::start(&server::address()).await;
    let (case, store) = behind(&proxy, Duration::from_secs(20)).await;
    let claimed = case.owned("a").await.unwrap();
    case.must(&claimed, step("one", 1)).await.unwrap();
    // The driver itself sends an insert again once: so often that both are lost.
    proxy.cut_replies("insert", "outlast.log", 4);
    let ledger = Arc::new(Ledger::default());
    for ticket in 0..5 {
        let (execution, epoch, owner) = (claimed.id.clone(), claimed.epoch, ledger.clone());
        store.submit(Submission {
            execution,
            epoch,
            slot: Slot::default(),
            write: step("more", ticket as u8),
            owner,
            ticket,
        });
    }
    for (ticket, result) in ledger.told(5).await {
        assert_eq!(result.map(|done| done.seq), Ok(Some(ticket + 1)));
    }
    assert_eq!(proxy.has_cut(), 4);
    assert_eq!(case.details("a").await.unwrap().record.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_together_takes_nothing_from_each_other() {
    let proxy = Proxy::start(&server::address()).await;
    let mut options = hasty(&server::new_database());
    (options.uri, options.lease) = (proxy.uri(), Duration::from_secs(3));
    let ((case, store), (other, others)) = (case_on(options.clone()).await, case_on(options).await);
    let claimed = case.owned("a").await.unwrap();
    let theirs = other.owned("b").await.unwrap();
    // Whoever comes back second would be lost to the first.
    let renews = |renews: bool| others.shared.frozen.store(!renews, Ordering::Relaxed);
    renews(false);
    proxy.set_down(true);
    tokio::time::sleep(Duration::from_secs(6)).await;
    proxy.set_down(false);
    let swept = eventually_swept(&store, &case.worker).await;
    assert_eq!((swept.reclaimed, swept.standing), (0, true));
    renews(true);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(store.sweep(&case.worker).await.unwrap().reclaimed, 0, "all have renewed meanwhile");
    case.must(&claimed, step("one", 1)).await.unwrap();
    other.must(&theirs, step("one", 1)).await.unwrap();
    renews(false);
    eventually("it is found dead", || async { Ok(store.sweep(&case.worker).await?.reclaimed == 1) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sweeps_lives() {
    let options = MongoOptions { lease: Duration::from_secs(1), ..hasty(&server::new_database()) };
    let (case, store) = case_on(options).await;
    let claimed = case.owned("a").await.unwrap();
    store.shared.frozen.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let swept = store.sweep(&case.worker).await.unwrap();
    assert_eq!((swept.reclaimed, swept.standing), (0, true), "its lease has run out, but nobody has noticed");
    case.must(&claimed, step("one", 1)).await.unwrap();
}

/// The first sweep that has an answer.
async fn eventually_swept(store: &MongoStore, worker: &WorkerId) -> Swept {
    loop {
        if let Ok(swept) = store.sweep(worker).await {
            return swept;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_zombie_sends_again_is_fenced() {
    let proxy = Proxy::start(&server::address()).await;
    let (case, store) = behind(&proxy, Duration::from_secs(20)).await;
    let claimed = case.owned("a").await.unwrap();
    proxy.set_down(true);
    let (execution, epoch, owner) = (claimed.id.clone(), claimed.epoch, Arc::new(Ledger::default()));
    store.submit(Submission {
        execution,
        epoch,
        slot: Slot::default(),
        write: step("late", 1),
        owner: owner.clone(),
        ticket: 0,
    });
    // Another worker takes it over meanwhile.
    let mut options = hasty(store.shared.own.name());
    options.lease = Duration::from_secs(60);
    let (other, other_store) = case_on(options).await;
    let over = vec![doc! { "$set": { "until": 0_i64 } }];
    other_store.shared.tables.workers.update_one(doc! { "_id": &*case.worker.0 }, over).await.unwrap();
    assert_eq!(other.store.sweep(&other.worker).await.unwrap().reclaimed, 1);
    let again = other.claim().await.unwrap();
    assert_eq!((again.record.len(), again.crashes), (0, 1));
    other.must(&again, step("one", 1)).await.unwrap();
    proxy.set_down(false);
    assert_eq!(owner.told(1).await[0].1, Err(Refused::Fenced));
    assert_eq!(other.details("a").await.unwrap().record.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_fails_no_owner() {
    let proxy = Proxy::start(&server::address()).await;
    let (case, store) = behind(&proxy, Duration::from_secs(2)).await;
    let claimed = case.owned("a").await.unwrap();
    proxy.set_down(true);
    let ledger = Arc::new(Ledger::default());
    for ticket in 0..3 {
        let (execution, epoch, owner) = (claimed.id.clone(), claimed.epoch, ledger.clone());
        store.submit(Submission {
            execution,
            epoch,
            slot: Slot::default(),
            write: step("one", ticket as u8),
            owner,
            ticket,
        });
    }
    let begun = Instant::now();
    let refused = store.post(id("a"), signal("m", "rating")).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Unavailable));
    let refused = store.create(call("b", 2)).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Unavailable));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(ledger.so_far(), 0);
    proxy.set_down(false);
    let begun = Instant::now();
    assert!(ledger.told(3).await.iter().all(|(_, result)| result.is_ok()));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    case.must(&claimed, Write::End(succeeded(1))).await.unwrap();
    // The creation may have come through after its caller had gone: then it is as good as new.
    assert!(store.create(call("b", 2)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_outlasts_the_servers_absence_is_its_workers() {
    let proxy = Proxy::start(&server::address()).await;
    let (case, store) = behind(&proxy, Duration::from_secs(1)).await;
    case.store.create(call("a", 1)).await.unwrap();
    // Both the driver's tries arrive, and nobody hears of it.
    proxy.cut_replies("update", "outlast.executions", 2);
    let request = request(&case.worker, 10);
    let claim = tokio::spawn(async move { store.claim(request).await });
    eventually("the claim is made", || async { Ok(proxy.has_cut() > 0) }).await.unwrap();
    proxy.set_down(true);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!claim.is_finished(), "it may be made, and isn't known to be");
    proxy.set_down(false);
    let claimed = claim.await.unwrap().unwrap();
    assert_eq!((claimed.len(), claimed[0].epoch), (1, Epoch(1)), "it isn't given back, to be claimed anew");
    case.must(&claimed[0], step("one", 1)).await.unwrap();
}

/// On a line that breaks now and then many would never be claimed, if all had to be done in one go.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_takes_no_claim_back() {
    let (proxy, heard) = (Proxy::start(&server::address()).await, Heard::default());
    let mut options = hasty(&server::new_database());
    (options.uri, options.heard, options.lease) = (proxy.uri(), Some(heard.clone()), Duration::from_secs(600));
    let (case, store) = case_on(options).await;
    for number in 0..150_u8 {
        store.create(call(&number.to_string(), number)).await.unwrap();
    }
    for claimed in store.claim(request(&case.worker, 150)).await.unwrap() {
        case.must(&claimed, Write::Release { wake: Some(Stamp::now()) }).await.unwrap();
    }
    heard.take();
    proxy.cut_replies("find", "outlast.log", 2);
    let again = store.claim(request(&case.worker, 150)).await.unwrap();
    assert_eq!((again.len(), proxy.has_cut()), (150, 2));
    assert!(again.iter().all(|claimed| claimed.epoch == Epoch(2)));
    let mut commands = heard.take();
    commands.retain(|command| matches!(command.as_str(), "update outlast.executions" | "find outlast.executions"));
    assert_eq!(commands, ["find outlast.executions", "update outlast.executions", "find outlast.executions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_reply_was_lost_happens_once() {
    let proxy = Proxy::start(&server::address()).await;
    let (case, store) = behind(&proxy, Duration::from_secs(20)).await;
    let claimed = case.owned("a").await.unwrap();
    store.data(insert("stock", doc! { "_id": 1, "n": 0 }).unwrap()).await.unwrap();
    for (number, cut) in [(1, 1), (2, 3)] {
        proxy.cut_replies("commitTransaction", "", cut);
        let write = Write::Transaction(TransactionBody {
            run: Box::new(|| {
                Box::pin(async {
                    let access = crate::data::current().unwrap();
                    match access.data(update("stock", doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } })).await {
                        Ok(_) => Verdict::Commit(outcome("reserve", 0, Value::Ok(vec![1]))),
                        Err(_) => Verdict::Retry,
                    }
                })
            }),
            failed: Box::new(|_| None),
        });
        assert_eq!(case.must(&claimed, write).await.unwrap().seq, Some(number - 1));
        assert_eq!(proxy.has_cut(), cut);
        assert_eq!(case.find("stock", doc! {}).await.unwrap(), [doc! { "_id": 1, "n": number as i32 }]);
        assert_eq!(case.details("a").await.unwrap().record.len(), number as usize);
    }
}

/// What is asked of a store answers as if no reply had been lost, though the driver's own second try was lost, too.
#[tokio::test(flavor = "multi_thread")]
async fn no_lost_reply_is_noticed() {
    let proxy = Proxy::start(&server::address()).await;
    let (case, store) = behind(&proxy, Duration::from_secs(20)).await;
    let on_executions = |command: &str| proxy.cut_replies(command, "outlast.executions", 3);
    on_executions("insert");
    let first = case.owned("a").await.unwrap();
    assert_eq!((first.epoch.0, proxy.has_cut()), (1, 3), "the creation is its own");
    on_executions("update");
    case.must(&first, Write::Release { wake: Some(Stamp(0)) }).await.unwrap();
    assert_eq!(proxy.has_cut(), 3);
    on_executions("update");
    let again = case.claim().await.unwrap();
    assert_eq!((again.epoch.0, proxy.has_cut()), (2, 3), "claimed once");
    proxy.cut_replies("insert", "outlast.inbox", 3);
    assert!(store.post(id("a"), signal("m", "rating")).await.unwrap(), "it is in, and it is new");
    assert_eq!(proxy.has_cut(), 3);
    case.must(&again, step("one", 1)).await.unwrap();
    proxy.cut_replies("insert", "outlast.log", 3);
    let row = RowKind::Arrival { name: "rating".into(), payload: b"m".to_vec() };
    case.must(&again, Write::Row { row, from: Some("m".into()) }).await.unwrap();
    assert_eq!((proxy.has_cut(), store.inbox(id("a")).await.unwrap().len()), (3, 0));
    on_executions("update");
    case.must(&again, Write::Park { reason: vec![1], until_build: None }).await.unwrap();
    assert_eq!(proxy.has_cut(), 3);
    assert!(store.resume(id("a")).await.unwrap());
    let last = case.claim().await.unwrap();
    on_executions("update");
    case.must(&last, Write::End(succeeded(1))).await.unwrap();
    assert_eq!(proxy.has_cut(), 3);
    let details = case.details("a").await.unwrap();
    assert_eq!((details.record.len(), details.finished), (2, Some(succeeded(1))));
}

/// A commit that the server has made and forgotten: the row says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stands_already_is_known_by_its_row() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    let claimed = case.owned("a").await.unwrap();
    let row = outcome("reserve", 0, Value::Ok(vec![1]));
    let at = entries::At { place: 0, epoch: 1, stamp: claimed.started };
    let document = entries::row(&claimed.id, at, 0, &row, None, entries::plain_values(&row));
    store.shared.tables.log.insert_one(document).await.unwrap();
    let write = Write::Transaction(TransactionBody {
        run: Box::new(|| {
            Box::pin(async {
                let access = crate::data::current().unwrap();
                drop(access.data(insert("stock", doc! { "_id": 1 }).unwrap()).await);
                Verdict::Commit(outcome("reserve", 0, Value::Ok(vec![1])))
            })
        }),
        failed: Box::new(|_| None),
    });
    assert_eq!(case.must(&claimed, write).await.unwrap().seq, Some(0));
    assert!(case.find("stock", doc! {}).await.unwrap().is_empty(), "not a second time");
    assert_eq!(case.must(&claimed, step("two", 2)).await.unwrap().seq, Some(1));
}
