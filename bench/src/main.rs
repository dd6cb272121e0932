//! How fast outlast is: each figure beside the limit it can reach and beside its peers, measured in the same run.
//!
//! `bench` prints a table and writes `bench.json`; `docs/performance.md` explains each figure. A figure is a file in
//! `figures/`; what must be measured in a process of its own is started as a `child` of this binary.

mod checkout;
mod figures;
mod functions;
mod groups;
mod limit;
mod peers;
mod report;
mod store;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// What stops a benchmark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Outlast(#[from] outlast::Error),
    #[error("the bare database: {0}")]
    Bare(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("unreadable output: {0}")]
    Json(#[from] serde_json::Error),
    /// A record that isn't there, a body that ran twice, a process that said something else.
    #[error("{0}")]
    Wrong(String),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Measures, and says what it is to be compared with.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only these figures.
    names: Vec<String>,
    /// All of it: every size, more runs.
    #[arg(long)]
    full: bool,
    /// Where stores are made: on the disk whose speed matters.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Where the figures are written as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    /// The binary with the peers, which `./tests/run bench --peers` builds.
    #[arg(long, default_value = "target/peers/release/peers")]
    peers: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// What a figure starts as a process of its own.
    #[command(hide = true)]
    Child {
        what: String,
        store: PathBuf,
        #[arg(default_value_t = 0)]
        number: u64,
    },
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Command::Child { what, store, number }) => figures::child(&what, &store, number),
        None => all(&arguments),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn all(arguments: &Arguments) -> Result<()> {
    let known = |name: &str| figures::ALL.iter().any(|figure| figure.name.starts_with(name));
    if let Some(name) = arguments.names.iter().find(|name| !known(name)) {
        let all: Vec<_> = figures::ALL.iter().map(|figure| figure.name).collect();
        return Err(Failure::Wrong(format!("there is no figure {name}: there are {}", all.join(", "))));
    }
    std::fs::create_dir_all(&arguments.folder)?;
    let setting = figures::Setting {
        full: arguments.full,
        folder: std::fs::canonicalize(&arguments.folder)?,
        peers: peers::Peers::at(&arguments.peers),
    };
    let mut report = report::Report::default();
    for figure in figures::ALL {
        if arguments.names.is_empty() || arguments.names.iter().any(|name| figure.name.starts_with(name.as_str())) {
            eprintln!("… {}: {}", figure.name, figure.what);
            for entry in (figure.measure)(&setting)? {
                report.add(entry);
            }
        }
    }
    report.write(&arguments.json)
}
