//! Calls, and what becomes of them.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::shop::{ORDER, PATIENCE, PROGRAM, Running, Shop};

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
fn a_function_that_panics_is_parked() {
    let shop = Shop::new();
    assert_eq!(shop.run(&["call", "topple", "--id", "t"]).code(), 4);
    let json = shop.run(&["call", "topple", "--id", "t", "--json"]);
    assert_eq!(json.code(), 4);
    assert!(json.out.contains("\"status\":\"parked\"") || json.out.contains("\"status\": \"parked\""), "{json:?}");
    assert!(shop.run(&["ls"]).ok().contains("parked"));
}

#[test]
fn wrong_calls_say_what_fits() {
    let shop = Shop::new();
    shop.run(&["call", "doubel", "1"]).failed(3, &["doubel", "double", "my_functions"]);
    shop.run(&["call", "double", "{n: 1}"]).failed(2, &["isn't JSON"]);
    shop.run(&["call", "double", "ann"]).failed(2, &["isn't JSON", "'\"ann\"'"]);
    shop.run(&["call", "double", "\"ann\""]).failed(2, &["double(n: u64)", "`n` doesn't fit"]);
    shop.run(&["call", "double", r#"{"m": 4}"#]).failed(2, &["`n` doesn't fit", r#"write {"n": …}"#]);
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
fn a_cancelled_execution_ends_with_the_reason() {
    let shop = Shop::new();
    shop.run(&["call", "hibernate", "--id", "h-1", "--detach"]).ok();
    assert_eq!(shop.run(&["cancel", "h-1", "--reason", "ordered twice"]).ok(), "`h-1` was asked to end\n");
    shop.run(&["call", "hibernate", "--id", "h-1"]).failed(1, &["cancelled", "ordered twice"]);
    let shown = shop.run(&["show", "h-1"]).ok();
    assert!(shown.starts_with("h-1  cancelled\n") && shown.contains("ordered twice"), "{shown}");
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
