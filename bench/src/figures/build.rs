//! What outlast adds to a build: as a dependency, and by each annotated function.
//!
//! Throw-away crates are made in the folder of the run and built in a target folder of their own, without incremental
//! compilation.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::Setting;
use crate::report::{Entry, median};
use crate::{Failure, Result};

/// Annotated functions in one crate.
const FUNCTIONS: usize = 200;

/// What every crate has, so that only the difference counts.
const ALWAYS: &str = "tokio = { version = \"1\", features = [\"rt-multi-thread\", \"macros\"] }\n\
     serde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\ntracing = \"0.1\"\n";

pub(crate) fn measure(setting: &Setting) -> Result<Vec<Entry>> {
    let folder = tempfile::tempdir_in(&setting.folder)?;
    let runtime = runtime()?;
    let mut all = vec![added(setting, folder.path(), &runtime)?];
    for (name, own) in [("annotation_ms", false), ("annotation_own_types_ms", true)] {
        all.push(annotation(setting, folder.path(), &runtime, name, own)?);
    }
    Ok(all)
}

/// The crate that is measured, beside this one.
fn runtime() -> Result<PathBuf> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(std::fs::canonicalize(bench.join("../runtime"))?)
}

/// A clean debug build of a crate with nothing in it but a dependency.
fn added(setting: &Setting, folder: &Path, runtime: &Path) -> Result<Entry> {
    let ours = format!("outlast = {{ path = {:?} }}\n", runtime.display().to_string());
    let (mut added, mut peers) = (Vec::new(), Vec::new());
    for run in 0..setting.runs(1) {
        let clean = |name: &str, dependency: &str| {
            let target = folder.join(format!("{name}-{run}-target"));
            let made = Made::new(folder, &format!("{name}-{run}"), target, dependency, "main.rs", "fn main() {}\n")?;
            made.fetch()?;
            made.build()
        };
        let without = clean("without", "")?;
        added.push(clean("with", &ours)? - without);
        peers.push(clean("durare", "durare = \"0.5\"\n")? - without);
    }
    let peer = median(&peers);
    let entry = Entry::new("build_added_s", "s", added).peer(Some(peer));
    let reached = entry.value() <= peer / 2.0;
    let bar = format!("≤ half of what durare adds: {:.2} of it", entry.value() / peer);
    Ok(entry.bar(bar, reached).note("a clean debug build with default features"))
}

/// What `#[durable]` adds to a function, beside what `#[tracing::instrument]` adds.
fn annotation(setting: &Setting, folder: &Path, runtime: &Path, name: &str, own: bool) -> Result<Entry> {
    let ours = format!("outlast = {{ path = {:?} }}\n", runtime.display().to_string());
    // Dependencies are built once for all of them.
    let target = folder.join("annotation-target");
    let made = |kind: Kind| {
        let name = format!("{name}-{}", kind.name());
        Made::new(folder, &name, target.clone(), &ours, "lib.rs", &source(kind, own))
    };
    let crates = [made(Kind::Plain)?, made(Kind::Durable)?, made(Kind::Instrument)?];
    for one in &crates {
        one.fetch()?;
        one.build()?;
    }
    let (mut durable, mut instrument) = (Vec::new(), Vec::new());
    for _ in 0..setting.runs(3) {
        let [plain, annotated, traced] = [&crates[0], &crates[1], &crates[2]].map(Made::again);
        let plain = plain?;
        durable.push((annotated? - plain) * 1e3 / FUNCTIONS as f64);
        instrument.push((traced? - plain) * 1e3 / FUNCTIONS as f64);
    }
    let peer = median(&instrument);
    let entry = Entry::new(name, "ms", durable).peer(Some(peer));
    let note = "the peer is #[tracing::instrument] on the same functions";
    if own {
        return Ok(entry.note(format!("{note}; each with types of its own")));
    }
    let reached = entry.value() <= peer;
    Ok(entry.bar("≤ what #[tracing::instrument] adds, types shared", reached).note(note))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Durable,
    Instrument,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Durable => "durable",
            Self::Instrument => "instrument",
        }
    }
}

/// A crate of many functions. Those without a registry of their own stand in a table as boxed futures, so that code is
/// generated for all of them alike.
fn source(kind: Kind, own: bool) -> String {
    let mut text = String::from(
        "#![allow(dead_code, missing_docs)]\nuse outlast::Result;\nuse serde::{Deserialize, Serialize};\n",
    );
    let mut types = |suffix: &str| {
        let _ = writeln!(
            text,
            "#[derive(Debug, Clone, Serialize, Deserialize)] pub struct Order{suffix} {{ id: String, cents: i64 }}\n\
             #[derive(Debug, Clone, Serialize, Deserialize)] pub struct Receipt{suffix} {{ order: String, cents: i64 }}"
        );
    };
    if own {
        (0..FUNCTIONS).for_each(|number| types(&number.to_string()));
    } else {
        types("");
    }
    let attribute = match kind {
        Kind::Plain => "",
        Kind::Durable => "#[outlast::durable]",
        Kind::Instrument => "#[tracing::instrument]",
    };
    for number in 0..FUNCTIONS {
        let suffix = if own { number.to_string() } else { String::new() };
        let _ = writeln!(
            text,
            "{attribute}\npub async fn f{number}(order: Order{suffix}, rate: u32) -> Result<Receipt{suffix}> {{\n    \
             let cents = order.cents * i64::from(rate);\n    Ok(Receipt{suffix} {{ order: order.id, cents }})\n}}"
        );
    }
    if kind != Kind::Durable {
        text.push_str("use std::{future::Future, pin::Pin};\n");
        for number in 0..FUNCTIONS {
            let suffix = if own { number.to_string() } else { String::new() };
            let _ = writeln!(
                text,
                "pub fn g{number}(order: Order{suffix}) -> Pin<Box<dyn Future<Output = Result<Receipt{suffix}>> + Send>> \
                 {{ Box::pin(f{number}(order, 2)) }}"
            );
        }
    }
    text
}

/// A crate that was made.
struct Made {
    folder: PathBuf,
    target: PathBuf,
    file: &'static str,
}

impl Made {
    fn new(
        parent: &Path,
        name: &str,
        target: PathBuf,
        dependencies: &str,
        file: &'static str,
        source: &str,
    ) -> Result<Self> {
        let folder = parent.join(name);
        std::fs::create_dir_all(folder.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n[workspace]\n\
             [dependencies]\n{ALWAYS}{dependencies}"
        );
        std::fs::write(folder.join("Cargo.toml"), manifest)?;
        std::fs::write(folder.join("src").join(file), source)?;
        Ok(Self { folder, target, file })
    }

    fn cargo(&self, arguments: &[&str]) -> Result<()> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).current_dir(&self.folder);
        cargo.env("CARGO_INCREMENTAL", "0").env("CARGO_TARGET_DIR", &self.target).env_remove("RUSTFLAGS");
        let output = cargo.output()?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(Failure::Wrong(format!("cargo {} failed: {words}", arguments.join(" "))))
    }

    fn fetch(&self) -> Result<()> {
        self.cargo(&["fetch", "--quiet"])
    }

    /// Builds: how many seconds it took.
    fn build(&self) -> Result<f64> {
        let begun = Instant::now();
        self.cargo(&["build", "--quiet"])?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Builds this crate alone once more.
    fn again(&self) -> Result<f64> {
        let main = self.folder.join("src").join(self.file);
        let text = std::fs::read_to_string(&main)?;
        std::fs::write(&main, text + "\n")?;
        self.build()
    }
}
