//! Settings of an app, with their defaults.

use std::time::Duration;

use crate::store::Retention;

/// What can be set, in one place.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The store's URL.
    pub(crate) store: String,
    /// How long an execution that waits is kept in memory before it is parked.
    pub(crate) park_after: Duration,
    /// The largest recorded value: an argument list, a result, a signal.
    pub(crate) max_payload: usize,
    /// The most operations of one execution.
    pub(crate) max_operations: usize,
    /// The most executions in memory.
    pub(crate) max_running: usize,
    /// Deaths of workers in a row after which an execution is parked.
    pub(crate) max_crashes: u32,
    /// How long bodies in flight get at a shutdown or a cancellation.
    pub(crate) shutdown_grace: Duration,
    /// How long a worker may hang before its work is taken over.
    pub(crate) hang_limit: Duration,
    /// How long callers wait for a store that is away.
    pub(crate) store_timeout: Duration,
    /// How long what has ended is kept.
    pub(crate) retention: Retention,
    /// Whether this process runs executions, or only calls them.
    pub(crate) worker: bool,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: "sqlite://outlast.db".to_owned(),
            park_after: Duration::from_secs(1),
            max_payload: 4 << 20,
            max_operations: 100_000,
            max_running: 20_000,
            max_crashes: 20,
            shutdown_grace: Duration::from_secs(10),
            hang_limit: Duration::from_secs(10),
            store_timeout: Duration::from_secs(5),
            retention: Retention { executions: DAY * 30, tombstones: DAY * 90 },
            worker: true,
        }
    }
}
