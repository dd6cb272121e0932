//! What people are shown: timelines, lists, logs, secrets that are not.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::shop::{ORDER, OTHER, PROGRAM, Said, Shop, keys, said};

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
    let with = shop.run(&["doctor", "--json"]).json();
    assert_eq!(with["key"], "present");
    let another = said_with_key(&shop, key.trim(), &["doctor", "--json"]).failed(1, &["1 problem"]);
    assert_eq!(serde_json::from_str::<Json>(&another.out).unwrap()["key"], "wrong");
    assert!(another.out.contains("used with another key"), "{another:?}");
    let wrong = said_with_key(&shop, "secret", &["doctor", "--json"]).failed(1, &["problem"]);
    assert_eq!(serde_json::from_str::<Json>(&wrong.out).unwrap()["key"], "wrong");
    assert!(!wrong.out.contains("\"secret\"") && !wrong.err.contains("`secret`"), "{wrong:?}");
}

fn said_with_key(shop: &Shop, key: &str, arguments: &[&str]) -> Said {
    said(shop.command(PROGRAM, arguments).env("OUTLAST_KEY", key))
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
    let names = ["facts", "functions", "key", "ok", "parked", "problems", "store", "thorough", "unclaimable"];
    assert_eq!(keys(&json), names);
    assert_eq!((&json["ok"], &json["problems"]), (&json!(true), &json!([])));
    assert!(shop.run(&["doctor"]).ok().contains("✓ nothing is wrong (the contents weren't read"));
    assert!(shop.run(&["doctor", "--thorough"]).ok().contains("✓ nothing is wrong\n"));

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
