//! One document by its `_id`, read by who asks for it: that takes some microseconds, and a reader's thread, which sleeps
//! until it is asked, ten times as long to wake.
//!
//! What reads one after the other yields now and then, so that what its thread polls besides has its turn: a lane has no
//! budget as tokio's tasks have. A read that isn't quick (a slow disk, a large document, a busy file) sends those after it
//! to the readers for a while.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::failure::{Failure, Fault};
use super::open::{self, Identity};
use crate::pace::Pace;

/// The most that a thread reads in a row.
const IN_A_ROW: u32 = 64;

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread has read so many in a row that others come first.
pub(super) fn is_others_turn() -> bool {
    MADE.replace(MADE.get().wrapping_add(1)) % IN_A_ROW == IN_A_ROW - 1
}

/// The connection for such reads: whoever finds it in use goes to the readers.
pub(super) struct AtHand {
    store: Identity,
    held: Mutex<Held>,
    pace: Pace,
}

enum Held {
    /// Nobody has asked yet.
    Unopened,
    Open(Connection),
    Closed,
}

impl AtHand {
    pub(super) fn new(store: Identity) -> Self {
        Self { store, held: Mutex::new(Held::Unopened), pace: Pace::new() }
    }

    /// Reads at once, if that is likely to be quick. What fails is for a reader to find out again.
    pub(super) fn read<T>(&self, run: impl FnOnce(&Connection) -> Result<T, Fault>) -> Option<crate::Result<T>> {
        if !self.pace.is_quick() {
            self.pace.took(Duration::ZERO);
            return None;
        }
        let mut held = match self.held.try_lock() {
            Ok(held) => held,
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        let found = held.connection(&self.store).and_then(|connection| {
            let begun = Instant::now();
            let found = in_one_snapshot(connection, run);
            self.pace.took(begun.elapsed());
            found
        });
        match found {
            Ok(found) => Some(Ok(found)),
            Err(Fault::Answer(error)) => Some(Err(error)),
            Err(Fault::Failure(_)) => None,
        }
    }

    pub(super) fn close(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Held::Closed;
    }
}

impl Held {
    fn connection(&mut self, store: &Identity) -> Result<&Connection, Fault> {
        if matches!(self, Self::Unopened) {
            let connection = open::another_reader(store)?;
            // Nobody waits here for a file that is busy.
            connection.busy_timeout(Duration::ZERO).map_err(Failure::from)?;
            *self = Self::Open(connection);
        }
        match self {
            Self::Open(connection) => Ok(connection),
            Self::Unopened | Self::Closed => Err(Failure::Other("the store is closed".into()).into()),
        }
    }
}

/// The catalogue and the document are of one moment.
fn in_one_snapshot<T>(connection: &Connection, run: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    let execute = |sql| -> Result<usize, Failure> { Ok(connection.prepare_cached(sql)?.execute([])?) };
    if !connection.is_autocommit() {
        // Left over from one that panicked.
        execute("ROLLBACK")?;
    }
    execute("BEGIN")?;
    let found = run(connection);
    execute("ROLLBACK")?;
    found
}
