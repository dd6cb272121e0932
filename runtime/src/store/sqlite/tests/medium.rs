//! A file that can't be written: owners' writes are kept, callers outside are told in time.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bson::doc;

use super::*;
use crate::store::conformance::case::{
    Case, Ledger, all, call, eventually, find, id, insert, outcome, step, submission, succeeded,
};
use crate::store::{Epoch, TransactionBody, Value, Verdict, Write};

const LIMIT: Duration = Duration::from_millis(1500);

struct Shop {
    directory: tempfile::TempDir,
    store: Arc<SqliteStore>,
    case: Case,
}

impl Shop {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions { limit: LIMIT, ..SqliteOptions::file(directory.path().join("shop.db")) };
        let store = SqliteStore::open(options).await.unwrap();
        let case = case_on(store.clone()).await;
        Self { directory, store, case }
    }

    /// No page more than there are; 0 pages are no limit.
    fn disk(&self, full: bool) {
        self.store.shared.pages.store(if full { 1 } else { 1_000_000 }, Ordering::Relaxed);
    }

    fn submit(&self, claimed: &Claimed, write: Write, owner: &Arc<Ledger>, ticket: u64) {
        self.store.submit(submission(claimed, write, owner.clone(), ticket));
    }
}

fn large(ticket: u64) -> Write {
    Write::Row { row: outcome("large", ticket as u32, Value::Ok(vec![ticket as u8; 100_000])), from: None }
}

