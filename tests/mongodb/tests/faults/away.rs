//! A server, a network or a process that is away for a while: no failure is recorded, and all goes on by itself. How soon
//! is printed; what is asserted leaves room for a machine that is busy.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outlast::{App, Execution, Running};
use outlast_test_servers::{FaultProxy, Mongo};
use rustix::process::Signal;

use crate::functions::{stroll, walk};
use crate::started::{Directory, LIMIT, Program, until, within};
use crate::{WORKER, long};

/// Steps of a stroll.
const STEPS: usize = 6;
/// The longest until the first goes on.
const SOON: Duration = Duration::from_secs(10);

fn how_long() -> Duration {
    Duration::from_secs(if long() { 60 } else { 8 })
}

fn how_many() -> usize {
    if long() { 1_000 } else { 150 }
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A server, a network before it, and one worker behind that.
struct Scene {
    mongo: Mongo,
    proxy: FaultProxy,
    directory: Directory,
    worker: Program,
    caller: Running,
}

impl Scene {
    async fn new() -> Self {
        let mongo = Mongo::alone();
        let proxy = FaultProxy::start(mongo.address(), 0).await.unwrap();
        let (uri, direct) = (mongo.uri_through(proxy.address()), mongo.uri());
        let directory = Directory::with_store(|_| direct, ());
        let worker = Program::start(WORKER, "work", directory.path(), &[("STORE", &uri)]);
        let caller = directory.caller(LIMIT).await;
        caller.scope(walk("first".to_owned())).await.unwrap();
        Self { mongo, proxy, directory, worker, caller }
    }

    /// Calls so many strolls; gives how long they took, if `meanwhile` is nothing.
    async fn strolls(&self, name: &str, meanwhile: impl Future<Output = ()>) -> Duration {
        let begun = Instant::now();
        let calls = (0..how_many()).map(|number| {
            let label = format!("{name}{number}");
            stroll(label.clone()).id(label).start()
        });
        let runs = self.caller.scope(futures::future::try_join_all(calls)).await.unwrap();
        meanwhile.await;
        for run in &runs {
            loop {
                match within("a stroll ends", run.result()).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), outlast::ErrorKind::Unavailable, "{error:?}"),
                }
            }
        }
        begun.elapsed()
    }

    fn bodies(&self, name: &str) -> usize {
        self.directory.effects().iter().filter(|effect| effect.label.starts_with(name)).count()
    }

    /// Strolls in whose midst something is away.
    async fn go_on(&self, what: &str, leave: impl FnOnce(), come_back: impl FnOnce()) {
        let undisturbed = self.strolls("a", async {}).await;
        let all = how_many() * STEPS;
        let usual = all as f64 / undisturbed.as_secs_f64();
        let (mut back, mut left) = (0, 0);
        self.strolls("b", async {
            until("a third has run", || self.bodies("b") > all / 3).await;
            tokio::task::block_in_place(leave);
            tokio::time::sleep(how_long()).await;
            left = all.saturating_sub(self.bodies("b"));
            tokio::task::block_in_place(come_back);
            back = now();
        })
        .await;
        let after: Vec<u64> = self.directory.effects().iter().map(|effect| effect.at).filter(|at| *at > back).collect();
        assert!(left > 0 && !after.is_empty(), "the store was away when all was over");
        let first = after.iter().min().unwrap() - back;
        let last = after.iter().max().unwrap() - back;
        let rate = after.len() as f64 * 1000.0 / (last.max(1)) as f64;
        println!(
            "{what} for {:?} with {left} steps to go: the first after {first} ms, then {rate:.0}/s, undisturbed {usual:.0}/s",
            how_long()
        );
        assert!(Duration::from_millis(first) < SOON, "{what}: the first went on after {first} ms");
        for number in 0..how_many() {
            let execution: Execution = self.caller.execution(format!("b{number}")).details().await.unwrap();
            for (name, _, attempts, _) in execution.operations() {
                assert_eq!(attempts, 1, "{what}: the store's absence counted as a failure of {name} in b{number}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_the_server_comes_back() {
    let scene = Scene::new().await;
    scene.go_on("the server stood still", || scene.mongo.stop(), || scene.mongo.cont()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_the_network_comes_back() {
    let scene = Scene::new().await;
    let leave = || {
        scene.proxy.refuse(true);
        scene.proxy.cut();
    };
    scene.go_on("the network was cut", leave, || scene.proxy.refuse(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_that_lost_its_connections_works_at_once() {
    let scene = Scene::new().await;
    scene.worker.send(Signal::STOP);
    tokio::time::sleep(how_long() / 2).await;
    scene.proxy.cut();
    tokio::time::sleep(how_long() / 2).await;
    scene.worker.send(Signal::CONT);
    let woken = Instant::now();
    let call = scene.caller.scope(walk("woken".to_owned()).id("woken"));
    assert_eq!(within("the first call after a freeze", call).await.unwrap(), "woken");
    println!(
        "frozen for {:?}, its connections cut: the first call took {} ms",
        how_long(),
        woken.elapsed().as_millis()
    );
    assert!(woken.elapsed() < SOON, "{:?}", woken.elapsed());
}

/// Connections of one handle: the pool, one of the leases', one of the change stream's; and each of the three clients
/// watches the server by two.
const MOST_CONNECTIONS: u64 = 16 + 1 + 1 + 3 * 2;

#[tokio::test(flavor = "multi_thread")]
async fn many_cold_starts_at_once_succeed() {
    let count = if long() { 200 } else { 40 };
    let mongo = Mongo::alone();
    let proxy = FaultProxy::start(mongo.address(), 0).await.unwrap();
    let uri = mongo.uri_through(proxy.address());
    let begun = Instant::now();
    let starts = (0..count).map(|_| tokio::spawn(App::new().store(&*uri).store_timeout("60s").start()));
    let mut handles = Vec::new();
    for start in futures::future::join_all(starts).await {
        handles.push(start.unwrap().unwrap());
    }
    let took = begun.elapsed();
    let opened = proxy.connections();
    println!("{count} cold starts in {:.1} s, {opened} connections", took.as_secs_f64());
    assert!(opened <= count * MOST_CONNECTIONS, "{opened} connections of {count} handles");
    futures::future::join_all(handles.into_iter().map(Running::shutdown)).await;
}
