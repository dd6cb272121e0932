//! The figures, in the order of the table.

mod build;
mod collection;
mod growth;
mod memory;
mod mongodb;
mod processes;
mod recovery;
mod replay;
mod sequential;
mod throughput;

use std::path::{Path, PathBuf};

use crate::peers::Peers;
use crate::report::Entry;
use crate::{Failure, Result};

/// How this run measures.
pub(crate) struct Setting {
    /// All sizes, more runs.
    pub(crate) full: bool,
    /// Where stores are made.
    pub(crate) folder: PathBuf,
    pub(crate) peers: Peers,
}

impl Setting {
    /// So many runs: `few`, or more if all of it is wanted.
    pub(crate) fn runs(&self, few: usize) -> usize {
        if self.full { 2 * few + 1 } else { few }
    }
}

/// A figure, or a few that are measured together.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) measure: fn(&Setting) -> Result<Vec<Entry>>,
}

pub(crate) const ALL: &[Figure] = &[
    Figure {
        name: "sequential_step_us",
        what: "steps one after the other, beside bare commits of the same row",
        measure: sequential::measure,
    },
    Figure {
        name: "executions_per_s",
        what: "10,000 executions of 3 steps, started together",
        measure: throughput::executions,
    },
    Figure { name: "executions_sustained_per_s", what: "the same with 100,000", measure: throughput::sustained },
    Figure {
        name: "transactions_per_s",
        what: "10,000 executions of one transaction with two writes",
        measure: throughput::transactions,
    },
    Figure { name: "collection", what: "documents beside bare SQLite", measure: collection::measure },
    Figure { name: "replay_records_per_s", what: "a record of 10,000 outcomes", measure: replay::measure },
    Figure { name: "recovery_s", what: "100,000 unfinished executions after kill -9", measure: recovery::measure },
    Figure { name: "memory", what: "bytes of parked and of running executions", measure: memory::measure },
    Figure { name: "cold_start_ms", what: "from exec to the first finished step", measure: processes::cold_start },
    Figure { name: "takeover_ms", what: "from kill -9 to the other process's step", measure: processes::takeover },
    Figure { name: "growth", what: "executions per second in a store that grows", measure: growth::measure },
    Figure {
        name: "mongo_checkpoint_us",
        what: "steps on MongoDB, beside bare inserts of the same row",
        measure: mongodb::checkpoints,
    },
    Figure {
        name: "mongo_executions_per_s",
        what: "executions of 3 steps on MongoDB by 1, 2 and 4 workers",
        measure: mongodb::executions,
    },
    Figure {
        name: "mongo_claim_us",
        what: "from a caller without a worker to the first step on one",
        measure: mongodb::claims,
    },
    Figure { name: "mongo_collection", what: "documents beside the driver's own", measure: mongodb::collection },
    Figure { name: "build", what: "what outlast adds to a build", measure: build::measure },
];

/// Runs what a figure needs a process of its own for.
pub(crate) fn child(what: &str, store: &Path, number: u64) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match what {
            "first-step" => processes::first_step(store).await,
            "work" => processes::work(store).await,
            "interrupt" => recovery::interrupt(store, number).await,
            "recover" => recovery::recover(store, number).await,
            "record" => replay::record(store, number).await,
            "replay" => replay::replay(store).await,
            _ => Err(Failure::Wrong(format!("no child is called {what}"))),
        }
    })
}
