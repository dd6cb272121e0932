//! A binary among others: stores, signals, streams that end, disks that are full.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::shop::{ORDER, PROGRAM, Running, Shop, keys, said};

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
fn serve_ends_where_another_store_stands_in_its_place() {
    let shop = Shop::new();
    let mut serve = shop.start(&["--store", "sqlite://shop.db"]);
    serve.hears("ready");
    let at = |name: &str| shop.folder.path().join(name);
    std::fs::rename(at("shop.db"), at("before.db")).unwrap();
    std::fs::copy(at("before.db"), at("shop.db")).unwrap();
    assert_eq!(serve.ends().code(), Some(75), "to be started again");
    assert!(serve.hears("error: ").contains("another file was put in its place"));
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
