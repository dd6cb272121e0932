//! Documents that were found, one after the other.
//!
//! On the embedded store a cursor sees one snapshot: what stood when the first document was read, whatever is written
//! meanwhile. On MongoDB it sees what the server shows it. In a durable function and in a transaction all documents are
//! read at once, and a durable function's are recorded.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bson::RawDocumentBuf;
use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::action::unexpected;
use super::nesting;
use super::operation::{Reply, Rows};
use crate::error::{Error, ErrorKind, Result};
use crate::store::BoxFuture;

/// Documents of type `T`, as they come: a [`Stream`], as the cursor of MongoDB's own driver is. What that calls `advance`
/// and `deserialize_current` is one method here, [`try_next`](Self::try_next).
///
/// Beside writes: on the embedded store a cursor sees one snapshot, what stood when its first document was read, whatever
/// becomes of the documents, their indexes and their collection meanwhile. On MongoDB it sees what the server shows it,
/// which may be some of the later writes. In a durable function and in a `#[transaction]` all documents are read at once.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// # #[derive(Serialize, Deserialize)] struct Order { cents: i64 }
/// #[step]
/// async fn total() -> Result<i64> {
///     let mut orders = collection::<Order>("orders").find(doc! { "status": "paid" }).await?;
///     let mut total = 0;
///     while let Some(order) = orders.try_next().await? {
///         total += order.cents;
///     }
///     Ok(total)
/// }
/// ```
#[must_use = "documents come when they are asked for"]
pub struct Cursor<T> {
    ready: VecDeque<Item<T>>,
    more: More,
}

enum Item<T> {
    Raw(RawDocumentBuf),
    Whole(T),
}

/// Rows with the documents that they gave.
type Next = (Box<dyn Rows>, Result<Vec<RawDocumentBuf>>);

/// What is still to come: the rows travel with the future that asks for the next ones.
enum More {
    Nothing,
    Rows(Box<dyn Rows>),
    Asked(BoxFuture<'static, Next>),
}

impl<T> Unpin for Cursor<T> {}

impl<T> std::fmt::Debug for Cursor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}

impl<T> Cursor<T> {
    /// Of what is there already.
    pub(super) fn of(items: Vec<T>) -> Self {
        Self { ready: items.into_iter().map(Item::Whole).collect(), more: More::Nothing }
    }

    pub(super) fn new(reply: Reply) -> Result<Self> {
        match reply {
            Reply::Documents(found) => {
                Ok(Self { ready: found.into_iter().map(Item::Raw).collect(), more: More::Nothing })
            }
            Reply::Rows(rows) => Ok(Self { ready: VecDeque::new(), more: More::Rows(rows) }),
            other => Err(unexpected(&other)),
        }
    }
}

impl<T: DeserializeOwned + Send> Cursor<T> {
    /// The next document; `None` at the end.
    ///
    /// # Errors
    /// The store's, and a document that doesn't fit `T`: the ones after it can still be read.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }

    /// The next document, as a stream gives it.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// All that are left.
    pub async fn to_vec(mut self) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(self.ready.len());
        while let Some(next) = self.try_next().await? {
            all.push(next);
        }
        Ok(all)
    }
}

impl<T: DeserializeOwned + Send> Stream for Cursor<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            match self.ready.pop_front() {
                Some(Item::Raw(document)) => return Poll::Ready(Some(typed(document))),
                Some(Item::Whole(value)) => return Poll::Ready(Some(Ok(value))),
                None => (),
            }
            let mut asked = match std::mem::replace(&mut self.more, More::Nothing) {
                More::Nothing => return Poll::Ready(None),
                More::Rows(mut rows) => Box::pin(async move {
                    let next = rows.next().await;
                    (rows, next)
                }),
                More::Asked(asked) => asked,
            };
            match asked.as_mut().poll(cx) {
                Poll::Pending => {
                    self.more = More::Asked(asked);
                    return Poll::Pending;
                }
                Poll::Ready((_, Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready((_, Ok(next))) if next.is_empty() => return Poll::Ready(None),
                Poll::Ready((rows, Ok(next))) => {
                    self.ready = next.into_iter().map(Item::Raw).collect();
                    self.more = More::Rows(rows);
                }
            }
        }
    }
}

/// A document as the user's type.
pub(super) fn typed<T: DeserializeOwned + Send>(document: RawDocumentBuf) -> Result<T> {
    nesting::read(&document).map_err(|error| {
        Error::of(ErrorKind::NotRecordable, format!("a document doesn't fit its type: {error}")).into_terminal()
    })
}
