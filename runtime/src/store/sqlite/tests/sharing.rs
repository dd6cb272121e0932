//! Several handles on one file.

use std::collections::HashMap;
use std::time::{Instant, SystemTime};

use super::*;
use crate::store::conformance::case::{
    Case, Ledger, call, claim_one, eventually, outcome, request, sound, step, submission, succeeded, write,
};
use crate::store::{Epoch, Status, Value, Write};

async fn two() -> (Arc<Files>, Case, Case) {
    let files = Arc::new(Files::new());
    let case = Case::new(files.clone()).await.unwrap();
    let other = case.second().await.unwrap();
    (files, case, other)
}

/// Works through what is due until all is done: 3 steps and an end each.
async fn work(store: Arc<dyn Store>, worker: WorkerId, total: usize) -> usize {
    let mut done = 0;
    loop {
        let claimed = store.claim(request(&worker, 7)).await.unwrap();
        for claimed in &claimed {
            for number in claimed.record.len()..3 {
                let row = outcome("step", number as u32, Value::Ok(vec![number as u8]));
                write(&store, claimed, Write::Row { row, from: None }).await.unwrap();
            }
            write(&store, claimed, Write::End(succeeded(1))).await.unwrap();
            done += 1;
        }
        let ended = crate::store::Filter { status: Some("succeeded".into()), limit: total + 1, ..Default::default() };
        if claimed.is_empty() && store.list(ended).await.unwrap().len() == total {
            return done;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_share_the_work_and_each_piece_is_done_once() {
    let (_files, case, other) = two().await;
    let total = 300;
    let creating: Vec<_> = [&case, &other]
        .into_iter()
        .enumerate()
        .map(|(half, case)| {
            let store = case.store.clone();
            tokio::spawn(async move {
                for number in 0..total / 2 {
                    store.create(call(&format!("{half}-{number}"), number as u8)).await.unwrap();
                }
            })
        })
        .collect();
    let mut workers = Vec::new();
    for store in [&case.store, &case.store, &other.store, &other.store] {
        let worker = store.register(1).await.unwrap();
        workers.push(tokio::spawn(work(store.clone(), worker, total)));
    }
    for creating in creating {
        creating.await.unwrap();
    }
    let mut done = 0;
    for worker in workers {
        done += worker.await.unwrap();
    }
    assert_eq!(done, total);
    for half in 0..2 {
        for number in 0..total / 2 {
            let details = case.details(&format!("{half}-{number}")).await.unwrap();
            assert_eq!((details.record.len(), details.summary.epoch), (3, Epoch(1)));
        }
    }
    sound(&*other.store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_handle_does_not_starve_a_lone_one() {
    let (_files, case, other) = two().await;
    let claimed = case.owned("busy").await.unwrap();
    let ledger = Arc::new(Ledger::default());
    let total = 20_000;
    for ticket in 0..total {
        let row = outcome("step", ticket as u32, Value::Ok(vec![0; 200]));
        case.store.submit(submission(&claimed, Write::Row { row, from: None }, ledger.clone(), ticket));
    }
    let mut slowest = Duration::ZERO;
    let mut beside = 0;
    for number in 0..10_u8 {
        let begun = Instant::now();
        other.store.create(call(&format!("{number}"), number)).await.unwrap();
        slowest = slowest.max(begun.elapsed());
        beside += usize::from((ledger.so_far() as u64) < total);
    }
    assert!(beside > 0, "the other was no longer busy");
    assert!(slowest < Duration::from_secs(1), "a lone writer waited {slowest:?}");
    assert_eq!(ledger.told(total as usize).await.len() as u64, total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_is_dropped_is_dead_to_the_others() {
    let files = Arc::new(Files::new());
    let case = Case::new(files.clone()).await.unwrap();
    let other = case.second().await.unwrap();
    let claimed = case.owned("a").await.unwrap();
    case.must(&claimed, step("one", 1)).await.unwrap();
    drop(case);
    eventually("it is found dead", || async { Ok(other.store.sweep(&other.worker).await?.reclaimed == 1) })
        .await
        .unwrap();
    assert_eq!(claim_one(&other.store, &other.worker).await.unwrap().record.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_is_taken_back_in_small_groups() {
    let (_files, case, other) = two().await;
    let total = 1200;
    for number in 0..total {
        case.owned_call(call(&format!("{number}"), 1)).await.unwrap();
    }
    case.stores.kill(&case.store, &case.worker);
    let swept = other.store.sweep(&other.worker).await.unwrap();
    assert_eq!((swept.reclaimed, swept.standing), (total, true));
    let listed = crate::store::Filter { status: Some("ready".into()), limit: 5000, ..Default::default() };
    assert_eq!(other.store.list(listed).await.unwrap().len(), total);
    // A worker that was found dead by a sweep that didn't come to its end is taken back from by the next.
    let half = case.store.register(1).await.unwrap();
    for claimed in case.store.claim(request(&half, 700)).await.unwrap() {
        assert_eq!(claimed.crashes, 1);
    }
    let path = file_of(&case).await;
    stranger(&path).execute("UPDATE outlast_workers SET state = 1 WHERE name = ?", [&*half.0]).unwrap();
    assert_eq!(other.store.sweep(&other.worker).await.unwrap().reclaimed, 700);
    assert!(!case.store.sweep(&half).await.unwrap().standing);
}

/// The file of a case, as its report says.
async fn file_of(case: &Case) -> PathBuf {
    let facts: HashMap<_, _> = case.store.report(false).await.unwrap().facts.into_iter().collect();
    PathBuf::from(&facts["path"])
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_files_of_nobody_are_removed_but_not_at_once() {
    let (_files, case, _other) = two().await;
    let workers = open::workers_directory(&file_of(&case).await);
    let (old, young, held) = (workers.join("old"), workers.join("young"), workers.join("held"));
    let past = SystemTime::now() - Duration::from_secs(3600);
    for path in [&old, &young, &held] {
        std::fs::write(path, "").unwrap();
    }
    for path in [&old, &held] {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
    }
    let holder = std::fs::File::open(&held).unwrap();
    holder.lock().unwrap();
    case.store.sweep(&case.worker).await.unwrap();
    assert_eq!((old.exists(), young.exists(), held.exists()), (false, true, true));
    assert!(workers.join(&*case.worker.0).exists(), "its own stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_its_lock_file_is_dead() {
    let (_files, case, other) = two().await;
    let claimed = case.owned("a").await.unwrap();
    std::fs::remove_file(open::workers_directory(&file_of(&case).await).join(&*case.worker.0)).unwrap();
    assert_eq!(other.store.sweep(&other.worker).await.unwrap().reclaimed, 1);
    assert_eq!(case.write(&claimed, step("one", 1)).await, Err(Refused::Fenced));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_refuses_the_workers_of_before() {
    let (_files, case, _other) = two().await;
    let claimed = case.owned("a").await.unwrap();
    stranger(&file_of(&case).await)
        .execute("UPDATE outlast_meta SET value = 'another' WHERE key = 'incarnation'", [])
        .unwrap();
    assert_eq!(case.write(&claimed, step("one", 1)).await, Err(Refused::Fenced));
    assert!(case.store.claim(request(&case.worker, 1)).await.is_err());
    assert_eq!(case.details("a").await.unwrap().record.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_taken_is_fenced() {
    // The last line of defence: even if a claim were wrong, two rows can't have one place.
    let (_files, case, _other) = two().await;
    let claimed = case.owned("a").await.unwrap();
    stranger(&file_of(&case).await)
        .execute("INSERT INTO outlast_rows (execution, seq, stamp, type) VALUES ('a', 0, 1, 4)", [])
        .unwrap();
    assert_eq!(case.write(&claimed, step("one", 1)).await, Err(Refused::Fenced));
    stranger(&file_of(&case).await).execute("DELETE FROM outlast_rows", []).unwrap();
    assert_eq!(case.details("a").await.unwrap().summary.status, Status::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_trigger_is_reported() {
    let (_files, case, _other) = two().await;
    let sql = "CREATE TRIGGER spy AFTER INSERT ON outlast_rows BEGIN SELECT 1; END";
    stranger(&file_of(&case).await).execute_batch(sql).unwrap();
    let problems = case.store.report(false).await.unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("spy")), "{problems:?}");
}
