//! The command line from outside: a real binary in a folder of its own, for each test.

// What helpers of tests meet is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
const OTHER: &str = env!("CARGO_BIN_EXE_other");
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const ORDER: &str = r#"{"order": {"_id": "o-1", "cents": 1200}}"#;
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Shop {
    folder: tempfile::TempDir,
}

#[derive(Debug)]
struct Said {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Said {
    fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code(), 0, "{self:?}");
        self.out
    }

    #[track_caller]
    fn json(self) -> Json {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Failed with this code, and with these words on standard error.
    #[track_caller]
    fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code(), code, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:?}");
        }
        assert!(self.err.contains("error: "), "{self:?}");
        assert!(!self.err.contains("panicked at"), "{self:?}");
        self
    }
}

impl Shop {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).env("OUTLAST_KEY", KEY);
        for name in ["OUTLAST_STORE", "RUST_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(PROGRAM, arguments))
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::of(&mut self.command(PROGRAM, arguments))
    }

    /// Waits until an execution has this status.
    #[track_caller]
    fn until(&self, id: &str, status: &str) -> Json {
        let begun = Instant::now();
        loop {
            let json = self.run(&["show", id, "--json"]).json();
            if json["status"] == status {
                return json;
            }
            assert!(begun.elapsed() < PATIENCE, "{id} never was {status}: {json:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Runs to the end; what hangs is killed, and has no exit code.
fn said(command: &mut Command) -> Said {
    let child = command.spawn().unwrap();
    let id = child.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE * 2) == Err(RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status, out: text(output.stdout), err: text(output.stderr) }
}

/// A process that is killed with its test.
struct Running {
    child: Child,
    err: Option<BufReader<ChildStderr>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let err = child.stderr.take().map(BufReader::new);
        Self { child, err }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Reads standard error until a line has these words: all lines so far.
    #[track_caller]
    fn hears(&mut self, words: &str) -> String {
        let mut heard = String::new();
        let err = self.err.as_mut().unwrap();
        loop {
            let mut line = String::new();
            assert!(err.read_line(&mut line).unwrap() > 0, "{words:?} never came: {heard}");
            heard.push_str(&line);
            if line.contains(words) {
                return heard;
            }
        }
    }

    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it never ended");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn said(mut self) -> Said {
        let status = self.ends();
        let read = |from: Option<&mut dyn Read>| {
            let mut text = String::new();
            from.unwrap().read_to_string(&mut text).unwrap();
            text
        };
        let out = read(self.child.stdout.as_mut().map(|out| out as &mut dyn Read));
        let err = read(self.err.as_mut().map(|err| err as &mut dyn Read));
        Said { status, out, err }
    }
}

fn keys(json: &Json) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_call_runs_here_and_prints_its_result() {
    let shop = Shop::new();
    assert_eq!(shop.run(&["call", "double", "21"]).ok(), "42\n");
    assert_eq!(shop.run(&["call", "double", r#"{"n": 21}"#, "--id", "d-1"]).ok(), "42\n");
    assert_eq!(shop.run(&["call", "double", "21", "--id", "d-1"]).ok(), "42\n");
    assert_eq!(shop.run(&["call", "twice", "1"]).ok(), "4\n");
    let json = shop.run(&["call", "double", "3", "--id", "d-2", "--json"]).json();
    let expected = json!({ "id": "d-2", "function": "double", "status": "succeeded", "result": 6, "error": null });
    assert_eq!(json, expected);
}

#[test]
fn a_later_call_starts_later() {
    let shop = Shop::new();
    let begun = Instant::now();
    assert_eq!(shop.run(&["call", "double", "21", "--after", "600ms", "--id", "d-1"]).ok(), "42\n");
    assert!(begun.elapsed() >= Duration::from_millis(600));
    let json = shop.run(&["show", "d-1", "--json"]).json();
    let waited = json["started_ms"].as_i64().unwrap() - json["created_ms"].as_i64().unwrap();
    assert!(waited >= 500, "{json:#}");
}

#[test]
fn arguments_may_come_from_standard_input() {
    let shop = Shop::new();
    let mut command = shop.command(PROGRAM, &["call", "double", "-"]);
    let mut child = Running::of(command.stdin(Stdio::piped()));
    child.child.stdin.take().unwrap().write_all(b" {\"n\": 4}\n").unwrap();
    assert_eq!(child.said().ok(), "8\n");
}

#[test]
fn wrong_calls_say_what_fits() {
    let shop = Shop::new();
    shop.run(&["call", "doubel", "1"]).failed(3, &["doubel", "double", "my_functions"]);
    shop.run(&["call", "double", "{n: 1}"]).failed(2, &["isn't JSON"]);
    shop.run(&["call", "double", "ann"]).failed(2, &["isn't JSON", "'\"ann\"'"]);
    shop.run(&["call", "double", "\"ann\""]).failed(2, &["double(n: u64)", "`n` doesn't fit"]);
    shop.run(&["call", "double"]).failed(2, &["`double(n: u64)` is called without arguments"]);
    shop.run(&["call", "pay", r#"{"order": "o"}"#]).failed(2, &["the argument `card` is missing"]);
    shop.run(&["call", "pay", r#"{"order": "o", "crad": "4"}"#]).failed(2, &["`crad`", "order, card"]);
    let said = shop.run(&["call", "double", "1", "--id", "two words"]).failed(2, &["the execution's id `two words`"]);
    assert!(!said.err.contains("arguments"), "they do fit: {said:?}");
    shop.run(&["call", "double", "1", "--timeout", "soon"]).failed(2, &["soon", "1m30s"]);
    shop.run(&["call", "double", "1", "--id", "x"]).ok();
    shop.run(&["call", "double", "2", "--id", "x"]).failed(2, &["other arguments"]);
    shop.run(&["call"]).failed(2, &["FUNCTION", "Usage: program call"]);
    shop.run(&["serv"]).failed(2, &["serve"]);
}

#[test]
fn a_failure_is_told_with_its_chain_and_exit_code_1() {
    let shop = Shop::new();
    let words = ["attempts exhausted", "no label for o-1", "out of paper", "`program show s-1`"];
    shop.run(&["call", "ship", ORDER, "--id", "s-1"]).failed(1, &words);
    let said = shop.run(&["call", "ship", ORDER, "--id", "s-1", "--json"]).failed(1, &["attempts exhausted"]);
    let json: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["status"], &json["result"]), (&json!("failed"), &Json::Null));
    assert_eq!(json["error"]["kind"], "exhausted");
    assert_eq!(json["error"]["chain"].as_array().unwrap().len(), 3);
    shop.run(&["call", "hibernate", "--timeout", "50ms"]).failed(1, &["timeout"]);
    // Not 2: it was the function that asked wrongly.
    let said = shop.run(&["call", "quarrel", "--json"]).failed(1, &["other arguments"]);
    assert_eq!(serde_json::from_str::<Json>(&said.out).unwrap()["error"]["kind"], "conflict");
}

#[cfg(unix)]
#[test]
fn a_store_that_is_no_text_is_never_another_one() {
    use std::os::unix::ffi::OsStrExt;
    let shop = Shop::new();
    let name = std::ffi::OsStr::from_bytes(b"sqlite://caf\xe9.db");
    let said = said(shop.command(PROGRAM, &["call", "double", "1"]).env("OUTLAST_STORE", name));
    said.failed(2, &["OUTLAST_STORE", "UTF-8"]);
    assert!(!shop.folder.path().join("outlast.db").exists());
}

#[test]
fn a_parked_execution_is_exit_code_4_and_says_why() {
    let shop = Shop::new();
    shop.run(&["call", "careless", "--id", "c-1"]).failed(4, &["not durable", "`program show c-1`"]);
    let shown = shop.run(&["show", "c-1"]).ok();
    assert!(shown.starts_with("c-1  parked\n") && shown.contains("parked because\n  not durable: "), "{shown}");
    assert_eq!(shop.run(&["show", "c-1", "--json"]).json()["parked"]["kind"], "not durable");
    let listed = shop.run(&["ls", "--status", "parked"]).ok();
    assert!(listed.contains("c-1") && listed.contains("not durable"), "{listed}");
    assert_eq!(shop.run(&["resume", "c-1"]).ok(), "`c-1` is due\n");
    assert_eq!(shop.run(&["show", "c-1", "--json"]).json()["status"], "ready");
}

#[test]
fn a_detached_call_waits_for_a_worker() {
    let shop = Shop::new();
    assert_eq!(shop.run(&["call", "checkout", ORDER, "--id", "o-1", "--detach"]).ok(), "o-1\n");
    let recorded = shop.run(&["call", "double", "1", "--id", "d-1", "--detach", "--json"]).json();
    assert_eq!(recorded, json!({ "id": "d-1", "function": "double", "detached": true }));
    let later = shop.run(&["call", "double", "1", "--id", "d-2", "--after", "1h", "--detach"]).ok();
    assert_eq!(later, "d-2\n");
    let made = shop.run(&["call", "double", "1", "--detach"]).ok();
    assert!(made.trim().len() > 10, "{made}");
    assert_eq!(shop.run(&["show", "o-1", "--json"]).json()["claims"], 0);

    let said = shop.run(&["signal", "o-1", "rating", "5", "--json"]).json();
    assert_eq!(said, json!({ "id": "o-1", "asked": "signal" }));
    let inbox = shop.run(&["show", "o-1", "--json"]).json()["inbox"][0].clone();
    assert_eq!((&inbox["message"], &inbox["name"], &inbox["payload"]), (&json!("signal"), &json!("rating"), &json!(5)));
    assert!(shop.run(&["show", "o-1"]).ok().contains("inbox\n  signal  rating  5\n"));

    let serve = shop.start(&["serve"]);
    let done = shop.until("o-1", "succeeded");
    assert_eq!(done["result"], json!({ "charge": "charge of 1200 cents for o-1", "rating": 5 }));
    shop.until("d-1", "succeeded");
    let waits = shop.run(&["show", "d-2", "--json"]).json();
    assert_ne!(waits["status"], "succeeded");
    assert!(waits["due_ms"].as_i64().unwrap() > waits["created_ms"].as_i64().unwrap() + 3_500_000, "{waits:#}");
    drop(serve);
}

#[test]
fn a_wait_after_a_wait_holds_no_worker() {
    let shop = Shop::new();
    let mut serve = shop.start(&["serve"]);
    serve.hears("ready");
    // A sleep shorter than the time after which it would be parked, then a long wait.
    shop.run(&["call", "checkout", ORDER, "--id", "o-1", "--detach"]).ok();
    assert_eq!(shop.until("o-1", "waiting")["worker"], Json::Null);
}

#[test]
fn the_timeline_reads_well() {
    let shop = Shop::new();
    shop.run(&["call", "checkout", ORDER, "--id", "o-1", "--detach"]).ok();
    shop.run(&["signal", "o-1", "rating", "5"]).ok();
    shop.run(&["call", "checkout", ORDER, "--id", "o-1"]).ok();
    let shown = shop.run(&["show", "o-1"]).ok();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[..2], ["o-1  succeeded", "function  checkout, version 1"], "{shown}");
    for words in [
        r#"  order  {"_id":"o-1","cents":1200}"#,
        r#"step    charge  ✓ "charge of 1200 cents for o-1""#,
        "sleep   20ms    ✓",
        "signal  rating  ← 5",
        "deadline  ",
        r#"  {"charge":"charge of 1200 cents for o-1","rating":5}"#,
    ] {
        assert!(shown.contains(words), "{words:?} is missing:\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours but on a terminal");
    assert!(shop.run(&["show", "o-1", "--color", "always"]).ok().contains("\u{1b}[32m"));
    let silent = said(shop.command(PROGRAM, &["show", "o-1", "--color", "auto"]).env("NO_COLOR", "1"));
    assert!(!silent.ok().contains('\u{1b}'));
}

#[test]
fn the_json_of_an_execution_keeps_its_field_names() {
    let shop = Shop::new();
    shop.run(&["call", "wait_for_carrier", "--id", "w-1", "--detach"]).ok();
    let mut serve = shop.start(&["serve"]);
    serve.hears("ready");
    let json = shop.until("w-1", "waiting");
    let line = [
        "claims",
        "created",
        "created_ms",
        "deadline",
        "deadline_ms",
        "due",
        "due_ms",
        "ended",
        "ended_ms",
        "function",
        "id",
        "parent",
        "parked",
        "started",
        "started_ms",
        "status",
        "version",
        "worker",
    ];
    let mut whole = [&line[..], &["arguments", "error", "inbox", "open_attempts", "result", "timeline"]].concat();
    whole.sort_unstable();
    assert_eq!(keys(&json), whole);
    let attempt = &json["open_attempts"][0];
    assert_eq!(keys(attempt), ["error", "failed", "name", "next", "next_ms", "ordinal", "spent_ms", "started"]);
    assert_eq!((&attempt["name"], &attempt["failed"]), (&json!("patient"), &json!(1)));
    assert_eq!(attempt["error"]["message"], "the carrier is closed");
    assert!(json["created"].as_str().unwrap().ends_with('Z'));
    let text = shop.run(&["show", "w-1"]).ok();
    assert!(text.contains("open  patient  … failed once, next try in "), "{text}");
    let list = shop.run(&["ls", "--json"]).json();
    assert_eq!(keys(&list[0]), line);

    shop.run(&["call", "double", "2", "--id", "d-1"]).ok();
    let entry = shop.run(&["call", "twice", "2", "--id", "t-1"]);
    entry.ok();
    let entry = shop.run(&["show", "t-1", "--json"]).json()["timeline"][0].clone();
    let names = [
        "arguments",
        "at",
        "at_ms",
        "attempts",
        "error",
        "event",
        "kind",
        "name",
        "offset_ms",
        "ordinal",
        "result",
        "seq",
    ];
    assert_eq!(keys(&entry), names);
    assert_eq!((&entry["kind"], &entry["name"], &entry["result"]), (&json!("child"), &json!("double"), &json!(4)));
}

#[test]
fn lists_are_filtered_and_paged() {
    let shop = Shop::new();
    let none = shop.run(&["call", "double", "1", "--id", "d-1"]);
    none.ok();
    shop.run(&["call", "twice", "1", "--id", "t-1"]).ok();
    let ids = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["ls", "--json"], arguments].concat();
        let list = shop.run(&arguments).json();
        list.as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]).len(), 4);
    assert_eq!(ids(&["--function", "twice"]), ["t-1"]);
    let children = ids(&["--parent", "t-1"]);
    assert!(children.len() == 2 && children.iter().all(|id| id.starts_with("t-1.double.")), "{children:?}");
    assert_eq!(ids(&["--status", "failed"]), [""; 0]);
    let first = ids(&["--limit", "3"]);
    let rest = ids(&["--before", &first[2]]);
    assert_eq!((first.len(), rest), (3, vec!["d-1".to_owned()]));
    let text = shop.run(&["ls", "--limit", "1"]);
    assert!(text.err.contains("there are more: `--before "), "{text:?}");
    let text = shop.run(&["ls"]).ok();
    assert_eq!(text.lines().count(), 5);
    assert!(text.lines().all(|line| line == line.trim_end()));
    shop.run(&["ls", "--status", "done"]).failed(2, &["parked", "succeeded"]);
    shop.run(&["ls", "--parent", "nobody"]).ok();
}

#[test]
fn a_secret_is_never_shown_nor_stored() {
    let shop = Shop::new();
    let card = "4000123412341234";
    let arguments = format!(r#"{{"order": "o-1", "card": "{card}"}}"#);
    assert_eq!(shop.run(&["call", "pay", &arguments, "--id", "p-1"]).ok(), "\"o-1: 16 digits\"\n");
    for line in [&["show", "p-1"][..], &["show", "p-1", "--full"], &["show", "p-1", "--json"], &["logs", "p-1"]] {
        let shown = shop.run(line).ok();
        assert!(shown.contains("•••") && !shown.contains(card), "{shown}");
    }
    for file in std::fs::read_dir(shop.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(card.len()).any(|window| window == card.as_bytes()));
    }
}

#[test]
fn without_a_key_secrets_are_refused_but_looking_is_not() {
    let shop = Shop::new();
    shop.run(&["call", "double", "1", "--id", "d-1"]).ok();
    let keyless = |arguments: &[&str]| said(shop.command(PROGRAM, arguments).env_remove("OUTLAST_KEY"));
    keyless(&["call", "double", "1"]).failed(2, &["`pay`", "OUTLAST_KEY"]);
    keyless(&["serve"]).failed(2, &["OUTLAST_KEY"]);
    assert!(keyless(&["show", "d-1"]).ok().contains("d-1  succeeded"));
    let said = keyless(&["doctor"]).failed(1, &["1 problem"]);
    assert!(said.out.contains("✗ `pay` has secrets, but there is no key"), "{said:?}");
    let key = shop.run(&["new-key"]).ok();
    let with = said_with_key(&shop, key.trim(), &["doctor", "--json"]).json();
    assert_eq!(with["key"], "present");
    let wrong = said_with_key(&shop, "secret", &["doctor", "--json"]).failed(1, &["problem"]);
    assert_eq!(serde_json::from_str::<Json>(&wrong.out).unwrap()["key"], "wrong");
    assert!(!wrong.out.contains("\"secret\"") && !wrong.err.contains("`secret`"), "{wrong:?}");
}

fn said_with_key(shop: &Shop, key: &str, arguments: &[&str]) -> Said {
    said(shop.command(PROGRAM, arguments).env("OUTLAST_KEY", key))
}

#[test]
fn what_is_not_there_is_exit_code_3() {
    let shop = Shop::new();
    for line in [
        &["ls"][..],
        &["show", "x"],
        &["logs", "x"],
        &["cancel", "x"],
        &["resume", "x"],
        &["signal", "x", "rating", "5"],
    ] {
        shop.run(line).failed(3, &["there is no store at `sqlite://outlast.db` yet"]);
        assert!(!shop.folder.path().join("outlast.db").exists(), "{line:?} made a store");
    }
    shop.run(&["call", "double", "1"]).ok();
    for line in [
        &["show", "x"][..],
        &["logs", "x"],
        &["logs", "-f", "x"],
        &["cancel", "x"],
        &["resume", "x"],
        &["signal", "x", "rating", "5"],
    ] {
        shop.run(line).failed(3, &["no execution"]);
    }
}

#[test]
fn what_has_ended_takes_no_requests() {
    let shop = Shop::new();
    shop.run(&["call", "double", "1", "--id", "d-1"]).ok();
    shop.run(&["cancel", "d-1"]).failed(2, &["`d-1` has ended"]);
    shop.run(&["signal", "d-1", "rating"]).failed(2, &["`d-1` has ended"]);
    shop.run(&["resume", "d-1"]).failed(2, &["`d-1` is succeeded"]);
    shop.run(&["signal", "d-1", "two words"]).failed(2, &["two words"]);
    shop.run(&["signal", "d-1", "rating", "{"]).failed(2, &["isn't JSON"]);
}

#[test]
fn a_store_is_named_by_option_environment_or_default() {
    let shop = Shop::new();
    let there = |name: &str| shop.folder.path().join(name).exists();
    shop.run(&["call", "double", "1", "--store", "sqlite://a.db"]).ok();
    assert!(there("a.db") && !there("outlast.db"));
    said(shop.command(PROGRAM, &["call", "double", "1"]).env("OUTLAST_STORE", "sqlite://b.db")).ok();
    assert!(there("b.db") && !there("outlast.db"));
    said(shop.command(PROGRAM, &["call", "double", "1", "--store", "memory:"]).env("OUTLAST_STORE", "sqlite://c.db"))
        .ok();
    assert!(!there("c.db"));
}

#[test]
fn wrong_stores_say_what_fits_and_hide_passwords() {
    let shop = Shop::new();
    for command in ["ls", "serve"] {
        shop.run(&[command, "--store", "shop.db"]).failed(2, &["shop.db", "sqlite://"]);
        let said = shop.run(&[command, "--store", "mongodb://ann:geheim@host/shop"]).failed(2, &["mongodb"]);
        assert!(!said.err.contains("geheim"), "{said:?}");
        let said =
            shop.run(&[command, "--store", "postgres://ann:geheim@host/shop"]).failed(2, &["•••@host", "sqlite://"]);
        assert!(!said.err.contains("geheim"), "{said:?}");
    }
    std::fs::write(shop.folder.path().join("text.db"), "this is no database, by no means at all. ".repeat(50)).unwrap();
    shop.run(&["ls", "--store", "sqlite://text.db"]).failed(1, &["text.db"]);
    let nowhere = shop.run(&["call", "double", "1", "--store", "sqlite://no/such/folder/a.db"]);
    assert_ne!(nowhere.code(), 0);
    assert!(nowhere.err.contains("error: ") && nowhere.err.contains("no/such/folder"), "{nowhere:?}");
}

#[test]
fn functions_are_listed_without_a_store() {
    let shop = Shop::new();
    let text = shop.run(&["functions"]).ok();
    assert!(
        text.contains("checkout(order: Order)\n    Charges an order and waits for its rating.\n    timeout 2h · "),
        "{text}"
    );
    let json = shop.run(&["functions", "--json"]).json();
    let pay = json.as_array().unwrap().iter().find(|function| function["name"] == "pay").unwrap();
    let names = ["arguments", "file", "line", "module", "name", "secret_result", "summary", "timeout_ms", "version"];
    assert_eq!(keys(pay), names);
    let card = json!({ "name": "card", "type": "String", "secret": true });
    assert_eq!(pay["arguments"][1], card);
    assert_eq!(std::fs::read_dir(shop.folder.path()).unwrap().count(), 0);
}

#[test]
fn doctor_finds_what_no_function_can_run() {
    let shop = Shop::new();
    shop.run(&["call", "double", "1"]).ok();
    let json = shop.run(&["doctor", "--json", "--thorough"]).json();
    let names = ["facts", "functions", "key", "ok", "parked", "problems", "store", "unclaimable"];
    assert_eq!(keys(&json), names);
    assert_eq!((&json["ok"], &json["problems"]), (&json!(true), &json!([])));
    assert!(shop.run(&["doctor"]).ok().contains("✓ nothing is wrong"));

    said(&mut shop.command(OTHER, &["call", "leftover", "--id", "l-1", "--detach"])).ok();
    let said = shop.run(&["doctor", "--json"]).failed(1, &["1 problem was found"]);
    let json: Json = serde_json::from_str(&said.out).unwrap();
    let expected = json!([{ "function": "leftover", "version": 1, "executions": 1, "example": "l-1" }]);
    assert_eq!(json["unclaimable"], expected);
    assert_eq!(json["ok"], false);
    assert!(shop.run(&["doctor"]).out.contains("`leftover` version 1, such as `l-1`"));

    let elsewhere = shop.run(&["doctor", "--store", "nowhere", "--json"]).failed(1, &["problem"]);
    assert!(elsewhere.out.contains("sqlite://shop.db"), "{elsewhere:?}");
}

#[test]
fn a_cancelled_execution_ends_with_the_reason() {
    let shop = Shop::new();
    shop.run(&["call", "hibernate", "--id", "h-1", "--detach"]).ok();
    assert_eq!(shop.run(&["cancel", "h-1", "--reason", "ordered twice"]).ok(), "`h-1` was asked to end\n");
    shop.run(&["call", "hibernate", "--id", "h-1"]).failed(1, &["cancelled", "ordered twice"]);
    let shown = shop.run(&["show", "h-1"]).ok();
    assert!(shown.starts_with("h-1  cancelled\n") && shown.contains("ordered twice"), "{shown}");
}

#[test]
fn serve_says_what_it_serves_and_stops_for_sigterm() {
    let shop = Shop::new();
    let mut serve = shop.start(&["--store", "sqlite://shop.db"]);
    let heard = serve.hears("ready");
    assert!(heard.contains("sqlite://shop.db") && heard.contains("checkout, "), "{heard}");
    shop.run(&["call", "hibernate", "--id", "h-1", "--detach", "--store", "sqlite://shop.db"]).ok();
    serve.signal("TERM");
    assert!(serve.hears("stopped").contains("SIGTERM"));
    assert_eq!(serve.ends().code(), Some(0));
    let json = shop.run(&["show", "h-1", "--json", "--store", "sqlite://shop.db"]).json();
    assert_eq!(json["worker"], Json::Null, "everything was given back: {json:#}");
}

#[test]
fn a_second_signal_ends_serve_at_once() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let shop = Shop::new();
        shop.run(&["call", "dawdle", "--id", "d-1", "--detach"]).ok();
        let mut command = shop.command(PROGRAM, &["serve", "--json"]);
        let mut serve = Running::of(command.env("PROGRAM_GRACE", "60s"));
        let mut line = String::new();
        BufReader::new(serve.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Json = serde_json::from_str(&line).unwrap();
        assert_eq!((&ready["ready"], &ready["store"]), (&json!(true), &json!("sqlite://outlast.db")));
        assert_eq!(keys(&ready), ["functions", "pid", "ready", "store"]);
        serve.hears("dawdling");
        serve.signal("INT");
        serve.hears("stopping");
        assert!(serve.child.try_wait().unwrap().is_none(), "the step in flight gets its time");
        serve.signal(name);
        assert_eq!(serve.ends().code(), Some(code));
    }
}

#[test]
fn an_interrupted_call_is_not_lost() {
    let shop = Shop::new();
    let mut call = shop.start(&["call", "checkout", ORDER, "--id", "o-1"]);
    let begun = Instant::now();
    while shop.run(&["show", "o-1"]).code() != 0 {
        assert!(begun.elapsed() < PATIENCE);
    }
    call.signal("INT");
    assert!(call.hears("isn't lost").contains("`program serve`"));
    assert_eq!(call.ends().code(), Some(130));
    shop.run(&["signal", "o-1", "rating", "4"]).ok();
    assert!(shop.run(&["call", "checkout", ORDER, "--id", "o-1"]).ok().contains("\"rating\":4"));
}

#[test]
fn logs_tell_each_event_once() {
    let shop = Shop::new();
    shop.run(&["call", "double", "2", "--id", "d-1"]).ok();
    let lines = shop.run(&["logs"]).ok();
    let words: Vec<_> = lines.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(words, ["d-1  double  created {\"n\":2}", "d-1  double  started", "d-1  double  succeeded 4"]);
    let json: Vec<Json> =
        shop.run(&["logs", "d-1", "--json"]).ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.iter().map(|event| event["event"].clone()).collect::<Vec<_>>(), ["created", "started", "ended"]);
}

