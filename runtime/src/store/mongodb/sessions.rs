//! The sessions of workers' transactions. The server keeps what a transaction has written from everyone until it is
//! committed or aborted, and of a process that died it learns nothing for a minute: so each worker's document names the
//! sessions that it has used, and whoever takes back from the worker ends them first.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use bson::{Bson, Document, doc};
use mongodb::ClientSession;

use super::failure::Failure;
use super::shared::Shared;
use crate::store::WorkerId;

/// The most that a worker's document names: the driver uses the last ones again and again.
const MOST: i32 = 1_000;

/// What is on workers' documents already: worker and session.
#[derive(Default)]
pub(super) struct Noted(Mutex<HashSet<(WorkerId, String)>>);

/// A session and the number of its transaction: beginning one makes it another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    session: Document,
    transaction: Option<i64>,
}

impl Numbered {
    /// The driver shows the number in `Debug` alone. One that doesn't show it any more leaves misuse unseen and nothing
    /// else: `native.rs` among the tests says so.
    pub(super) fn of(session: &ClientSession) -> Self {
        let mut shown = Shown::default();
        let _ = write!(shown, "{session:?}");
        Self { session: session.id().clone(), transaction: shown.number() }
    }
}

/// What a session shows of itself, up to the number of its transaction.
#[derive(Default)]
struct Shown(String);

impl Shown {
    /// The number is in the first few fields.
    const MOST: usize = 4096;

    fn number(&self) -> Option<i64> {
        let (_, after) = self.0.split_once("txn_number: ")?;
        let (digits, _) = after.split_once(|character: char| !character.is_ascii_digit())?;
        digits.parse().ok()
    }
}

impl fmt::Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.len() > Self::MOST || self.number().is_some() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Shared {
    /// Notes that a worker is about to use a session: once for each.
    pub(super) async fn note_session(&self, worker: &WorkerId, session: &ClientSession) -> Result<(), Failure> {
        let id = session.id();
        let noted = || self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (worker.clone(), id.to_string());
        if noted().contains(&key) {
            return Ok(());
        }
        let push = doc! { "$push": { "sessions": { "$each": [id.clone()], "$slice": -MOST } } };
        self.command(self.tables.workers.update_one(doc! { "_id": &*key.0.0 }, push)).await?;
        let mut noted = noted();
        // Those of a worker that this handle no longer has.
        noted.retain(|(worker, _)| *worker == key.0);
        noted.insert(key);
        Ok(())
    }

    /// Aborts the transactions of a dead worker. A user who may not do that waits until the server does it.
    pub(super) async fn end_sessions(&self, worker: &Document) {
        let Some(sessions) = worker.get_array("sessions").ok().filter(|sessions| !sessions.is_empty()) else { return };
        let kill = doc! { "killSessions": Bson::Array(sessions.clone()) };
        if let Err(failure) = self.command(self.own.run_command(kill)).await {
            tracing::debug!(?failure, "a dead worker's transactions end when the server gives them up");
        }
    }
}
