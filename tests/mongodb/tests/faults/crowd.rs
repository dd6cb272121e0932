//! Eight workers in processes of their own with leases of 300 ms, each behind a network that delays, cuts, loses requests
//! and replies, brings replies twice, and requests again after they were answered; some are frozen for longer than a lease,
//! and the server itself is killed once in a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use outlast_test_servers::{Fault, FaultProxy, Mongo, Rule};
use rustix::process::Signal;

use crate::WORKER;
use crate::absence::long;
use crate::draws::{Draws, seed};
use crate::functions::walk;
use crate::history::{Run, as_committed, check, check_runs};
use crate::recorder::Recorder;
use crate::started::{Directory, LIMIT, Program, until};

const WORKERS: usize = 8;
const STEPS: usize = 3;

/// A worker, its network, and the names under which it has registered.
struct Worker {
    program: Program,
    proxy: FaultProxy,
    names: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    async fn start(mongo: &Mongo, directory: &Directory, seed: u64) -> Self {
        let proxy = FaultProxy::start(mongo.address(), seed).await.unwrap();
        proxy.delay(Duration::ZERO, Duration::from_millis(4));
        let names = Arc::new(Mutex::new(Vec::new()));
        let heard = names.clone();
        let hear = move |command: &outlast_test_servers::Command| {
            for update in command.body.get_array("updates").into_iter().flatten() {
                let one = update.as_document().and_then(|update| update.get_document("q").ok());
                if let Some(Ok(name)) = one.map(|one| one.get_str("_id")) {
                    heard.lock().unwrap().push(name.to_owned());
                }
            }
            false
        };
        // Does nothing but listen.
        proxy.add(Rule::new(Fault::Hang).on("update").of("outlast.workers").when(hear).always());
        for (command, fault, probability) in [
            ("insert", Fault::LoseReply, 0.01),
            ("insert", Fault::LoseRequest, 0.01),
            ("update", Fault::LoseReply, 0.01),
            ("update", Fault::LoseRequest, 0.01),
            ("find", Fault::LoseReply, 0.005),
            ("insert", Fault::RepeatReply, 0.01),
            ("insert", Fault::RepeatReplyLate, 0.01),
            ("update", Fault::RepeatReply, 0.01),
            ("update", Fault::RepeatReplyLate, 0.01),
            ("find", Fault::RepeatReply, 0.005),
            ("getMore", Fault::RepeatReplyLate, 0.005),
            ("insert", Fault::Again(Duration::from_millis(500)), 0.005),
            ("update", Fault::Again(Duration::from_millis(500)), 0.005),
        ] {
            proxy.add(Rule::new(fault).on(command).chance(probability).always());
        }
        let uri = mongo.uri_through(proxy.address());
        let environment =
            [("STORE", &*uri), ("HANG_LIMIT", "300ms"), ("MAX_CRASHES", "100000"), ("STORE_TIMEOUT", "20s")];
        let program = Program::start(WORKER, "work", directory.path(), &environment);
        Self { program, proxy, names }
    }

    fn is_registered(&self) -> bool {
        !self.names.lock().unwrap().is_empty()
    }

    fn faults(&self) -> u64 {
        self.proxy.hits().iter().sum()
    }
}

