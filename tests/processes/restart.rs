//! What a process leaves when it dies or goes, and what the next one makes of it.

use std::time::{Duration, Instant};

use outlast::ErrorKind;
use rusqlite::Connection;
use rustix::process::Signal;

use crate::WORKER;
use crate::functions::{breaks, deadly, held, payment, waits};
use crate::started::{Directory, LIMIT, Program, until, within};

/// Starts a worker that stops at a point, and kills it there.
async fn killed_at(point: &str, directory: &Directory) -> Program {
    let file = directory.path().join("point");
    let environment = [("OUTLAST_CRASH_POINT", point), ("OUTLAST_CRASH_FILE", file.to_str().unwrap())];
    let mut program = Program::start(WORKER, "work", directory.path(), &environment);
    until(point, || file.exists()).await;
    program.kill();
    program
}

fn worker(directory: &Directory) -> Program {
    Program::start(WORKER, "work", directory.path(), &[])
}

/// How often executions have lost a worker to a crash.
fn crashes(directory: &Directory) -> i64 {
    let file = Connection::open(directory.path().join("store.db")).unwrap();
    file.query_row("SELECT sum(crashes) FROM outlast_executions", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_of_two_is_killed_the_other_goes_on() {
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let mut first = worker(&directory);
    let run = caller.scope(async { held("one".to_owned()).start().await }).await.unwrap();
    until("the body runs", || directory.ran("one-hold") == [first.pid()]).await;
    let second = worker(&directory);
    directory.registered(2).await;
    let killed = Instant::now();
    first.kill();
    until("the other goes on", || directory.ran("one-hold").len() == 2).await;
    println!("after kill -9 the other worker ran the next step within {} ms", killed.elapsed().as_millis());
    directory.tell("go");
    assert_eq!(within("it ends", run.result()).await.unwrap(), second.pid());
    caller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_go_gives_back_at_once() {
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let mut first = Program::start(WORKER, "work", directory.path(), &[("GRACE", "100ms")]);
    let run = caller.scope(async { held("one".to_owned()).start().await }).await.unwrap();
    until("the body runs", || directory.ran("one-hold") == [first.pid()]).await;
    let second = worker(&directory);
    directory.registered(2).await;
    let told = Instant::now();
    first.send(Signal::TERM);
    until("the other goes on", || directory.ran("one-hold").len() == 2).await;
    println!(
        "after SIGTERM, with a grace of 100 ms, the other worker went on within {} ms",
        told.elapsed().as_millis()
    );
    assert_eq!(crashes(&directory), 0, "it was given back, not taken back");
    first.succeeds().await;
    directory.tell("go");
    assert_eq!(within("it ends", run.result()).await.unwrap(), second.pid());
    caller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_runs_at_a_shutdown_reaches_its_record() {
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let mut first = worker(&directory);
    let run = caller.scope(async { held("one".to_owned()).start().await }).await.unwrap();
    until("the body runs", || directory.ran("one-hold") == [first.pid()]).await;
    first.send(Signal::TERM);
    // Told to go, it waits for the body; nothing new begins.
    tokio::time::sleep(Duration::from_millis(50)).await;
    directory.tell("go");
    first.succeeds().await;
    assert!(directory.ran("one-finish").is_empty(), "a step began in a process that was told to go");
    let second = worker(&directory);
    assert_eq!(within("it ends", run.result()).await.unwrap(), first.pid());
    assert_eq!((directory.ran("one-hold"), directory.ran("one-finish")), (vec![first.pid()], vec![second.pid()]));
    caller.shutdown().await;
}

/// Four attempts in all, a second apart: `tries` in the process that is killed at `point`.
async fn attempts_go_on(point: &str, remembered: usize) {
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let run = caller.scope(async { breaks().start().await }).await.unwrap();
    let first = killed_at(point, &directory).await;
    let _second = worker(&directory);
    let error = within("its attempts end", run.result()).await.unwrap();
    assert!(error.contains("4 times"), "{error}");
    let all: Vec<_> = directory.effects().into_iter().filter(|effect| effect.label == "fragile").collect();
    let others = all.iter().filter(|effect| effect.pid != first.pid()).count();
    assert_eq!((all.len() - others, others), (1, 4 - remembered), "{point}");
    if remembered == 1 {
        // The wait after the first failure is 750 ms at least; the restart takes none of it away.
        assert!(all[1].at - all[0].at >= 750, "the back-off was forgotten: {} ms", all[1].at - all[0].at);
    }
    caller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_and_back_off_survive_a_restart() {
    attempts_go_on("attempt fragile#0:after-commit", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_cut_off_does_not_count() {
    attempts_go_on("attempt fragile#0:before-commit", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_without_a_worker_does_not_count_towards_the_limit() {
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let run = caller.scope(async { waits().start().await }).await.unwrap();
    let _first = killed_at("attempt impatient#0:after-commit", &directory).await;
    // Longer than the 2 s that attempts and waits may take together.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let _second = worker(&directory);
    let error = within("its attempts end", run.result()).await.unwrap();
    assert!(error.contains("attempts exhausted"), "{error}");
    assert_eq!(directory.ran("impatient").len(), 3);
    caller.shutdown().await;
}

/// A step that must never happen twice, killed at `point`: what the function learns, and how often it happened.
async fn paid(point: &str, result: &str, times: usize) {
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let run = caller.scope(async { payment().start().await }).await.unwrap();
    let _first = killed_at(point, &directory).await;
    let _second = worker(&directory);
    assert_eq!(within("the payment ends", run.result()).await.unwrap(), result, "{point}");
    assert_eq!(directory.ran("pay").len(), times, "{point}");
    caller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_at_most_once_is_interrupted_by_a_crash_in_the_middle() {
    // The marker isn't down: nothing has begun.
    paid("attempt pay#0:before-commit", "paid 1", 1).await;
    // It is: whether the body ran isn't known.
    paid("attempt pay#0:after-commit", "interrupted", 0).await;
    paid("pay#0:before-body", "interrupted", 0).await;
    paid("pay#0:after-body", "interrupted", 1).await;
    paid("pay#0:before-commit", "interrupted", 1).await;
    // On record: done.
    paid("pay#0:after-commit", "paid 1", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kills_its_workers_again_and_again_is_parked_until_it_is_resumed() {
    let directory = Directory::new();
    let worker = || Program::start(WORKER, "work", directory.path(), &[("MAX_CRASHES", "3")]);
    let caller = directory.caller(LIMIT).await;
    let run = caller.scope(async { deadly().id("deadly").start().await }).await.unwrap();
    for death in 1..=3 {
        let mut program = worker();
        until("the worker dies", || program.ended().is_some()).await;
        assert_eq!(directory.ran("poison").len(), death);
    }
    let _survivor = worker();
    let error = within("it is parked", run.result()).await.unwrap_err();
    assert_eq!((error.kind(), directory.ran("poison").len()), (ErrorKind::Parked, 3), "{error:?}");
    directory.tell("antidote");
    assert!(caller.execution("deadly").resume().await.unwrap());
    within("it ends", run.result()).await.unwrap();
    assert_eq!(directory.ran("poison").len(), 4);
    caller.shutdown().await;
}