#[test]
fn followed_logs_go_on_as_things_happen() {
    let shop = Shop::new();
    shop.run(&["call", "double", "2", "--id", "d-1"]).ok();
    let mut follow = shop.start(&["logs", "-f"]);
    let mut lines = BufReader::new(follow.child.stdout.take().unwrap());
    let mut told = String::new();
    while !told.contains("succeeded") {
        assert!(lines.read_line(&mut told).unwrap() > 0, "{told}");
    }
    shop.run(&["call", "checkout", ORDER, "--id", "o-1", "--detach"]).ok();
    let mut one = shop.start(&["logs", "-f", "o-1", "--json"]);
    let mut serve = shop.start(&["serve"]);
    serve.hears("ready");
    shop.until("o-1", "waiting");
    std::thread::sleep(Duration::from_millis(1_500));
    shop.run(&["signal", "o-1", "rating", "5"]).ok();
    shop.until("o-1", "succeeded");

    // Following one execution ends with it.
    assert!(one.ends().success());
    let events = one.said().ok();
    let events: Vec<_> =
        events.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["event"].clone()).collect();
    assert_eq!(events, ["created", "started", "outcome", "outcome", "signal", "ended"]);

    // Following all ends cleanly with Ctrl-C, and has told each event once.
    std::thread::sleep(Duration::from_millis(1_500));
    follow.signal("INT");
    assert!(follow.ends().success());
    lines.read_to_string(&mut told).unwrap();
    let of = |id: &str| told.lines().filter(|line| line.contains(&format!("  {id}  "))).count();
    assert_eq!((of("d-1"), of("o-1")), (3, 6), "{told}");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let shop = Shop::new();
    for n in 0..3 {
        shop.run(&["call", "double", &n.to_string(), "--detach"]).ok();
    }
    for arguments in
        [&["ls"][..], &["ls", "--json"], &["functions"], &["logs"], &["logs", "-f"], &["completions", "bash"]]
    {
        let mut child = shop.start(arguments);
        drop(child.child.stdout.take());
        if arguments.contains(&"-f") {
            shop.run(&["call", "double", "7", "--detach"]).ok();
        }
        let status = child.ends();
        let mut err = String::new();
        child.err.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(status.success() && err.is_empty(), "{arguments:?}: {status} {err}");
    }
    let head = format!("{PROGRAM} ls | head -n 1");
    let said = said(shop.command("sh", &["-c", &head]).stdin(Stdio::null()));
    assert!(said.out.starts_with("ID ") && said.err.is_empty(), "{said:?}");
}