/// What is done to the workers while executions run: one thing at a time, chosen by the seed.
async fn disturb(
    workers: &[Worker],
    mongo: &Mongo,
    draws: &mut Draws,
    done: &HashMap<&'static str, usize>,
) -> &'static str {
    let one = &workers[usize::try_from(draws.below(WORKERS as u64)).unwrap()];
    let what = draws.below(10);
    match what {
        0..=3 => {
            one.program.send(Signal::STOP);
            tokio::time::sleep(Duration::from_millis(400 + draws.below(500))).await;
            one.program.send(Signal::CONT);
            "freezes"
        }
        4..=6 => {
            one.proxy.cut();
            "cuts"
        }
        7..=8 => {
            one.proxy.pause();
            tokio::time::sleep(Duration::from_millis(400 + draws.below(500))).await;
            one.proxy.resume();
            "silences"
        }
        _ if done.get("restarts").copied().unwrap_or_default() < if long() { 5 } else { 1 } => {
            tokio::task::block_in_place(|| mongo.restart());
            "restarts"
        }
        _ => "nothing",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_end_everything_once_whatever_fails() {
    let _alone = crate::ALONE.lock().await;
    // Of 10,000 some are under way: the stand-in looks at all that are due when someone asks for the first few, and compares
    // each with each when a caller asks which have ended.
    let (seed, (executions, at_once)) = (seed(), if long() { (10_000, 200) } else { (1_000, 1_000) });
    let mut draws = Draws(seed);
    let mongo = Mongo::alone();
    let uri = mongo.uri();
    let directory = Directory::with_store(|_| uri, ());
    let caller = directory.caller(LIMIT).await;
    let recorder = Recorder::start(&mongo.uri()).await;
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(Worker::start(&mongo, &directory, seed.wrapping_add(number as u64)).await);
    }
    let begun = Instant::now();
    let all = tokio::spawn(caller.scope(async move {
        let run = |number| async move {
            let label = format!("w{number}");
            let run = walk(label.clone()).id(label.clone()).start().await.unwrap();
            loop {
                match run.result().await {
                    Ok(ended) => break assert_eq!(ended, label),
                    // The server was away for longer than a caller waits.
                    Err(error) => assert_eq!(error.kind(), outlast::ErrorKind::Unavailable, "{label}: {error:?}"),
                }
            }
        };
        futures::stream::iter((0..executions).map(run)).buffer_unordered(at_once).collect::<()>().await;
    }));
    // A worker whose store goes away before it is open ends, as it should.
    until("all workers are there", || workers.iter().all(Worker::is_registered)).await;
    let mut done = HashMap::new();
    while !all.is_finished() {
        for worker in &mut workers {
            assert!(worker.program.ended().is_none(), "a worker has ended: {}", worker.program.said());
        }
        assert!(begun.elapsed() < Duration::from_secs(if long() { 3600 } else { 600 }), "it took too long: {done:?}");
        tokio::time::sleep(Duration::from_millis(100 + draws.below(300))).await;
        let what = disturb(&workers, &mongo, &mut draws, &done).await;
        *done.entry(what).or_insert(0) += 1;
    }
    all.await.unwrap();
    println!("{executions} executions ended in {:.1} s, {done:?}", begun.elapsed().as_secs_f64());
    println!("requests and replies that were lost or came twice: {}", workers.iter().map(Worker::faults).sum::<u64>());
    let history = recorder.history(executions).await;
    let history = if mongo.is_stand_in().await { as_committed(history) } else { history };
    assert!(history.iter().all(|event| event.at > 0), "the server tells no time");
    let names: HashMap<u32, Vec<String>> =
        workers.iter().map(|worker| (worker.program.pid(), worker.names.lock().unwrap().clone())).collect();
    let checked = check(&history).unwrap_or_else(|why| panic!("{why}\n{}", around(&history, &why)));
    assert_eq!(checked.ended, executions);
    assert_eq!(checked.records, executions * STEPS);
    let runs: Vec<Run> = directory
        .effects()
        .into_iter()
        .map(|effect| {
            let (execution, step) = effect.label.split_once('-').unwrap();
            Run {
                execution: execution.to_owned(),
                step: format!("tick#{step}"),
                workers: names[&effect.pid].clone(),
                at: i64::try_from(effect.at).unwrap(),
            }
        })
        .collect();
    check_runs(&history, &runs).unwrap_or_else(|why| panic!("{why}"));
    println!("{checked:?}; {} bodies ran for {} records", runs.len(), checked.records);
    caller.shutdown().await;
}

/// The events of the execution that an error names.
fn around(history: &[crate::history::Event], why: &str) -> String {
    let of = |event: &&crate::history::Event| why.contains(&format!("execution: \"{}\"", event.execution));
    history.iter().filter(of).map(|event| format!("{event:?}")).collect::<Vec<_>>().join("\n")
}
