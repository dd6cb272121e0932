//! Clocks that stand, jump and go backward.

use super::super::clock::{Boot, Clock};
use super::super::liveness::Found;
use super::*;
use crate::store::conformance::case::{Case, call, id, step, succeeded};
use crate::store::{Created, Stamp, Write};

const DAY: i64 = 24 * 3600 * 1000;
const RETENTION: Retention =
    Retention { executions: Duration::from_secs(30 * 24 * 3600), tombstones: Duration::from_secs(90 * 24 * 3600) };

/// A clock that a test sets.
struct SetClock {
    wall: Mutex<i64>,
    boot: Mutex<(u32, i64)>,
}

impl SetClock {
    fn new() -> Arc<Self> {
        Arc::new(Self { wall: Mutex::new(1_000 * DAY), boot: Mutex::new((1, DAY)) })
    }

    /// Time goes by: both clocks.
    fn pass(&self, milliseconds: i64) {
        *self.wall.lock().unwrap() += milliseconds;
        self.boot.lock().unwrap().1 += milliseconds;
    }

    /// Someone sets the wall clock.
    fn jump(&self, milliseconds: i64) {
        *self.wall.lock().unwrap() += milliseconds;
    }

    fn reboot(&self) {
        let mut boot = self.boot.lock().unwrap();
        *boot = (boot.0 + 1, 50 * DAY);
    }
}

impl Clock for SetClock {
    fn wall(&self) -> Stamp {
        Stamp(*self.wall.lock().unwrap())
    }

    fn boot(&self) -> Boot {
        let (number, milliseconds) = *self.boot.lock().unwrap();
        Boot { id: format!("boot-{number}").into(), milliseconds: milliseconds as u64 }
    }
}

async fn open_with(clock: &Arc<SetClock>, place: Place) -> Case {
    let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::new(place) };
    case_on(SqliteStore::open(options).await.unwrap()).await
}

async fn end(case: &Case, name: &str) {
    let claimed = case.owned_call(call(name, 1)).await.unwrap();
    case.must(&claimed, Write::End(succeeded(1))).await.unwrap();
}

async fn purge(case: &Case) {
    while case.store.purge(RETENTION).await.unwrap() {}
}

