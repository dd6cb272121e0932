//! An execution's log, read: its record, its attempts, its crashes, and where it ends.

use std::collections::HashSet;
use std::sync::Arc;

use bson::{Bson, Document, doc};

use super::entries::{Entry, What, entry, entry_id, execution_of, from_place};
use super::failure::Failure;
use super::shared::Shared;
use crate::hashing::{FastMap, FastSet};
use crate::store::{Attempt, Epoch, ExecutionId, Key, Row, RowKind, Stamp};

/// A log as its owner needs it.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) record: Vec<Row>,
    /// Attempts without an outcome, with their places.
    pub(super) attempts: Vec<(i64, Attempt)>,
    /// Messages that have their row.
    pub(super) moved: HashSet<Arc<str>>,
    /// Fences since the last row.
    fences: Vec<i64>,
    /// The place behind the last entry.
    pub(super) next: i64,
}

impl Log {
    /// A log of entries in order.
    pub(super) fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut log = Self::default();
        let mut attempts: FastMap<Key, (i64, Attempt)> = FastMap::default();
        for entry in entries {
            log.next = entry.place + 1;
            match entry.what {
                What::Row(row, message) => {
                    if let RowKind::Outcome(outcome) = &row.kind {
                        attempts.remove(&outcome.key);
                    }
                    log.moved.extend(message);
                    log.record.push(row);
                    log.fences.clear();
                }
                What::Attempt(attempt) => {
                    attempts.insert(attempt.key.clone(), (entry.place, attempt));
                }
                What::Fence => log.fences.push(entry.epoch),
            }
        }
        log.attempts = attempts.into_values().collect();
        log.attempts.sort_by_key(|(place, _)| *place);
        log
    }

    /// Whether the owner of this epoch was taken back from.
    pub(super) fn is_fenced(&self, epoch: Epoch) -> bool {
        self.fences.contains(&(epoch.0 as i64))
    }

    /// Deaths of workers in a row without a new row, those up to `calm` forgotten.
    pub(super) fn crashes(&self, calm: i64) -> u32 {
        self.fences.iter().filter(|epoch| **epoch > calm).count() as u32
    }

    /// The last row's stamp.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.record.last().map(|row| row.stamp)
    }
}

impl Shared {
    /// The logs of executions; those without entries aren't among them.
    pub(super) async fn logs(&self, ids: &[ExecutionId]) -> Result<FastMap<ExecutionId, Log>, Failure> {
        let mut found: FastMap<ExecutionId, Vec<Entry>> = FastMap::default();
        for some in ids.chunks(LOGS_AT_ONCE) {
            let cursor = self.command(self.tables.log.find(self.entries_of(some)).sort(doc! { "_id": 1 })).await?;
            let asked: FastSet<&str> = some.iter().map(|id| &*id.0).collect();
            for document in self.gather(cursor).await? {
                let id = execution_of(&document).filter(|id| asked.contains(id)).ok_or_else(Failure::astray)?;
                found.entry(id.into()).or_default().push(entry(document)?);
            }
        }
        // Servers that don't sort documents as keys the way MongoDB does are put right here.
        let in_order = |(id, mut entries): (ExecutionId, Vec<Entry>)| {
            entries.sort_by_key(|entry| entry.place);
            (id, Log::of(entries))
        };
        Ok(found.into_iter().map(in_order).collect())
    }

    /// Selects all entries of these executions.
    pub(super) fn entries_of(&self, ids: &[ExecutionId]) -> Document {
        match ids {
            [id] => from_place(id, 0),
            ids if self.indexed_log => {
                let ids: Vec<Bson> = ids.iter().map(|id| Bson::from(&*id.0)).collect();
                doc! { "_id.e": { "$in": ids } }
            }
            ids => {
                let range = |id| doc! { "_id": { "$gte": entry_id(id, 0), "$lte": entry_id(id, i64::MAX) } };
                doc! { "$or": ids.iter().map(range).collect::<Vec<_>>() }
            }
        }
    }

    /// The last entry of a log.
    pub(super) async fn last_entry(&self, id: &ExecutionId) -> Result<Option<Entry>, Failure> {
        let sort = if self.indexed_log {
            doc! { "_id.p": -1 }
        } else {
            doc! { "_id": -1 }
        };
        let found = self.command(self.tables.log.find_one(from_place(id, 0)).sort(sort)).await?;
        let Some(found) = found else { return Ok(None) };
        if execution_of(&found) != Some(&*id.0) {
            return Err(Failure::astray());
        }
        entry(found).map(Some)
    }

    /// What stands at places of logs: their epochs, and whether they are fences.
    pub(super) async fn at_places(
        &self,
        places: &[(ExecutionId, i64)],
    ) -> Result<FastMap<(ExecutionId, i64), (i64, bool)>, Failure> {
        let filter = match places {
            [(id, place)] => {
                doc! { "_id": entry_id(id, *place), "_id.e": &*id.0, "_id.p": place }
            }
            // More than those places, which does no harm.
            places if self.indexed_log => {
                let ids: HashSet<&str> = places.iter().map(|(id, _)| &*id.0).collect();
                let lowest = places.iter().map(|(_, place)| *place).min();
                doc! { "_id.e": { "$in": ids.into_iter().collect::<Vec<_>>() }, "_id.p": { "$gte": lowest } }
            }
            places => {
                let ids: Vec<Document> = places.iter().map(|(id, place)| entry_id(id, *place)).collect();
                doc! { "_id": { "$in": ids } }
            }
        };
        let cursor = self.command(self.tables.log.find(filter)).await?;
        let mut found = FastMap::default();
        for document in self.gather(cursor).await? {
            let Some(id) = execution_of(&document).map(ExecutionId::from) else { continue };
            let entry = entry(document)?;
            found.insert((id, entry.place), (entry.epoch, matches!(entry.what, What::Fence)));
        }
        Ok(found)
    }
}

/// Executions whose logs are read by one query.
pub(super) const LOGS_AT_ONCE: usize = 100;
