//! The shop as its users run it: the binary, from end to end, and what it says when something is off.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use outlast::prelude::*;
use tempfile::TempDir;

fn shop(arguments: &[&str]) -> Output {
    shop_in(&std::env::temp_dir(), arguments)
}

/// With a folder for temporary files of its own.
fn shop_in(temporary: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shop")).args(arguments).env("TMPDIR", temporary).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The number that stands behind `label`.
fn number(output: &str, label: &str) -> u64 {
    let (_, rest) = output.split_once(label).unwrap_or_else(|| panic!("no {label:?} in {output}"));
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
    digits.parse().unwrap()
}

fn assert_whole(output: &Output, receipts: usize, total: &str) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{err}", output.status);
    let lines = out.lines().filter(|line| line.contains(" ch_") && line.contains(" lb_")).count();
    assert_eq!(lines, receipts);
    assert!(out.contains(&format!("  {total} US dollars in purchases.txt\n")), "{out}");
    assert!(out.contains("  122.85 US dollars in damaged.txt\n"), "{out}");
    assert!(out.contains("12 bad lines\n  damaged.txt:2: the amount `29` is not dollars and cents, as in 29.33\n"));
    assert!(out.contains("  damaged.txt:8: not UTF-8: byte 0xB2 in column 31\n"));
    assert_eq!(number(out, "recorded steps that ran twice: "), 0);
    assert!(number(out, "ran twice: 0 (of ") > 0, "nothing was recorded at the kill: it proves nothing\n{out}");
    assert!(number(out, "receipts, with ") > 0, "nothing was under way at the kill\n{out}");
    assert!(out.contains("checked: each purchase has one receipt, one charge"), "{out}");
    assert!(err.contains("kill -9: worker "), "{err}");
    assert!(err.contains(&format!("{receipts} of {receipts} receipts")), "{err}");
}

#[test]
fn the_shop_survives_a_kill_half_way() {
    let temporary = TempDir::new().unwrap();
    let output = shop_in(temporary.path(), &[]);
    assert_whole(&output, 506, "15,550.56");
    assert!(text(&output.stderr).starts_with(&format!("the shop's folder is {}", temporary.path().display())));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "its folder was left behind");
}

#[test]
fn all_purchases_make_the_published_total() {
    assert_whole(&shop(&["--all"]), 6_925, "244,091.94");
}

#[test]
fn a_worker_that_is_killed_at_its_first_receipt() {
    assert_whole(&shop(&["--kill-after", "1"]), 506, "15,550.56");
}

/// A shop that has run, to be tampered with.
struct Done {
    _whole: TempDir,
    folder: PathBuf,
}

impl Done {
    fn new() -> Self {
        let whole = TempDir::new().unwrap();
        let folder = whole.path().join("shop");
        let output = shop(&["--dir", folder.to_str().unwrap()]);
        assert_whole(&output, 506, "15,550.56");
        Self { _whole: whole, folder }
    }

    fn check(&self) -> Output {
        shop(&["--dir", self.folder.to_str().unwrap(), "--check"])
    }

    /// The check must fail, and say this.
    fn assert_found(&self, problem: &str) {
        let output = self.check();
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{problem}: {err}");
        assert!(err.contains(problem), "{problem:?} is not in {err}");
        assert!(!text(&output.stdout).contains("checked: "), "{problem}");
    }

