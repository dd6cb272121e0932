//! Processes that are stopped (`SIGSTOP`) and come back: between two groups, where others stand in for them, and inside a
//! group, where they hold the store's lock.

use std::time::Duration;

use outlast::ErrorKind;
use rustix::process::Signal;

use crate::functions::{held, laps, walk};
use crate::started::{Directory, LIMIT, Program, until, within};

const WORKER: &str = env!("CARGO_BIN_EXE_worker-program");

/// A worker hangs after so long.
const HANG: (&str, &str) = ("HANG_LIMIT", "300ms");

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_late_is_refused_and_begins_anew() {
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let file = directory.path().join("point");
    // Its writer stops after a commit, without the lock; what its bodies say from then on waits behind it.
    let point = [HANG, ("OUTLAST_CRASH_POINT", "tick#0:after-commit"), ("OUTLAST_CRASH_FILE", file.to_str().unwrap())];
    let first = Program::start(WORKER, "work", directory.path(), &point);
    let (one, two) = caller
        .scope(async {
            let one = held("one".to_owned()).id("one").start().await.unwrap();
            let two = laps().id("two").start().await.unwrap();
            until("both bodies run", || directory.ran("one-hold").len() + directory.ran("lap").len().min(2) == 3).await;
            walk("three".to_owned()).id("three").start().await.unwrap();
            (one, two)
        })
        .await;
    until("the writer stops", || file.exists()).await;
    directory.tell(&format!("go-{}", first.pid()));
    until("the body of one ends", || directory.ran("one-held") == [first.pid()]).await;
    // Its outcome is on its way by now; if not, it is refused all the same.
    tokio::time::sleep(Duration::from_millis(50)).await;
    directory.tell("enough");
    first.send(Signal::STOP);

    let start = || Program::start(WORKER, "work", directory.path(), &[HANG]);
    let mut others = [start(), start()];
    until("others take one over", || directory.ran("one-hold").len() > 1).await;
    within("two ends elsewhere", two.result()).await.unwrap();
    let laps_before = directory.ran("lap").len();

    // It wakes, and its writer goes on with what it had been given.
    directory.tell("point.go");
    first.send(Signal::CONT);
    within("the bodies that it had lost are aborted", async {
        let mut before = laps_before;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            match directory.ran("lap").len() {
                laps if laps == before => {
                    break println!("a woken worker's lost body ran {} laps more", laps - laps_before);
                }
                laps => before = laps,
            }
        }
    })
    .await;
    directory.tell("go");
    let process = within("one ends", one.result()).await.unwrap();
    assert!(others.iter().any(|other| other.pid() == process), "{process} isn't one of the others");
    assert_ne!(directory.ran("one-finish"), [first.pid()], "no further row of its own");
    assert_eq!(directory.ran("one-finish").len(), 1);
    caller.scope(async { within("three ends", walk("three".to_owned()).id("three")).await }).await.unwrap();
    assert_eq!(directory.ran("three-0"), [first.pid()], "on record before it was stopped");
    let ended = async |id: &str| caller.execution(id).details().await;
    let (one, two) = (ended("one").await.unwrap(), ended("two").await.unwrap());
    assert_eq!((one.claims(), two.claims()), (2, 2));

    // It has registered again, and works.
    for other in &mut others {
        other.ask_to_go().await;
    }
    let process = caller.scope(async { within("new work", held("new".to_owned()).id("new")).await }).await.unwrap();
    assert_eq!(process, first.pid());
    for (id, before) in [("one", one), ("two", two)] {
        assert_eq!(format!("{:?}", ended(id).await.unwrap()), format!("{before:?}"), "no second end");
    }
    caller.shutdown().await;
}

/// A worker stops inside a group, with the store's lock.
async fn stopped_inside_a_group(comes_back: bool) {
    let directory = Directory::new();
    let caller = directory.caller(Duration::from_secs(1)).await;
    let file = directory.path().join("point");
    let point = [
        HANG,
        ("STORE_TIMEOUT", "1s"),
        ("OUTLAST_CRASH_POINT", "tick#1:before-commit"),
        ("OUTLAST_CRASH_FILE", file.to_str().unwrap()),
    ];
    let mut workers = [(); 2].map(|()| Program::start(WORKER, "work", directory.path(), &point));
    directory.registered(2).await;
    let walked = |label: &'static str| caller.scope(walk(label.to_owned()).id(label));
    let begun = caller.scope(async { walk("w".to_owned()).id("w").start().await }).await.unwrap();
    until("a worker stops inside a group", || file.exists()).await;
    let pid: u32 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    let stopped = workers.iter().position(|worker| worker.pid() == pid).unwrap();
    workers[stopped].send(Signal::STOP);

    for _ in 0..2 {
        let refused = within("a caller is answered", walked("x")).await.unwrap_err();
        assert_eq!((refused.kind(), refused.execution()), (ErrorKind::Unavailable, Some("x")), "{refused:?}");
        assert!(!refused.is_terminal());
    }
    let refused = within("a sender is answered", begun.signal("a", &1)).await.unwrap_err();
    assert_eq!((refused.kind(), refused.execution()), (ErrorKind::Unavailable, Some("w")), "{refused:?}");
    // What is read needs no lock.
    assert_eq!(caller.execution("w").details().await.unwrap().operations().count(), 1);

    if comes_back {
        directory.tell("point.go");
        workers[stopped].send(Signal::CONT);
    } else {
        workers[stopped].kill();
    }
    within("w ends", begun.result()).await.unwrap();
    loop {
        match within("x ends", walked("x")).await {
            Ok(label) => break assert_eq!(label, "x"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
    }
    assert_eq!(directory.ran("w-0"), [pid], "on record");
    // The group that held the lock is committed whole, or not at all.
    assert_eq!(directory.ran("w-1").len(), if comes_back { 1 } else { 2 });
    for step in ["w-1", "w-2", "x-0", "x-1", "x-2"] {
        let mut ran = directory.ran(step);
        let times = ran.len();
        ran.sort_unstable();
        ran.dedup();
        assert!(!ran.is_empty() && ran.len() == times, "{step} ran twice in one process");
    }
    caller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stopped_inside_a_group_makes_callers_try_again_and_goes_on() {
    stopped_inside_a_group(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stopped_inside_a_group_and_killed_leaves_the_lock() {
    stopped_inside_a_group(false).await;
}
