//! The peers: a binary of its own workspace (`bench/peers`), which prints one JSON object per measurement.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Result;

/// Where the binary is, if it was built.
pub(crate) struct Peers(Option<PathBuf>);

/// One measurement of a peer.
#[derive(Debug, Deserialize)]
pub(crate) struct Measured {
    pub(crate) value: f64,
}

impl Peers {
    pub(crate) fn at(path: &Path) -> Self {
        if !path.exists() {
            eprintln!("no peers at {}: build them with ./tests/run bench --peers", path.display());
        }
        Self(path.exists().then(|| path.to_owned()))
    }

    /// What a peer (`durare-shipped`, `durare-full`, `duroxide`) reaches in `what` (`executions`, `sequential`), by
    /// `number`. None if peers weren't built, or if it failed.
    pub(crate) fn measure(&self, peer: &str, what: &str, number: u64, folder: &Path) -> Result<Option<f64>> {
        let Some(binary) = &self.0 else { return Ok(None) };
        let output = Command::new(binary).args([peer, what, &number.to_string()]).arg(folder).output()?;
        if !output.status.success() {
            // A peer that fails is said, and has no figure: ours are measured all the same.
            eprintln!("the peer {peer} failed in {what}: {}", String::from_utf8_lossy(&output.stderr).trim());
            return Ok(None);
        }
        let measured: Measured = serde_json::from_slice(&output.stdout)?;
        Ok(Some(measured.value))
    }
}