async fn is_there(case: &Case, name: &str) -> bool {
    case.store.details(id(name)).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_goes_in_its_time() {
    let clock = SetClock::new();
    let case = open_with(&clock, Place::Memory).await;
    end(&case, "a").await;
    for day in 1..=31 {
        clock.pass(DAY);
        purge(&case).await;
        assert_eq!(is_there(&case, "a").await, day <= 30, "day {day}");
    }
    assert!(matches!(case.store.create(call("a", 1)).await.unwrap(), Created::Expired(true)));
    for _ in 0..60 {
        clock.pass(DAY);
        purge(&case).await;
    }
    assert!(matches!(case.store.create(call("a", 1)).await.unwrap(), Created::New(None)), "after 91 days");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ahead_purges_nothing_at_once() {
    let clock = SetClock::new();
    let case = open_with(&clock, Place::Memory).await;
    end(&case, "a").await;
    purge(&case).await;
    clock.jump(400 * DAY);
    for _ in 0..100 {
        clock.pass(1000);
        purge(&case).await;
    }
    assert!(is_there(&case, "a").await);
    // Put right within three days, it has done no harm.
    for _ in 0..70 {
        clock.pass(DAY / 24);
        purge(&case).await;
    }
    assert!(is_there(&case, "a").await);
    let problems = case.store.report(false).await.unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("purging")), "doctor says so: {problems:?}");
    clock.jump(-400 * DAY);
    for _ in 0..20 {
        clock.pass(DAY);
        purge(&case).await;
    }
    assert!(is_there(&case, "a").await, "the clock was pulled back, too");
    clock.pass(10 * DAY);
    purge(&case).await;
    assert!(!is_there(&case, "a").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_slept_catches_up_over_reboots_and_handles() {
    let directory = tempfile::tempdir().unwrap();
    let place = || Place::File(directory.path().join("shop.db"));
    let clock = SetClock::new();
    let case = open_with(&clock, place()).await;
    end(&case, "a").await;
    purge(&case).await;
    case.store.close().await;
    clock.jump(200 * DAY);
    clock.reboot();
    let case = open_with(&clock, place()).await;
    purge(&case).await;
    assert!(is_there(&case, "a").await, "no time has gone by since the handle was opened");
    // Several processes that purge don't make the clock run faster.
    let other = open_with(&clock, place()).await;
    for _ in 0..24 {
        clock.pass(DAY / 24);
        purge(&case).await;
        purge(&other).await;
    }
    assert!(is_there(&case, "a").await, "ten days at most in one");
    clock.pass(4 * DAY);
    purge(&case).await;
    assert!(!is_there(&case, "a").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_stand_while_the_clock_goes_backward() {
    let directory = tempfile::tempdir().unwrap();
    let place = || Place::File(directory.path().join("shop.db"));
    let clock = SetClock::new();
    let case = open_with(&clock, place()).await;
    let claimed = case.owned("a").await.unwrap();
    let first = case.must(&claimed, step("one", 1)).await.unwrap().stamp;
    clock.jump(-5 * DAY);
    assert_eq!(case.must(&claimed, step("two", 2)).await.unwrap().stamp, first);
    assert!(case.owned("b").await.unwrap().started >= first, "a handle's commits don't go backward");
    case.must(&claimed, Write::Release { wake: Some(Stamp(0)) }).await.unwrap();
    case.store.close().await;
    // A new handle has only the record to go by.
    let case = open_with(&clock, place()).await;
    let claimed = case.claim().await.unwrap();
    assert!(case.must(&claimed, step("three", 3)).await.unwrap().stamp >= first);
    assert!(case.must(&claimed, Write::End(succeeded(1))).await.unwrap().stamp >= first);
    crate::store::conformance::case::sound(&*case.store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_slept_loses_no_worker() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SetClock::new();
    let case = open_with(&clock, Place::File(directory.path().join("shop.db"))).await;
    let claimed = case.owned("a").await.unwrap();
    let other = open_with(&clock, Place::File(directory.path().join("shop.db"))).await;
    // On waking up all heartbeats are old, the next ones a moment away.
    clock.pass(DAY);
    assert_eq!(other.store.sweep(&other.worker).await.unwrap().reclaimed, 0);
    case.must(&claimed, step("one", 1)).await.unwrap();
}

#[test]
fn only_an_old_heartbeat_of_this_boot_is_hung() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SetClock::new();
    let liveness = |clock: &Arc<SetClock>| {
        Liveness::new(Some(directory.path().to_owned()), Duration::from_secs(10), clock.clone())
    };
    let (holder, observer) = (liveness(&clock), liveness(&clock));
    let worker = holder.enlist().unwrap();
    assert_eq!(observer.look(&worker.0).unwrap(), Found::Alive);
    clock.pass(9_000);
    holder.beat();
    clock.pass(9_000);
    assert_eq!(observer.look(&worker.0).unwrap(), Found::Alive);
    clock.pass(2_000);
    assert!(matches!(observer.look(&worker.0).unwrap(), Found::Hung(_)));
    holder.beat();
    assert_eq!(observer.look(&worker.0).unwrap(), Found::Alive);
    // The wall clock has no say in it.
    clock.jump(DAY);
    assert_eq!(observer.look(&worker.0).unwrap(), Found::Alive);
    // The clock of another boot can't be compared; the lock says that it lives.
    clock.reboot();
    assert_eq!(observer.look(&worker.0).unwrap(), Found::Alive);
    drop(holder);
    assert_eq!(observer.look(&worker.0).unwrap(), Found::Dead);
    assert_eq!(observer.look("nobody").unwrap(), Found::Dead);
}
