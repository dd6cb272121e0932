//! A store with secrets moves as a whole, sealed as it is: nobody needs the key for that, and whoever goes on with the copy
//! under another one is told so.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::process::Command;

use outlast_test_servers::Mongo;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";
const CARD: &str = "4000123412341234";

/// Runs the program on a store, with a key or without: its exit code, and all that it said, in one line.
fn run(store: &str, key: Option<&str>, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mongodb-shop"));
    command.args(arguments).env("OUTLAST_STORE", store).env_remove("RUST_LOG").env_remove("OUTLAST_KEY");
    let output = command.envs(key.map(|key| ("OUTLAST_KEY", key))).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    for secret in [CARD, KEY, OTHER] {
        assert!(!said.contains(secret), "{arguments:?}: {said}");
    }
    // Lines are wrapped where they are full.
    (output.status.code().unwrap(), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_store_with_secrets_moves_sealed_and_wants_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    let servers = [Mongo::start(), Mongo::start(), Mongo::start()];
    let [first, second, third] = &servers;
    let pay = format!(r#"{{"card": "{CARD}"}}"#);
    let pay = ["call", "pay", &pay, "--id", "p"];
    let moves = [
        (embedded("one.db"), embedded("two.db")),
        (embedded("three.db"), first.uri()),
        (second.uri(), embedded("four.db")),
        (third.uri(), Mongo::start().uri()),
    ];
    for (at, (from, to)) in moves.iter().enumerate() {
        let file = folder.path().join(at.to_string());
        let file = file.to_str().unwrap();
        assert_eq!(run(from, Some(KEY), &[&pay[..], &["--detach"]].concat()).0, 0);
        assert_eq!(run(from, None, &["export", file]).0, 0, "needs no key");
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(CARD.len()).any(|window| window == CARD.as_bytes()), "sealed in the file, too");
        assert_eq!(run(to, Some(OTHER), &["import", file]).0, 0, "nor does this");

        for looks in [None, Some(OTHER), Some(KEY)] {
            let (code, said) = run(to, looks, &["show", "p"]);
            assert!(code == 0 && said.contains("•••"), "{said}");
        }
        for goes_on in [&pay[..], &["serve"]] {
            let (code, said) = run(to, Some(OTHER), goes_on);
            assert!(code == 2 && said.contains("store was used with another key"), "{code} {said}");
            assert!(said.contains("add that one to OUTLAST_KEY"), "{said}");
            let (code, said) = run(to, None, goes_on);
            assert!(code == 2 && said.contains("OUTLAST_KEY"), "{code} {said}");
        }
        let both = format!("{OTHER},{KEY}");
        assert_eq!(run(to, Some(&both), &pay), (0, "\"16 digits\"".into()), "it goes on");
    }
}
