//! Values too large for one document: kept in pieces, and named where they belong.
//!
//! The pieces are written before what names them, so a value is whole or isn't named. What a death leaves unnamed goes
//! with its execution.

use bson::{Bson, Document, doc};
use futures_core::Stream;
use mongodb::{ClientSession, Collection};

use super::failure::Failure;
use super::schema::binary;
use super::shared::Shared;
use super::{keyed, random};
use crate::store::ExecutionId;

/// Larger values are spilled: a document holds three values, and 16 MiB.
pub(super) const SPILLED: usize = 5 << 20;
/// The size of a piece.
const PIECE: usize = 12 << 20;

impl Shared {
    /// A value as it stands in its document: itself, or where its pieces are.
    pub(super) async fn spill(&self, execution: &ExecutionId, value: Vec<u8>) -> Result<Bson, Failure> {
        if value.len() <= SPILLED {
            return Ok(binary(value));
        }
        let random: [u8; 8] = random()?;
        let key = keyed(execution, &crate::digest::hex(&random));
        let mut pieces = 0;
        for piece in value.chunks(PIECE) {
            let document = doc! { "_id": format!("{key}:{pieces:04}"), "v": binary(piece.to_vec()) };
            self.command(self.tables.blobs.insert_one(document)).await?;
            pieces += 1;
        }
        Ok(doc! { "blob": key, "pieces": pieces }.into())
    }

    /// Puts spilled values of a document back into their places.
    pub(super) async fn restore(&self, document: &mut Document) -> Result<(), Failure> {
        self.restore_within(document, None).await
    }

    /// The same out of the pieces that a session sees, which may be those of an earlier moment.
    pub(super) async fn restore_within(
        &self,
        document: &mut Document,
        mut session: Option<(&Collection<Document>, &mut ClientSession)>,
    ) -> Result<(), Failure> {
        for (_, value) in document.iter_mut() {
            if let Bson::Document(named) = value
                && let (Ok(key), Ok(pieces)) = (named.get_str("blob"), named.get_i32("pieces"))
            {
                let session = session.as_mut().map(|(blobs, session)| (*blobs, &mut **session));
                *value = binary(self.read_blob(key, pieces, session).await?);
            }
        }
        Ok(())
    }

    async fn read_blob(
        &self,
        key: &str,
        pieces: i32,
        mut session: Option<(&Collection<Document>, &mut ClientSession)>,
    ) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        for number in 0..pieces {
            let id = format!("{key}:{number:04}");
            let id = doc! { "_id": id };
            let found = match &mut session {
                Some((blobs, session)) => self.command(blobs.find_one(id).session(&mut **session)).await?,
                None => self.command(self.tables.blobs.find_one(id)).await?,
            };
            let piece = found.and_then(|mut piece| super::bytes(&mut piece, "v"));
            whole.extend(piece.ok_or_else(|| Failure::Damaged(format!("a piece of the value {key} is missing")))?);
        }
        Ok(whole)
    }

    /// All documents of a cursor, their spilled values in place.
    pub(super) async fn gather<S>(&self, mut cursor: S) -> Result<Vec<Document>, Failure>
    where
        S: Stream<Item = mongodb::error::Result<Document>> + Unpin + Send,
    {
        let mut all = Vec::new();
        loop {
            let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut cursor).poll_next(cx));
            match self.command(async { next.await.transpose() }).await? {
                Some(mut document) => {
                    self.restore(&mut document).await?;
                    all.push(document);
                }
                None => return Ok(all),
            }
        }
    }
}
