//! The file is there and can't be written for a while: another process has its lock, or the disk is full.

use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::WORKER;
use crate::absence::{Scene, long};
use crate::functions::walk;
use crate::started::{Directory, LIMIT, Program};

fn executions() -> usize {
    if long() { 1_000 } else { 300 }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_the_lock_is_free_again() {
    let directory = Directory::new();
    let _worker = Program::start(WORKER, "work", directory.path(), &[]);
    let caller = directory.caller(LIMIT).await;
    let file = directory.file();
    let scene = Scene { directory: &directory, caller: &caller, executions: executions() };
    let lock = || file.execute_batch("BEGIN IMMEDIATE").unwrap();
    scene.go_on("the lock was held", lock, || file.execute_batch("ROLLBACK").unwrap()).await;
    caller.shutdown().await;
}

/// No file of the worker's grows beyond this: its log of writes would, what its bodies leave wouldn't.
const FULL: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_there_is_space_again() {
    let directory = Directory::new();
    // A process that asks for more than its limit gets an error, and no signal.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", WORKER, "work"]).arg(directory.path());
    let worker = Program::of(&mut command, directory.path(), "work");
    let pid = Pid::from_raw(i32::try_from(worker.pid()).unwrap());
    let caller = directory.caller(LIMIT).await;
    caller.scope(walk("first".to_owned())).await.unwrap();
    let scene = Scene { directory: &directory, caller: &caller, executions: executions() };
    let limit = |current| {
        let before = prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
        assert_eq!(before.maximum, None);
    };
    scene.go_on("the disk was full", || limit(Some(FULL)), || limit(None)).await;
    caller.shutdown().await;
}
