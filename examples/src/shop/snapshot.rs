//! What the store held while no worker was alive: the one moment in which it can be said what is recorded.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use outlast::{Error, ErrorKind, Result};
use outlast::{Kind, Status};

use crate::purchases::Purchase;
use crate::worker::app;

const FILE: &str = "recorded-at-kill.txt";

/// The store between two workers.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Purchase and step of every recorded body.
    pub(crate) recorded: BTreeSet<(String, String)>,
    /// Purchases whose checkout had ended.
    pub(crate) ended: BTreeSet<String>,
    /// Checkouts that had begun and not ended.
    pub(crate) under_way: usize,
}

impl Snapshot {
    pub(crate) async fn take(folder: &Path, purchases: &[Purchase]) -> Result<Self> {
        let running = app(folder)?.caller_only().start().await?;
        let mut snapshot = Self::default();
        for Purchase { id, .. } in purchases {
            let execution = match running.execution(id.as_str()).details().await {
                Ok(execution) => execution,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match execution.status() {
                Status::Ended(_) => _ = snapshot.ended.insert(id.clone()),
                Status::Running | Status::Ready | Status::Waiting | Status::Parked => snapshot.under_way += 1,
            }
            for (name, kind, ..) in execution.operations() {
                if matches!(kind, Kind::Step | Kind::Transaction) {
                    snapshot.recorded.insert((id.clone(), name.to_owned()));
                }
            }
        }
        running.shutdown().await;
        Ok(snapshot)
    }

    /// Keeps what is recorded for a later `--check`.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let lines: Vec<_> = self.recorded.iter().map(|(id, step)| format!("{id} {step}")).collect();
        Ok(fs::write(folder.join(FILE), lines.join("\n"))?)
    }

    /// What was recorded at the kill, as an earlier run saved it.
    pub(crate) fn load(folder: &Path) -> Result<BTreeSet<(String, String)>> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path)
            .map_err(|error| Error::from(error).context(format!("{} can't be read", path.display())))?;
        let pair = |line: &str| line.split_once(' ').map(|(id, step)| (id.to_owned(), step.to_owned()));
        Ok(text.lines().filter_map(pair).collect())
    }
}
