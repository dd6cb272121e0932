//! Removing what is older than its retention, a small group at a time, against a clock that can't jump.
//!
//! The clock is the store's: it follows the wall clock, but no faster than ten times a handle's own time, and is moved by
//! one handle at a time.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};

use super::executions::Execution;
use super::failure::Failure;
use super::range_of;
use super::schema::{OPEN, PARKED, TOMBSTONE};
use super::shared::Shared;
use crate::hashing::FastSet;
use crate::store::{ExecutionId, Retention};

/// How much one group removes of each kind.
const AT_ONCE: usize = 200;
/// The clock's speed against a handle's own time, at most.
const SPEED: i64 = 10;

impl Shared {
    /// Removes some of what is too old; `true` if more is left.
    pub(super) async fn purge(&self, retention: Retention) -> Result<bool, Failure> {
        self.point("before-commit", || "purge".to_owned());
        let clock = self.move_purge_clock().await?;
        let before = |kept: Duration| clock.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        let executions = self.purge_executions(before(retention.executions)).await?;
        let tombstones = self.purge_tombstones(before(retention.tombstones)).await?;
        self.point("after-commit", || "purge".to_owned());
        Ok(executions == AT_ONCE || tombstones == AT_ONCE)
    }

    async fn move_purge_clock(&self) -> Result<i64, Failure> {
        let found = self.command(self.tables.meta.find_one(doc! { "_id": "store" })).await?;
        let clock = found.and_then(|found| found.get_i64("purge_clock").ok());
        let clock = clock.ok_or_else(|| Failure::Damaged("its collection `outlast.meta` has no purge clock".into()))?;
        let wall = self.server_now();
        // Only time in which the clock stood still before this handle's eyes counts.
        let since = {
            let mut seen = self.purge_clock.lock().unwrap_or_else(PoisonError::into_inner);
            let since = match *seen {
                Some((value, since)) if value == clock => since,
                Some(_) => Instant::now(),
                None => self.opened,
            };
            *seen = Some((clock, since));
            since
        };
        let gone_by = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX).saturating_mul(SPEED);
        let moved = clock.saturating_add(gone_by).min(wall);
        if moved > clock {
            let still = doc! { "_id": "store", "purge_clock": clock };
            let update = self.tables.meta.update_one(still, doc! { "$set": { "purge_clock": moved } });
            if self.command(update).await?.matched_count > 0 {
                let mut seen = self.purge_clock.lock().unwrap_or_else(PoisonError::into_inner);
                *seen = Some((moved, Instant::now()));
                return Ok(moved);
            }
        }
        Ok(clock)
    }

    /// Ended executions whose parent has ended too; what stays of each is a tombstone.
    async fn purge_executions(&self, before: i64) -> Result<usize, Failure> {
        let mut old = Vec::new();
        let mut after = i64::MIN;
        // Those that are kept for a parent are passed by.
        while old.len() < AT_ONCE {
            let ended = doc! { "ended": { "$lt": before, "$gte": after } };
            let find = self.tables.executions.find(ended).sort(doc! { "ended": 1 });
            let find = find.projection(doc! { "parent": 1, "ended": 1 }).limit(AT_ONCE as i64 * 2);
            let cursor = self.command(find).await?;
            let found = self.gather(cursor).await?;
            let last = found.last().and_then(|found| found.get_i64("ended").ok()).unwrap_or(i64::MAX);
            let whole = found.len() < AT_ONCE * 2;
            let kept = self.open_parents(&found).await?;
            for found in found {
                let parent = found.get_str("parent").ok().map(ExecutionId::from);
                let id = Execution(found).id()?;
                if !parent.is_some_and(|parent| kept.contains(&parent)) && !old.contains(&id) && old.len() < AT_ONCE {
                    old.push(id);
                }
            }
            // A moment with so many ends is passed by, too.
            after = if last == after { last.saturating_add(1) } else { last };
            if whole {
                break;
            }
        }
        if !old.is_empty() {
            self.bury(&old).await?;
        }
        Ok(old.len())
    }

    async fn open_parents(&self, children: &[Document]) -> Result<FastSet<ExecutionId>, Failure> {
        let parents: Vec<Bson> = children.iter().filter_map(|child| child.get("parent").cloned()).collect();
        if parents.is_empty() {
            return Ok(FastSet::default());
        }
        let open = doc! { "_id": { "$in": parents }, "status": { "$in": [OPEN, PARKED] } };
        let cursor = self.command(self.tables.executions.find(open).projection(doc! { "_id": 1 })).await?;
        self.gather(cursor).await?.into_iter().map(|found| Execution(found).id()).collect()
    }

    /// What belongs to them first: a tombstone has nothing left that a later execution of its id could find.
    async fn bury(&self, ids: &[ExecutionId]) -> Result<(), Failure> {
        self.command(self.tables.log.delete_many(self.entries_of(ids))).await?;
        let ranges: Vec<Document> = ids.iter().map(|id| doc! { "_id": range_of(id) }).collect();
        self.command(self.tables.inbox.delete_many(doc! { "$or": ranges.clone() })).await?;
        self.command(self.tables.blobs.delete_many(doc! { "$or": ranges })).await?;
        let ids: Vec<Bson> = ids.iter().map(|id| Bson::from(&*id.0)).collect();
        let ended = doc! { "_id": { "$in": ids }, "status": { "$in": [1, 2, 3] } };
        let left = doc! { "_id": "$_id", "status": TOMBSTONE, "digest": "$digest", "gone": "$ended" };
        self.command(self.tables.executions.update_many(ended, vec![doc! { "$replaceWith": left }])).await.map(drop)
    }

    async fn purge_tombstones(&self, before: i64) -> Result<usize, Failure> {
        let old = doc! { "gone": { "$lt": before } };
        let find = self.tables.executions.find(old).sort(doc! { "gone": 1 }).projection(doc! { "_id": 1 });
        let cursor = self.command(find.limit(AT_ONCE as i64)).await?;
        let found = self.gather(cursor).await?;
        let ids: Vec<Bson> = found.into_iter().filter_map(|mut found| found.remove("_id")).collect();
        let count = ids.len();
        if count > 0 {
            let gone = doc! { "_id": { "$in": ids }, "status": TOMBSTONE };
            self.command(self.tables.executions.delete_many(gone)).await?;
        }
        Ok(count)
    }
}
