//! Documents as they are asked for, out of one snapshot: a reader's thread stays with the cursor until its end.
//!
//! The first batch is read at once; most queries end with it, and their reader is free again. A cursor that is left alone
//! for [`IDLE`] is closed, since the log of a file can't be overwritten while a snapshot needs it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bson::RawDocumentBuf;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::failure::{Failure, Fault};
use super::super::readers::{After, Readers};
use super::find;
use crate::data::Reply;
use crate::data::operation::{Query, Rows};
use crate::error::{Error, ErrorKind, Result};
use crate::store::BoxFuture;

/// The most documents, and about the most bytes, that are read ahead.
const BATCH: usize = 4_096;
const BYTES: usize = 1 << 20;

/// As long as MongoDB keeps a cursor.
const IDLE: Duration = Duration::from_secs(600);

/// How often a waiting reader looks whether the store is closed.
const LOOK: Duration = Duration::from_millis(100);

type Batch = Result<Vec<RawDocumentBuf>>;

/// The caller's end.
#[derive(Debug)]
struct Ahead {
    first: Vec<RawDocumentBuf>,
    ask: Sender<Request>,
}

impl Rows for Ahead {
    fn next(&mut self) -> BoxFuture<'_, Batch> {
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            return Box::pin(std::future::ready(Ok(first)));
        }
        let (reply, answer) = oneshot::channel();
        // A reader that has gone drops the request, and with it the answer's sender.
        let _ = self.ask.send(reply);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(gone())) })
    }
}

fn gone() -> Error {
    Error::of(
        ErrorKind::Unavailable,
        "the cursor is closed: it was left alone for 10 minutes, or the store was closed. Find again",
    )
}

/// Runs a query on a reader, to its end or until nobody wants more.
pub(in super::super) fn run(
    connection: Result<&Connection, Failure>,
    name: &str,
    query: &Query,
    reply: oneshot::Sender<Result<Reply>>,
    file: &str,
    readers: &Arc<Readers>,
) -> After {
    if reply.is_closed() {
        return After::Stay;
    }
    let lone = query.limit == 1;
    let mut reading =
        Reading { reply: Some(reply), caller: None, asked: None, batch: Vec::new(), bytes: 0, lone, readers };
    let ended = match connection {
        Ok(connection) => find(connection, name, query, &mut |document| reading.take(document)),
        Err(failure) => Err(failure.into()),
    };
    reading.end(ended.map_err(|fault: Fault| fault.error(file)))
}

type Request = oneshot::Sender<Batch>;

/// The reader's end of a query.
struct Reading<'r> {
    /// For the caller's first answer.
    reply: Option<oneshot::Sender<Result<Reply>>>,
    /// Where the caller asks for more, once it has had its first answer and there was more.
    caller: Option<Receiver<Request>>,
    asked: Option<Request>,
    batch: Vec<RawDocumentBuf>,
    bytes: usize,
    /// There is one document at most, which is the whole answer however large it is.
    lone: bool,
    readers: &'r Arc<Readers>,
}

impl Reading<'_> {
    fn take(&mut self, document: RawDocumentBuf) -> Result<ControlFlow<()>, Fault> {
        self.bytes += document.as_bytes().len();
        self.batch.push(document);
        if self.lone || (self.batch.len() < BATCH && self.bytes < BYTES) {
            return Ok(ControlFlow::Continue(()));
        }
        self.bytes = 0;
        let full = std::mem::take(&mut self.batch);
        if let Some(reply) = self.reply.take() {
            if let Err(failure) = self.readers.lend() {
                self.reply = Some(reply);
                return Err(failure.into());
            }
            let (ask, requests) = channel();
            self.caller = Some(requests);
            drop(reply.send(Ok(Reply::Rows(Box::new(Ahead { first: full, ask })))));
        } else if let Some(asked) = self.asked.take() {
            // Whoever asked may be gone: its end says so at the next look.
            drop(asked.send(Ok(full)));
        }
        self.asked = self.wait();
        Ok(if self.asked.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    /// The caller's next request; `None` if there will be none.
    fn wait(&self) -> Option<Request> {
        let requests = self.caller.as_ref()?;
        let begun = Instant::now();
        loop {
            match requests.recv_timeout(LOOK) {
                Ok(asked) => return Some(asked),
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < IDLE && !self.readers.is_closed() => (),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Gives out what is left.
    fn end(mut self, ended: Result<()>) -> After {
        let batch = std::mem::take(&mut self.batch);
        let ended = ended.map(|()| batch);
        if let Some(reply) = self.reply.take() {
            drop(reply.send(ended.map(Reply::Documents)));
            return After::Stay;
        }
        if let Some(asked) = self.asked.take() {
            let more = ended.as_ref().is_ok_and(|last| !last.is_empty());
            drop(asked.send(ended));
            // One more request finds the end.
            if more && let Some(asked) = self.wait() {
                drop(asked.send(Ok(Vec::new())));
            }
        }
        After::Go
    }
}