#[test]
fn a_closed_standard_error_is_no_panic() {
    let shop = Shop::new();
    let mut child = shop.start(&["call", "ship", ORDER]);
    drop(child.err.take());
    assert_eq!(child.ends().code(), Some(1));
}

#[test]
fn a_full_disk_is_an_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let shop = Shop::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = said(shop.command("sh", &["-c", &format!("{PROGRAM} functions > /dev/full")]).stdout(full));
    assert_eq!(said.code(), 1, "{said:?}");
    assert!(said.err.contains("standard output can't be written to"), "{said:?}");
}

#[test]
fn help_teaches_and_completions_complete() {
    let shop = Shop::new();
    let help = shop.run(&["--help"]).ok();
    for words in ["Usage: program", "Exit codes:", "OUTLAST_STORE", "Example: program call"] {
        assert!(help.contains(words), "{words:?} is missing:\n{help}");
    }
    assert!(shop.run(&["--version"]).ok().starts_with("program (outlast "));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = shop.run(&["completions", shell]).ok();
        assert!(script.contains("program") && script.contains("doctor"), "{shell}");
    }
}

#[test]
fn a_wrong_log_filter_is_told() {
    let shop = Shop::new();
    said(shop.command(PROGRAM, &["call", "double", "1"]).env("RUST_LOG", "outlast=loud")).failed(2, &["RUST_LOG"]);
    let said = said(shop.command(PROGRAM, &["call", "checkout", ORDER, "--timeout", "100ms"]).env("RUST_LOG", "info"));
    assert!(said.err.contains("charging"), "{said:?}");
}
