//! Servers start, stop, die and come back, and leave nothing behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection};
use outlast_test_servers::Mongo;
use rustix::process::{Pid, test_kill_process};

async fn collection(mongo: &Mongo) -> Collection<Document> {
    mongo.database().await.collection("c")
}

fn runs(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()).is_ok()
}

#[tokio::test]
async fn each_test_has_a_database_of_the_shared_server_while_it_runs() {
    let (one, two) = (Mongo::start(), Mongo::start());
    assert_eq!(one.address(), two.address());
    assert_ne!(one.name(), two.name());
    collection(&one).await.insert_one(doc! { "_id": 1 }).await.unwrap();
    assert!(collection(&two).await.find_one(doc! {}).await.unwrap().is_none());
    let name = one.name().to_owned();
    drop(one);
    let left = two.client().await.list_database_names().await.unwrap();
    assert!(!left.contains(&name), "{left:?}");
}

#[tokio::test]
async fn a_server_that_was_killed_comes_back_with_what_it_acknowledged() {
    let mongo = Mongo::alone();
    let documents = collection(&mongo).await;
    for round in 0..2 {
        documents.insert_one(doc! { "_id": round }).await.unwrap();
        let (pid, uri) = (mongo.pid(), mongo.uri());
        mongo.kill();
        assert!(!runs(pid));
        mongo.restart();
        assert!(runs(mongo.pid()) && mongo.pid() != pid);
        assert_eq!(mongo.uri(), uri);
        assert_eq!(documents.find_one(doc! { "_id": round }).await.unwrap(), Some(doc! { "_id": round }));
    }
}

#[tokio::test]
async fn a_stopped_server_answers_when_it_goes_on() {
    let mongo = Mongo::alone();
    let documents = collection(&mongo).await;
    documents.insert_one(doc! { "_id": 1 }).await.unwrap();
    mongo.stop();
    let sent = documents.insert_one(doc! { "_id": 2 }).into_future();
    tokio::pin!(sent);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut sent).await.is_err());
    mongo.cont();
    sent.await.unwrap();
    // One that stands still can be killed too.
    mongo.stop();
    let pid = mongo.pid();
    drop(mongo);
    assert!(!runs(pid));
}

#[tokio::test]
async fn who_has_no_password_is_not_let_in() {
    let mongo = Mongo::with_auth();
    collection(&mongo).await.insert_one(doc! { "_id": 1 }).await.unwrap();
    let bare = format!("mongodb://{}/?directConnection=true", mongo.address());
    let database = Client::with_uri_str(&bare).await.unwrap().database(mongo.name());
    database.collection::<Document>("c").find_one(doc! {}).await.unwrap_err();
    let wrong = bare.replace("://", "://tester:wrong@");
    let database = Client::with_uri_str(&wrong).await.unwrap().database(mongo.name());
    database.collection::<Document>("c").find_one(doc! {}).await.unwrap_err();
    mongo.restart();
    collection(&mongo).await.find_one(doc! { "_id": 1 }).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_does_not_speak_tls_is_not_understood() {
    let mongo = Mongo::with_tls();
    collection(&mongo).await.insert_one(doc! { "_id": 1 }).await.unwrap();
    let bare = format!("mongodb://{}/?directConnection=true", mongo.address());
    for uri in [bare.clone(), format!("{bare}&tls=true")] {
        // No TLS at all, and TLS that trusts only what the world trusts.
        let mut options = ClientOptions::parse(uri).await.unwrap();
        options.server_selection_timeout = Some(Duration::from_millis(500));
        let database = Client::with_options(options).unwrap().database(mongo.name());
        database.run_command(doc! { "ping": 1 }).await.unwrap_err();
    }
}

#[test]
#[should_panic(expected = "take Mongo::alone()")]
fn the_shared_server_is_not_killed() {
    Mongo::start().kill();
}

/// Runs this test again in a process that has a server and dies of `death`; returns how it ended.
fn die_with_a_server(test: &str, death: &str) {
    if std::env::var_os("DIE_WITH_A_SERVER").is_some() {
        let (shared, own) = (Mongo::start(), Mongo::alone());
        eprintln!("pid {}", own.pid());
        match death {
            "abort" => std::process::abort(),
            "panic" => panic!("on purpose"),
            _ => std::mem::forget((shared, own)),
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = std::env::current_exe().unwrap();
    let mut command = Command::new(here);
    command.args(["--exact", test, "--nocapture"]).env("DIE_WITH_A_SERVER", "1").env("TMPDIR", folder.path());
    // The shared server is one of its own there.
    command.env_remove("MONGODB_URI").stdin(Stdio::null());
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let pid = said.lines().find_map(|line| line.strip_prefix("pid ")).unwrap_or_else(|| panic!("{said}"));
    let pid = pid.parse().unwrap();
    assert_eq!(ended.status.success(), death == "forget", "{said}");
    let begun = Instant::now();
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    while (runs(pid) || left() > 0) && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!runs(pid), "the server {pid} still runs");
    assert_eq!(left(), 0, "folders are left in {}", folder.path().display());
}

/// Runs a test in a process that finds its programs in `path` alone, from a copy of this one in `folder`, beside which
/// nothing has been set up; returns what it said while it failed.
fn fail_among(path: &Path, folder: &Path) -> String {
    let copy = folder.join("tests");
    // By another process: a file that this one has open for writing, another test's fork may hold for a moment longer.
    assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&copy).status().unwrap().success());
    let mut command = Command::new(copy);
    command.args(["--exact", "each_test_has_a_database_of_the_shared_server_while_it_runs"]);
    command.env_remove("MONGODB_URI").env("PATH", path).stdin(Stdio::null());
    let ended = command.output().unwrap();
    assert!(!ended.status.success());
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[test]
fn a_server_that_is_missing_is_a_failure_with_its_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let said = fail_among(folder.path(), folder.path());
    assert!(said.contains("no MongoDB: set MONGODB_URI"), "{said}");
}

#[test]
fn a_server_that_does_not_start_is_a_failure_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = folder.path().join("mongod");
    std::fs::write(&mongod, "#!/bin/sh\necho the disk is on fire\nexit 3\n").unwrap();
    std::fs::set_permissions(&mongod, Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths([folder.path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let said = fail_among(Path::new(&path), folder.path());
    assert!(said.contains("the disk is on fire") && said.contains("exit status: 3"), "{said}");
}

#[test]
fn tests_that_abort_leave_nothing_behind() {
    die_with_a_server("tests_that_abort_leave_nothing_behind", "abort");
}

#[test]
fn tests_that_panic_leave_nothing_behind() {
    die_with_a_server("tests_that_panic_leave_nothing_behind", "panic");
}

#[test]
fn tests_that_forget_leave_nothing_behind() {
    die_with_a_server("tests_that_forget_leave_nothing_behind", "forget");
}
