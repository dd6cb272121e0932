//! What bodies leave in the world: a line in a file for each that ran, whatever becomes of its process.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The file of effects, and what else lies beside it.
pub(crate) struct Effects(PathBuf);

impl Effects {
    #[allow(dead_code, reason = "tests only read them")]
    pub(crate) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Adds a line: what ran, in which process, under which idempotency key, at which millisecond.
    pub(crate) fn note(&self, label: &str) -> std::io::Result<()> {
        let (process, key) = (std::process::id(), outlast::idempotency_key());
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.join("effects"))?;
        file.write_all(format!("{label} {process} {key} {at}\n").as_bytes())?;
        file.sync_data()
    }

    /// Whether something has run, in any process.
    #[allow(dead_code, reason = "not every program asks")]
    pub(crate) fn has(&self, label: &str) -> bool {
        let all = std::fs::read_to_string(self.0.join("effects")).unwrap_or_default();
        all.lines().any(|line| line.split(' ').next() == Some(label))
    }

    /// Whether the test has put a file there.
    #[allow(dead_code, reason = "not every program asks")]
    pub(crate) fn is_told(&self, word: &str) -> bool {
        self.0.join(word).exists()
    }
}