async fn told_in_time<T: std::fmt::Debug>(answer: impl Future<Output = Result<T>>, words: &str) {
    let begun = Instant::now();
    let error = answer.await.expect_err("the store is away");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains(words) && error.to_string().contains("shop.db"), "{error}");
    assert!(begun.elapsed() < LIMIT * 3, "told after {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_owners_writes_and_tells_callers() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    shop.disk(true);
    let ledger = Arc::new(Ledger::default());
    for ticket in 0..20 {
        shop.submit(&claimed, large(ticket), &ledger, ticket);
    }
    told_in_time(shop.store.create(call("b", 2)), "no space is left").await;
    told_in_time(shop.store.data(insert("orders", doc! { "_id": 1 }).unwrap()), "Free some").await;
    assert_eq!(ledger.so_far(), 0, "an owner never hears of it");
    assert!(shop.store.details(id("a")).await.unwrap().unwrap().record.is_empty());
    let back = Instant::now();
    shop.disk(false);
    let told = ledger.told(20).await;
    assert!(back.elapsed() < Duration::from_secs(2), "it goes on within 2 s");
    for (place, (ticket, result)) in told.iter().enumerate() {
        assert_eq!((*ticket, result.map(|done| done.seq)), (place as u64, Ok(Some(place as u64))));
    }
    assert_eq!(shop.store.details(id("a")).await.unwrap().unwrap().record.len(), 20);
    assert!(shop.store.details(id("b")).await.unwrap().is_none(), "what was answered isn't done later");
    shop.store.create(call("b", 2)).await.unwrap();
    assert!(shop.store.report(true).await.unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_another_program_is_waited_for() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    let other = stranger(&shop.directory.path().join("shop.db"));
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ledger = Arc::new(Ledger::default());
    shop.submit(&claimed, step("one", 1), &ledger, 0);
    let begun = Instant::now();
    let error = shop.store.create(call("b", 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(begun.elapsed() < LIMIT * 3);
    // Once SQLite itself has given up for the first time, the reason is known.
    eventually("the reason is known", || async {
        Ok(shop
            .store
            .create(call("b", 2))
            .await
            .is_err_and(|error| error.to_string().contains("locked by another process")))
    })
    .await
    .unwrap();
    assert_eq!(ledger.so_far(), 0);
    other.execute_batch("COMMIT").unwrap();
    assert!(ledger.told(1).await[0].1.is_ok());
    shop.store.create(call("b", 2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_that_has_the_turn_delays_no_answer() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    let turn = std::fs::File::open(shop.directory.path().join("shop.db-turn")).unwrap();
    turn.lock().unwrap();
    let ledger = Arc::new(Ledger::default());
    shop.submit(&claimed, step("one", 1), &ledger, 0);
    told_in_time(shop.store.create(call("b", 2)), "another process holds its lock").await;
    told_in_time(shop.store.post(id("a"), crate::store::conformance::case::signal("m", "x")), "another process").await;
    // Reads go on.
    assert!(shop.store.details(id("a")).await.unwrap().unwrap().record.is_empty());
    turn.unlock().unwrap();
    assert!(ledger.told(1).await[0].1.is_ok());
    assert!(shop.store.details(id("b")).await.unwrap().is_none(), "what was answered isn't done later");
    assert!(shop.store.inbox(id("a")).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_waits_for_is_not_run() {
    let shop = Shop::open().await;
    let turn = std::fs::File::open(shop.directory.path().join("shop.db-turn")).unwrap();
    turn.lock().unwrap();
    let creating = shop.store.create(call("a", 1));
    tokio::time::timeout(Duration::from_millis(50), creating).await.expect_err("dropped");
    turn.unlock().unwrap();
    shop.store.create(call("b", 2)).await.unwrap();
    assert!(shop.store.details(id("a")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_nobody_takes_are_released() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    drop(shop.store.handover()((), vec![ClaimKey::of(&claimed)]));
    let again = shop.case.claim().await.unwrap();
    assert_eq!((again.epoch, again.crashes), (Epoch(2), 0));
    // One that was taken stays.
    shop.store.handover()((), vec![ClaimKey::of(&again)]).take().unwrap();
    shop.case.must(&again, step("one", 1)).await.unwrap();
    shop.case.claims_nothing().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_made_anew_when_its_group_fails() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    shop.disk(true);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let body = TransactionBody {
        run: Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                let access = crate::data::current().unwrap();
                for number in 0..20 {
                    let text = "x".repeat(10_000);
                    let insert = insert("stock", doc! { "_id": number, "text": text }).unwrap();
                    // A body that swallows the failure doesn't hide it.
                    let _ = access.data(insert).await;
                }
                Verdict::Commit(outcome("reserve", 0, Value::Ok(vec![])))
            })
        }),
        failed: Box::new(|fault| panic!("a failure of the file is no fault of the body: {fault:?}")),
    };
    let ledger = Arc::new(Ledger::default());
    shop.submit(&claimed, Write::Transaction(body), &ledger, 0);
    eventually("it is tried again", || async { Ok(runs.load(Ordering::Relaxed) > 2) }).await.unwrap();
    shop.disk(false);
    assert_eq!(ledger.told(1).await[0].1.map(|done| done.seq), Ok(Some(0)));
    let found = all(shop.store.data(find("stock", doc! {})).await.unwrap()).await.unwrap();
    assert_eq!(found.len(), 20, "its writes are there once");
    let logged: i64 = stranger(&shop.directory.path().join("shop.db"))
        .query_row("SELECT count(*) FROM outlast_changes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(logged, 20, "and in the change log, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_that_cannot_be_written_tells_its_owners() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    shop.disk(true);
    let ledger = Arc::new(Ledger::default());
    for ticket in 0..5 {
        shop.submit(&claimed, large(ticket), &ledger, ticket);
    }
    let begun = Instant::now();
    shop.store.close().await;
    assert!(begun.elapsed() < LIMIT * 3, "{:?}", begun.elapsed());
    for (_, result) in ledger.told(5).await {
        assert_eq!(result, Err(Refused::Closed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_undone_with_their_group() {
    let shop = Shop::open().await;
    let (first, second) = (shop.case.owned("a").await.unwrap(), shop.case.owned_call(call("b", 2)).await.unwrap());
    // The end fits, and is rolled back with the row that doesn't: the claim stands until it commits.
    let ledger = Arc::new(Ledger::default());
    let turn = std::fs::File::open(shop.directory.path().join("shop.db-turn")).unwrap();
    turn.lock().unwrap();
    // One before, so that the writer waits for its turn and the rest gathers for one group.
    shop.submit(&second, step("one", 1), &ledger, 0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    shop.disk(true);
    shop.submit(&first, Write::End(succeeded(1)), &ledger, 1);
    shop.submit(&second, large(1), &ledger, 2);
    shop.submit(&first, step("late", 1), &ledger, 3);
    turn.unlock().unwrap();
    eventually("a group fails", || async { Ok(shop.store.shared.health.lock().unwrap().is_some()) }).await.unwrap();
    assert!(ledger.so_far() <= 1);
    shop.disk(false);
    let told = ledger.told(4).await;
    assert!(told[..3].iter().all(|(_, result)| result.is_ok()), "{told:?}");
    assert_eq!(told[3].1, Err(Refused::Fenced));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_is_fenced_within_the_group() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    let turn = std::fs::File::open(shop.directory.path().join("shop.db-turn")).unwrap();
    turn.lock().unwrap();
    // One before, so that the writer waits for its turn and the rest gathers for one group.
    let ledger = Arc::new(Ledger::default());
    shop.submit(&claimed, step("one", 1), &ledger, 0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut leaving = shop.store.leave(&shop.case.worker);
    let waiting = futures::poll!(&mut leaving);
    assert!(waiting.is_pending());
    shop.submit(&claimed, step("two", 2), &ledger, 1);
    turn.unlock().unwrap();
    leaving.await.unwrap();
    let told = ledger.told(2).await;
    assert!(told[0].1.is_ok());
    assert_eq!(told[1].1, Err(Refused::Fenced));
    assert_eq!(shop.store.details(id("a")).await.unwrap().unwrap().record.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_moved_away_is_not_written_to() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    let (path, away) = (shop.directory.path().join("shop.db"), shop.directory.path().join("away.db"));
    std::fs::rename(&path, &away).unwrap();
    let ledger = Arc::new(Ledger::default());
    shop.submit(&claimed, step("one", 1), &ledger, 0);
    told_in_time(shop.store.create(call("b", 2)), "moved or removed").await;
    std::fs::copy(&away, &path).unwrap();
    told_in_time(shop.store.create(call("b", 2)), "another file was put in its place").await;
    assert_eq!(ledger.so_far(), 0);
    std::fs::rename(&away, &path).unwrap();
    assert!(ledger.told(1).await[0].1.is_ok(), "it is back");
}

/// An owner that panics.
struct Clumsy;

impl crate::store::Owner for Clumsy {
    fn committed(self: Arc<Self>, _: u64, _: Write, _: Result<crate::store::Committed, Refused>) {
        std::panic::resume_unwind(Box::new("dropped it"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_panics_harms_nobody_else() {
    let shop = Shop::open().await;
    let claimed = shop.case.owned("a").await.unwrap();
    shop.store.submit(submission(&claimed, step("one", 1), Arc::new(Clumsy), 0));
    assert_eq!(shop.case.must(&claimed, step("two", 2)).await.unwrap().seq, Some(1));
}
