//! What bodies leave in the world: a line in a file for each that ran, whatever becomes of its process.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file of effects.
pub(crate) struct Effects(PathBuf);

impl Effects {
    pub(crate) fn new(directory: &Path) -> Self {
        Self(directory.join("effects"))
    }

    /// Adds a line: what ran, in which process, under which idempotency key.
    pub(crate) fn note(&self, label: &str) -> std::io::Result<()> {
        let line = format!("{label} {} {}\n", std::process::id(), outlast::idempotency_key());
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    /// Whether something has run, in any process.
    pub(crate) fn has(&self, label: &str) -> bool {
        let all = std::fs::read_to_string(&self.0).unwrap_or_default();
        all.lines().any(|line| line.split(' ').next() == Some(label))
    }
}
