//! A server, a network or a process that is away for a while, and many that come at once.

use std::time::Instant;

use outlast::{App, Running};
use outlast_test_servers::{FaultProxy, Mongo};
use rustix::process::Signal;

use crate::WORKER;
use crate::absence::{SOON, Scene, how_long, long};
use crate::functions::walk;
use crate::started::{Directory, LIMIT, Program, within};

/// A server, a network before it, and one worker behind that.
struct Far {
    mongo: Mongo,
    proxy: FaultProxy,
    directory: Directory,
    worker: Program,
    caller: Running,
}

impl Far {
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

    fn scene(&self) -> Scene<'_> {
        // A server for tests is slow.
        let executions = if long() { 1_000 } else { 150 };
        Scene { directory: &self.directory, caller: &self.caller, executions }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_the_server_comes_back() {
    let _alone = crate::ALONE.lock().await;
    let far = Far::new().await;
    far.scene().go_on("the server stood still", || far.mongo.stop(), || far.mongo.cont()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_the_network_comes_back() {
    let _alone = crate::ALONE.lock().await;
    let far = Far::new().await;
    let leave = || {
        far.proxy.refuse(true);
        far.proxy.cut();
    };
    far.scene().go_on("the network was cut", leave, || far.proxy.refuse(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_that_lost_its_connections_works_at_once() {
    let _alone = crate::ALONE.lock().await;
    let far = Far::new().await;
    far.worker.send(Signal::STOP);
    tokio::time::sleep(how_long() / 2).await;
    far.proxy.cut();
    tokio::time::sleep(how_long() / 2).await;
    far.worker.send(Signal::CONT);
    let woken = Instant::now();
    let call = far.caller.scope(walk("woken".to_owned()).id("woken"));
    assert_eq!(within("the first call after a freeze", call).await.unwrap(), "woken");
    println!(
        "frozen for {:?}, its connections cut: the first call took {} ms",
        how_long(),
        woken.elapsed().as_millis()
    );
    assert!(woken.elapsed() < SOON, "{:?}", woken.elapsed());
}

/// Connections of one handle to one server: the pool's, those of leases and change stream, and each of the two clients
/// watches the server by one.
const MOST_CONNECTIONS: u64 = 3 + 2 + 2;
/// The stand-in refuses any more, and those who were refused come again.
const STAND_IN_TAKES: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn many_cold_starts_at_once_succeed() {
    let _alone = crate::ALONE.lock().await;
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
    let refused = mongo.is_stand_in().await && count * MOST_CONNECTIONS > STAND_IN_TAKES;
    assert!(refused || opened <= count * MOST_CONNECTIONS, "{opened} connections of {count} handles");
    futures::future::join_all(handles.into_iter().map(Running::shutdown)).await;
}
