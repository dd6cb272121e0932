//! Processes that share a file and its one lock, all alive.

use std::process::Command;

use outlast::{End, Filter, Status};

use crate::WORKER;
use crate::functions::held;
use crate::started::{Directory, LIMIT, Program, until, within};

/// What a process said of itself at its end.
fn reported(directory: &Directory, mode: &str, program: &Program) -> Option<serde_json::Value> {
    let file = directory.path().join(format!("{mode}-{}", program.pid()));
    std::fs::read_to_string(file).ok().map(|words| serde_json::from_str(&words).unwrap())
}

fn milliseconds(sorted: &[u64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len() - 1);
    f64::from(u32::try_from(sorted[at]).unwrap()) / 1000.0
}

/// The times of a lone writer's acknowledged calls, sorted.
fn times(directory: &Directory, program: &Program) -> Vec<u64> {
    let mut times: Vec<u64> = serde_json::from_value(reported(directory, "lone", program).unwrap()).unwrap();
    times.sort_unstable();
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_writer_gets_its_turn_beside_two_busy_processes() {
    let directory = Directory::new();
    let start = |mode| Program::start(WORKER, mode, directory.path(), &[]);
    let mut programs = [start("load 5"), start("load 5"), start("lone 5")];
    for program in &mut programs {
        program.succeeds().await;
    }
    for busy in &programs[..2] {
        let report = reported(&directory, "load", busy).unwrap();
        println!("a busy process ran {} executions, {} steps in 5 s", report["executions"], report["steps"]);
        assert!(report["steps"].as_u64().unwrap() > 0);
    }
    let times = times(&directory, &programs[2]);
    let [middle, late, last] = [50, 99, 100].map(|percent| milliseconds(&times, percent));
    println!(
        "lone writer beside two busy processes: {} calls, p50 {middle:.1} ms, p99 {late:.1} ms, longest {last:.1} ms",
        times.len()
    );
}

/// Counts what reaches the disk: `synchronous=FULL` syncs the log once for each group, before anyone is answered.
#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_write_has_been_synced() {
    let directory = Directory::new();
    let trace = directory.path().join("trace");
    // `./tests/run` installs it.
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o"]).arg(&trace).arg(WORKER).args(["lone", "1"]);
    let mut traced = Program::of(command.arg(directory.path()), directory.path(), "strace");
    traced.succeeds().await;
    // The traced process has an id of its own.
    let is_report = |name: &str| name.starts_with("lone-");
    let mut files = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let report = files.find(|path| is_report(path.file_name().unwrap().to_str().unwrap())).unwrap();
    let times: Vec<u64> = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let trace = std::fs::read_to_string(trace).unwrap();
    let syncs = trace.lines().filter(|line| line.contains("sync(") && line.contains("store.db-wal>")).count();
    println!("{} acknowledged calls, one after the other: {syncs} syncs of the log", times.len());
    assert!(!times.is_empty() && syncs >= times.len(), "{syncs} syncs for {} acknowledged calls", times.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_three_processes_call_at_once_ends_once() {
    const EXECUTIONS: usize = 150;
    let directory = Directory::new();
    let mode = format!("walk {EXECUTIONS}");
    let mut programs = [(); 3].map(|()| Program::start(WORKER, &mode, directory.path(), &[]));
    until("all have all results", || {
        let has_all = |program: &mut Program| {
            assert!(program.ended().is_none(), "{}", program.said());
            reported(&directory, "walk", program).is_some_and(|ended| ended == EXECUTIONS)
        };
        programs.iter_mut().all(has_all)
    })
    .await;
    for program in &mut programs {
        program.ask_to_go().await;
    }
    let effects = directory.effects();
    let mut labels: Vec<_> = effects.iter().map(|effect| effect.label.clone()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!((labels.len(), effects.len()), (3 * EXECUTIONS, 3 * EXECUTIONS), "each step of each execution ran once");
    let caller = directory.caller(LIMIT).await;
    let all = caller.executions(Filter { limit: 1000, ..Filter::default() }).await.unwrap();
    assert_eq!(all.len(), EXECUTIONS);
    assert!(all.iter().all(|one| one.status() == Status::Ended(End::Succeeded)));
    caller.shutdown().await;
}

/// One makes the tables, the others find them: none finds half of them.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_make_one_store() {
    for _ in 0..8 {
        let directory = Directory::new();
        let mut programs = [(); 6].map(|()| Program::start(WORKER, "work", directory.path(), &[]));
        let caller = directory.caller(LIMIT).await;
        directory.tell("go");
        let call = caller.scope(async { held("first".to_owned()).await });
        within("the first call ends", call).await.unwrap();
        directory.registered(6).await;
        assert!(programs.iter_mut().all(|program| program.ended().is_none()), "one can't open the store");
        for program in &mut programs {
            program.ask_to_go().await;
        }
        caller.shutdown().await;
    }
}
