//! A shop whose worker is killed half-way, and whose customers don't notice.
//!
//! Reads real purchases, checks each out by a durable function in a worker process, kills that process with `kill -9`,
//! starts it again, and checks the result. Reading order: `checkout.rs` (the durable part), `worker.rs`,
//! `orchestrate.rs`, `check.rs`.

mod check;
mod checkout;
mod options;
mod orchestrate;
mod outside;
mod progress;
mod purchases;
mod report;
mod snapshot;
mod worker;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use outlast::{Error, Result, ResultExt};
use tokio::runtime::Runtime;

use crate::options::{Options, Task};
use crate::orchestrate::Plan;
use crate::purchases::Purchases;

/// Lines of the real file that are read without `--all`.
const FIRST: usize = 500;
/// What the amounts of those lines are together, in cents; and of all lines, as its publishers say.
const TOTAL_OF_FIRST: u64 = 1_555_056;
const TOTAL_OF_ALL: u64 = 24_409_194;
/// What the good lines of the damaged file are together.
const TOTAL_OF_DAMAGED: u64 = 1_496 + 1_177 + 3_531 + 3_531 + 2_550;

fn main() -> ExitCode {
    match run(&Options::read()) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:?}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    let purchases = input(options.all)?;
    if let Some(kill_after) = options.kill_after.filter(|receipts| *receipts >= purchases.good.len()) {
        let all = purchases.good.len();
        options::wrong(&format!("--kill-after {kill_after} leaves nothing undone: there are {all} purchases"));
    }
    let runtime = Runtime::new().context("tokio's runtime can't be started")?;
    let folder = match &options.task {
        Task::Work { folder, number } => {
            runtime.block_on(worker::work(folder, *number, purchases.good))?;
            return Ok(ExitCode::SUCCESS);
        }
        Task::Check { folder } => Folder::Kept(folder.clone()),
        Task::Shop { folder: Some(folder) } => Folder::new(folder)?,
        Task::Shop { folder: None } => Folder::temporary()?,
    };
    say(&format!("the shop's folder is {}\n", folder.path().display()));
    let result = shop(&runtime, options, &purchases, folder.path());
    if !matches!(result, Ok(ExitCode::SUCCESS)) {
        folder.keep();
    }
    result
}

/// The purchases, and the lines that are none.
fn input(all: bool) -> Result<Purchases> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let read = |name: &str, lines| {
        let path = data.join(name);
        Purchases::read(&path, lines).context(format!("{} can't be read", path.display()))
    };
    Ok(read("purchases.txt", (!all).then_some(FIRST))?.and(read("damaged.txt", None)?))
}

/// Runs the story, unless it is only to be checked, and prints what came of it.
fn shop(runtime: &Runtime, options: &Options, purchases: &Purchases, folder: &Path) -> Result<ExitCode> {
    let story = match options.task {
        Task::Check { .. } | Task::Work { .. } => None,
        Task::Shop { .. } => {
            let kill_after = options.kill_after.unwrap_or(purchases.good.len() / 2);
            Some(orchestrate::run(runtime, &Plan { folder, all: options.all, purchases: &purchases.good, kill_after })?)
        }
    };
    let totals =
        [("purchases", if options.all { TOTAL_OF_ALL } else { TOTAL_OF_FIRST }), ("damaged", TOTAL_OF_DAMAGED)];
    let checked = runtime.block_on(check::check(folder, &purchases.good, &totals))?;
    report::print(&report::text(&checked, &purchases.bad, story.as_ref()))?;
    if checked.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say(&report::problems(&checked.problems));
    Ok(ExitCode::FAILURE)
}

/// Where the shop keeps its store and files.
enum Folder {
    Kept(PathBuf),
    /// Removed at the end, unless something is off.
    Temporary(tempfile::TempDir),
}

impl Folder {
    /// A new folder, or an empty one.
    fn new(path: &Path) -> Result<Self> {
        let context = || format!("the folder {} can't be used", path.display());
        fs::create_dir_all(path).context(context())?;
        if fs::read_dir(path).context(context())?.next().is_some() {
            let path = path.display();
            return Err(Error::new(format!("the folder {path} isn't empty: name a new one, or check it with --check")));
        }
        Ok(Self::Kept(path.to_owned()))
    }

    fn temporary() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("outlast-shop-").tempdir();
        Ok(Self::Temporary(folder.context("no temporary folder can be made: name one with --dir")?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    /// Leaves it for whoever looks into what went wrong.
    fn keep(self) {
        if let Self::Temporary(folder) = self {
            say(&format!("{} is kept\n", folder.keep().display()));
        }
    }
}

/// On standard error; if that is closed, nobody is there to be told.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
