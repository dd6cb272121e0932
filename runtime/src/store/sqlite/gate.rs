//! Whose turn it is to write, among the processes that share a file.
//!
//! SQLite's own busy handler sleeps and tries again, so that a lone writer starves beside a busy one. Two blocking file
//! locks make a queue: who holds `turn` writes, who holds `next` is the one that waits for it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The two files beside a store.
pub(super) struct Gate {
    next: File,
    turn: File,
}

/// The right to write, until it is dropped.
pub(super) struct Turn<'a>(&'a File);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Closing the file would let go of it too; there is nothing else to do about a failure.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the turn to write can't be given on");
        }
    }
}

/// A file beside the store.
pub(super) fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Gate {
    pub(super) fn open(store: &Path) -> io::Result<Self> {
        let open = |suffix| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).open(beside(store, suffix))
        };
        Ok(Self { next: open("-next")?, turn: open("-turn")? })
    }

    /// Waits for the turn, for as long as it takes: whoever waits for this thread has a limit of its own.
    pub(super) fn enter(&self) -> io::Result<Turn<'_>> {
        lock(&self.next)?;
        let turn = lock(&self.turn).map(|()| Turn(&self.turn));
        self.next.unlock()?;
        turn
    }
}

fn lock(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            done => return done,
        }
    }
}
