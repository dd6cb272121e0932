//! The small threads beside the writer: heartbeats, and the look-out for commits of other processes.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::failure::Failure;
use super::liveness::Liveness;
use super::{Shared, open};

/// Tells the threads to end.
#[derive(Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn set(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits; `true` if it is time to end.
    fn wait(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A thread of the store is there, until this is dropped.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

/// Starts a thread of the store. What `run` owns is dropped before the thread counts as gone.
pub(super) fn start(shared: &Arc<Shared>, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    shared.running.send_modify(|running| *running += 1);
    let running = Running(shared.clone());
    let started = std::thread::Builder::new().name(name.into()).spawn(move || {
        let _running = running;
        run();
    });
    started.map(drop).map_err(|error| Failure::Io(format!("a thread can't be started: {error}")))
}

/// Heartbeats, on a thread that no code of the user's runs on.
pub(super) fn beat(liveness: &Arc<Liveness>, shared: &Arc<Shared>, stop: &Arc<Stop>) -> Result<(), Failure> {
    let (liveness, stop) = (liveness.clone(), stop.clone());
    start(shared, "outlast-heartbeat", move || {
        while !stop.wait(liveness.interval()) {
            liveness.beat();
        }
    })
}

/// Looks for commits: `data_version` of a connection changes when another one has committed.
pub(super) fn watch_others(
    store: &Path,
    poll: Duration,
    shared: &Arc<Shared>,
    stop: &Arc<Stop>,
) -> Result<(), Failure> {
    let connection = open::reader(store)?;
    let (watched, stop) = (shared.clone(), stop.clone());
    // The first look comes before the thread: what is committed from now on is seen.
    let mut last = version(&connection).ok();
    start(shared, "outlast-watch", move || {
        while !stop.wait(poll) {
            // A look that fails is made again; what it missed shows in the next one.
            if let Ok(now) = version(&connection)
                && last.replace(now) != Some(now)
            {
                watched.bump();
            }
        }
    })
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
