//! A store in pieces, in words that every store knows: how one is moved into another.

use std::sync::Arc;

use bson::RawDocumentBuf;

use super::{Attempt, BoxFuture, Digest, Epoch, ExecutionId, Finished, Message, Name, Row, Stamp, Status, Watcher};
use crate::data::models::IndexModel;
use crate::error::Result;

/// A piece of a store. A collection comes before its documents, an execution before its rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// A collection, with its indexes but that of `_id`.
    Collection { name: Arc<str>, indexes: Vec<IndexModel> },
    /// Some documents of a collection, byte for byte.
    Documents { collection: Arc<str>, documents: Vec<RawDocumentBuf> },
    /// An execution, without its record.
    Execution(Box<Portable>),
    /// Some rows of its record, in order, each with the id of the message that it was.
    Rows { execution: ExecutionId, rows: Vec<(Row, Option<Arc<str>>)> },
    /// What is left of an execution that was purged.
    Tombstone { id: ExecutionId, digest: Digest, ended: Stamp },
}

/// An execution as it is moved. Nobody owns it where it arrives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Portable {
    pub(crate) id: ExecutionId,
    pub(crate) function: Name,
    pub(crate) version: u32,
    pub(crate) arguments: Vec<u8>,
    pub(crate) digest: Digest,
    /// `Running` and `Ready` are due at once where it arrives.
    pub(crate) status: Status,
    pub(crate) epoch: Epoch,
    pub(crate) wake: Option<Stamp>,
    pub(crate) created: Stamp,
    pub(crate) started: Option<Stamp>,
    pub(crate) deadline: Option<Stamp>,
    pub(crate) parent: Option<ExecutionId>,
    pub(crate) seed: u64,
    pub(crate) crashes: u32,
    pub(crate) ended: Option<Stamp>,
    pub(crate) finished: Option<Finished>,
    /// Why it is, or was, parked.
    pub(crate) reason: Option<Vec<u8>>,
    pub(crate) until_build: Option<u64>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) inbox: Vec<Message>,
    pub(crate) watchers: Vec<Watcher>,
}

/// A store on its way out.
pub(crate) trait Pieces: Send {
    /// How many documents and executions there are.
    fn total(&self) -> u64;
    /// The next pieces; none at the end.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Piece>>>;
}

/// A store whose pieces come through a channel, from whoever reads it.
pub(crate) struct Piped {
    pub(crate) total: u64,
    pub(crate) pieces: tokio::sync::mpsc::Receiver<Result<Vec<Piece>>>,
}

impl Pieces for Piped {
    fn total(&self) -> u64 {
        self.total
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Piece>>> {
        Box::pin(async move { self.pieces.recv().await.unwrap_or_else(|| Ok(Vec::new())) })
    }
}