    /// A file of the folder whose name or content has this.
    fn file(&self, folder: &str, with: &str) -> PathBuf {
        let entries = fs::read_dir(self.folder.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut found = entries.filter(|path| {
            path.to_str().unwrap().contains(with) || fs::read_to_string(path).unwrap().starts_with(with)
        });
        found.next().unwrap()
    }

    /// Puts something else into a file while the check looks at it.
    fn changed(&self, file: &Path, text: &str, problem: &str) {
        let before = fs::read(file).unwrap();
        fs::write(file, text).unwrap();
        self.assert_found(problem);
        fs::write(file, before).unwrap();
    }

    /// Takes a file away while the check looks.
    fn gone(&self, file: &Path, problem: &str) {
        let before = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        self.assert_found(problem);
        fs::write(file, before).unwrap();
    }

    /// Puts a copy beside a file while the check looks.
    fn doubled(&self, file: &Path, copy: &str, problem: &str) {
        let copy = file.with_file_name(copy);
        fs::copy(file, &copy).unwrap();
        self.assert_found(problem);
        fs::remove_file(copy).unwrap();
    }

    /// Adds a line to the log of bodies while the check looks.
    fn logged(&self, line: &str, problem: &str) {
        let log = self.folder.join("bodies.log");
        let before = fs::read(&log).unwrap();
        OpenOptions::new().append(true).open(&log).unwrap().write_all(line.as_bytes()).unwrap();
        self.assert_found(problem);
        fs::write(log, before).unwrap();
    }

    /// Moves the stock, or an order, while the check looks.
    fn updated(&self, collection: &str, id: &str, field: &str, problem: &str) {
        self.add(collection, id, field, 1);
        self.assert_found(problem);
        self.add(collection, id, field, -1);
    }

    fn add(&self, collection: &str, id: &str, field: &str, number: i64) {
        let app = App::new().store(format!("sqlite://{}/shop.db", self.folder.to_str().unwrap())).caller_only();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let running = app.start().await.unwrap();
            let documents = outlast::collection::<Named>(collection);
            let done = documents.update_one(doc! { "_id": id }, doc! { "$inc": { field: number } }).await.unwrap();
            assert_eq!(done.modified_count, 1);
            running.shutdown().await;
        });
    }
}

#[derive(Serialize, Deserialize)]
struct Named {
    #[serde(rename = "_id")]
    id: String,
}

#[test]
fn the_check_finds_what_is_off() {
    let done = Done::new();
    let charge = done.file("charges", "purchases-0001 ");
    done.doubled(&charge, "0123456789abcdef", "purchases-0001 has 2 charges instead of one");
    done.gone(&charge, "purchases-0001 has 0 charges instead of one");
    done.changed(&charge, "purchases-0001 2934\n", "purchases-0001 was charged 2934 cents");
    done.changed(&charge, "purchases-9999 2933\n", "a charge for \"purchases-9999\", which nobody bought");

    let mail = done.file("mails", "damaged-0007.");
    done.doubled(&mail, "damaged-0007.another.txt", "damaged-0007 has 2 mails instead of one");
    done.gone(&mail, "damaged-0007 has 0 mails instead of one");
    done.changed(&mail, "Paid with ch_0", "the mail of damaged-0007 names another charge or label than its receipt");

    done.logged("purchases-0001 charge 2\n", "`charge` of purchases-0001 ran twice");
    done.logged("purchases-0001 reserve 1\n", "`reserve` of purchases-0001 ran twice");

    done.updated("stock", "records", "movements", "the stock is ");
    done.updated("stock", "records", "units", "the stock is ");
    done.updated("orders", "purchases-0500", "cents", "the order of purchases-0500 is another one than the purchase");

    let output = done.check();
    assert!(output.status.success(), "all was put back: {}", text(&output.stderr));
}

#[test]
fn a_shop_checked_against_another_input_is_off() {
    let done = Done::new();
    let output = shop(&["--dir", done.folder.to_str().unwrap(), "--check", "--all"]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("purchases-0501 was not checked out"), "{err}");
    assert!(err.contains("  … and "), "{err}");
}

#[test]
fn a_folder_with_something_in_it_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let output = shop(&["--dir", path, "--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("holds no shop: run it there first"));

    fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    let output = shop(&["--dir", path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("isn't empty: name a new one"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn a_wrong_command_line_is_told_with_status_2() {
    for wrong in [&["--kill-after", "506"][..], &["--kill-after", "0"], &["--check"], &["--al"]] {
        let temporary = TempDir::new().unwrap();
        let output = shop_in(temporary.path(), wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "{wrong:?} left a folder behind");
        assert!(text(&output.stderr).starts_with("error: ") || text(&output.stderr).contains("\nerror: "), "{wrong:?}");
    }
    let help = shop(&["--help"]);
    assert!(help.status.success());
    assert!(text(&help.stdout).contains("Examples:\n"));
}
