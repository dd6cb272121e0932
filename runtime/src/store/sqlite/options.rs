//! How a store is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};

/// Where a store lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this file.
    File(PathBuf),
    /// In memory: gone with its last handle.
    Memory,
}

/// How a store is opened.
#[derive(Clone)]
pub(crate) struct SqliteOptions {
    /// Where it lies.
    pub(crate) place: Place,
    /// How long a caller outside waits before it is told that the store is away.
    pub(crate) limit: Duration,
    /// How long a group holds the lock: it ends after the command that passes it.
    pub(crate) group: Duration,
    /// The most commands of a group.
    pub(crate) group_size: usize,
    /// The age of a heartbeat after which a worker counts as hung.
    pub(crate) hang: Duration,
    /// How often commits of other processes are looked for.
    pub(crate) poll: Duration,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

impl SqliteOptions {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            limit: Duration::from_secs(5),
            group: Duration::from_millis(20),
            group_size: 4096,
            hang: Duration::from_secs(10),
            poll: Duration::from_millis(20),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// A store in a file, which is created if it isn't there.
    pub(crate) fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Place::File(path.into()))
    }

    /// A store in memory.
    pub(crate) fn memory() -> Self {
        Self::new(Place::Memory)
    }
}
