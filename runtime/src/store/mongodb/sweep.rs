//! Taking back what dead workers own: first a fence at the end of each log, then the execution is nobody's.
//!
//! Any number of sweeps may run at once, and each may die anywhere: what one leaves half done the next one does again. So
//! that they don't do the same work side by side, one takes up a dead worker at a time; nothing relies on that.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::action::{Action, Find};
use mongodb::error::ErrorKind as DriverKind;
use mongodb::options::ReturnDocument;

use super::entries::{At, Entry, What, fence};
use super::executions::{Execution, due_now};
use super::failure::{DUPLICATE_KEY, Failure, Fault};
use super::schema::OPEN;
use super::shared::Shared;
use crate::store::{BoxFuture, Epoch, ExecutionId, Stamp, Swept, WorkerId};

/// How many executions are taken back at a time, and how many logs are looked at at once.
const AT_ONCE: usize = 500;
const SIDE_BY_SIDE: usize = 16;
/// Every so many sweeps, owners are looked for that aren't on the list.
const WIDE: i64 = 4;
/// Every so many, for what the worker itself owns and doesn't know of.
const INWARD: i64 = 16;

/// An execution whose owner doesn't go on with it.
pub(super) struct Orphan {
    pub(super) id: ExecutionId,
    pub(super) epoch: Epoch,
}

impl Shared {
    /// A sweep by this worker.
    pub(super) async fn sweep(self: &Arc<Self>, worker: &WorkerId) -> Result<Swept, Fault> {
        if self.look_at_incarnation(&self.tables.meta).await? {
            return Err(self.replaced().into());
        }
        self.point("before-commit", || "sweep".to_owned());
        // Before the list: who isn't on it then had been registered before it owned anything.
        let number = self.sweeps.fetch_add(1, Ordering::Relaxed);
        let owners = if number % WIDE == 0 { self.owners().await? } else { HashSet::new() };
        let listed = self.workers().await?;
        let is_dead = |worker: &Document| worker.get_bool("dead").unwrap_or_default();
        let standing = listed.iter().any(|listed| name(listed) == Some(&*worker.0) && !is_dead(listed));
        if !standing {
            // Who was taken for dead registers again first: were all, nobody would stand until all is taken back.
            self.claims.retire(worker);
            return Ok(Swept { reclaimed: 0, standing, again: self.next_sweep(listed.len()) });
        }
        let names: HashSet<&str> = listed.iter().filter_map(name).collect();
        let mut lost: Vec<Arc<str>> =
            owners.iter().filter(|owner| !names.contains(&***owner)).map(Clone::clone).collect();
        lost.extend(self.mark_dead(worker, &listed).await?);
        let mut reclaimed = 0;
        if !lost.is_empty() {
            self.point("after-commit", || "mark".to_owned());
        }
        for name in lost {
            if names.contains(&*name) && !self.is_taken_up(&name, worker).await? {
                continue;
            }
            let some = self.take_back_all(&name).await?;
            tracing::warn!(worker = %name, executions = some, "a worker was dead or hung: what it owned is taken back");
            reclaimed += some;
            self.point("after-commit", || "take back".to_owned());
            self.command(self.tables.workers.delete_one(doc! { "_id": &*name })).await?;
        }
        if number % INWARD == INWARD - 1 {
            reclaimed += self.take_back_strays(worker).await?;
        }
        self.finish_ends().await?;
        if reclaimed > 0 {
            self.bump();
        }
        self.point("after-commit", || "sweep".to_owned());
        Ok(Swept { reclaimed, standing, again: self.next_sweep(listed.len()) })
    }

    /// A death can't be seen before the lease has run out. Of many workers each looks the more seldom, so that a thousand
    /// ask no more than they must, and the last of them still looks once in the time of a lease.
    fn next_sweep(&self, workers: usize) -> Duration {
        self.options.lease / 4 * workers.clamp(1, 4) as u32
    }

    pub(super) async fn workers(&self) -> Result<Vec<Document>, Failure> {
        let cursor = self.command(self.tables.workers.find(doc! {})).await?;
        self.gather(cursor).await
    }

    /// All who own something.
    async fn owners(&self) -> Result<HashSet<Arc<str>>, Failure> {
        let owners = self.command(self.tables.executions.distinct("owner", doc! { "owner": { "$gt": "" } })).await?;
        Ok(owners.iter().filter_map(|owner| owner.as_str().map(Arc::from)).collect())
    }

    /// Those whose lease has run out, marked so that they can't renew it, their transactions aborted. The server's clock
    /// decides. Not the worker that sweeps: it lives. Nor those that another one has taken up.
    async fn mark_dead(&self, sweeper: &WorkerId, listed: &[Document]) -> Result<Vec<Arc<str>>, Failure> {
        // A little too early asks in vain, and what is known of the server's clock is only nearly right.
        let now = self.server_now() + i64::try_from(self.options.lease.as_millis() / 10).unwrap_or_default();
        let settled = self.contact.is_settled(self.options.lease);
        let late = |worker: &&Document| {
            let until = worker.get_i64("until").unwrap_or(i64::MIN);
            (settled && until < now && name(worker) != Some(&*sweeper.0)) || worker.get_bool("dead").unwrap_or_default()
        };
        let late: Vec<Bson> = listed.iter().filter(late).filter_map(name).map(Bson::from).collect();
        if late.is_empty() {
            return Ok(Vec::new());
        }
        let some = doc! { "_id": { "$in": late }, };
        let dead = doc! { "$or": [{ "$eq": ["$dead", true] }, { "$lt": ["$until", { "$toLong": "$$NOW" }] }] };
        let mark = vec![doc! { "$set": { "dead": { "$cond": [dead, true, "$$REMOVE"] } } }];
        self.command(self.tables.workers.update_many(some.clone(), mark)).await?;
        let mut marked = some;
        marked.insert("dead", true);
        let cursor = self.command(self.tables.workers.find(marked)).await?;
        let found = self.gather(cursor).await?;
        let now = self.server_now();
        let is_free = |worker: &&Document| {
            let taker = worker.get_str("taker").unwrap_or(&sweeper.0);
            *taker == *sweeper.0 || worker.get_i64("taken_until").unwrap_or_default() < now
        };
        let free: Vec<_> = found.iter().filter(is_free).collect();
        for worker in &free {
            self.end_sessions(worker).await;
        }
        Ok(free.into_iter().filter_map(name).map(Arc::from).collect())
    }

    /// Whether it is this worker that takes back from a dead one. All see the death at once, and each would do the work of
    /// all; if this one dies too, others take it up after a lease.
    pub(super) async fn is_taken_up(&self, dead: &str, worker: &WorkerId) -> Result<bool, Failure> {
        let lease = i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX);
        let now = doc! { "$toLong": "$$NOW" };
        let free = doc! { "$or": [
            { "$eq": [{ "$ifNull": ["$taker", &*worker.0] }, &*worker.0] },
            { "$lt": [{ "$ifNull": ["$taken_until", 0_i64] }, now.clone()] },
        ] };
        let take = vec![doc! { "$set": {
            "taker": { "$cond": [free.clone(), &*worker.0, "$taker"] },
            "taken_until": { "$cond": [free, { "$add": [now, lease] }, "$taken_until"] },
        } }];
        let update = self.tables.workers.find_one_and_update(doc! { "_id": dead }, take);
        let after = self.command(update.return_document(ReturnDocument::After)).await?;
        // One that is gone has been taken back from.
        Ok(after.is_some_and(|after| after.get_str("taker").is_ok_and(|taker| *taker == *worker.0)))
    }

    async fn take_back_all(&self, worker: &str) -> Result<usize, Failure> {
        let mut taken = 0;
        loop {
            let orphans = self.owned_by(worker, Some(AT_ONCE as i64)).await?;
            if orphans.is_empty() {
                return Ok(taken);
            }
            self.point("before-commit", || "fence".to_owned());
            self.fence(&orphans).await?;
            self.point("after-commit", || "fence".to_owned());
            taken += self.set_free(worker, &orphans).await?;
        }
    }

    /// What a worker owns, up to a limit.
    pub(super) async fn owned_by(&self, worker: &str, limit: Option<i64>) -> Result<Vec<Orphan>, Failure> {
        let owned = doc! { "owner": worker, "status": OPEN };
        let find = self.tables.executions.find(owned).projection(doc! { "_id": 1, "epoch": 1 });
        let cursor = self.command(find.optional(limit, Find::limit)).await?;
        let found = self.gather(cursor).await?.into_iter().map(Execution);
        found.map(|found| Ok(Orphan { id: found.id()?, epoch: found.epoch() })).collect()
    }

    /// Ends each owner's writing: a fence at the end of each log.
    pub(super) async fn fence(&self, orphans: &[Orphan]) -> Result<(), Failure> {
        let mut left: Vec<&Orphan> = orphans.iter().collect();
        while !left.is_empty() {
            let ends = self.ends_of(&left).await?;
            let stamp = Stamp::now();
            let mut fences = Vec::new();
            let mut unfenced = Vec::new();
            for (orphan, last) in left.iter().zip(ends) {
                let epoch = orphan.epoch.0 as i64;
                // Of a sweep before this one that died, or of one beside it; or another owns it already, and a fence
                // would be in that one's way.
                let stands = last
                    .as_ref()
                    .is_some_and(|last| last.epoch > epoch || last.epoch == epoch && matches!(last.what, What::Fence));
                if !stands {
                    let place = last.map_or(0, |last| last.place + 1);
                    fences.push(fence(&orphan.id, At { place, epoch, stamp }));
                    unfenced.push(*orphan);
                }
            }
            left = if fences.is_empty() { Vec::new() } else { self.insert_fences(fences, unfenced).await? };
        }
        Ok(())
    }

    /// The first half of taking one execution back.
    #[cfg(test)]
    pub(super) async fn fence_one(&self, id: &ExecutionId, epoch: Epoch) -> Result<(), Failure> {
        self.fence(&[Orphan { id: id.clone(), epoch }]).await
    }

    /// Those whose owner, or another sweep, was quicker are to be looked at again.
    async fn insert_fences<'o>(&self, fences: Vec<Document>, of: Vec<&'o Orphan>) -> Result<Vec<&'o Orphan>, Failure> {
        let Err(error) = self.driven(self.tables.log.insert_many(fences).ordered(false)).await? else {
            return Ok(Vec::new());
        };
        let failure = Failure::of(&error, &self.redaction);
        let DriverKind::InsertMany(failed) = *error.kind else { return Err(failure) };
        let errors = failed.write_errors.unwrap_or_default();
        if failed.write_concern_error.is_some() || errors.iter().any(|error| error.code != DUPLICATE_KEY) {
            return Err(failure);
        }
        Ok(errors.iter().filter_map(|error| of.get(error.index).copied()).collect())
    }

    /// The last entry of each log, several at a time.
    async fn ends_of(&self, orphans: &[&Orphan]) -> Result<Vec<Option<Entry>>, Failure> {
        let mut ends = Vec::with_capacity(orphans.len());
        for some in orphans.chunks(SIDE_BY_SIDE) {
            let looks = some.iter().map(|orphan| Box::pin(self.last_entry(&orphan.id)) as BoxFuture<'_, _>);
            ends.extend(all(looks.collect()).await?);
        }
        Ok(ends)
    }

    /// Nobody's from now on, and due. Only under the epoch that was fenced.
    pub(super) async fn set_free(&self, worker: &str, orphans: &[Orphan]) -> Result<usize, Failure> {
        let mut by_epoch: std::collections::BTreeMap<u64, Vec<Bson>> = std::collections::BTreeMap::new();
        for orphan in orphans {
            by_epoch.entry(orphan.epoch.0).or_default().push(Bson::from(&*orphan.id.0));
        }
        let mut set = due_now(Stamp::now());
        set.extend(doc! { "owner": "$$REMOVE", "mail": "$$REMOVE" });
        let mut freed = 0;
        for (epoch, ids) in by_epoch {
            let theirs = doc! { "_id": { "$in": ids }, "owner": worker, "epoch": epoch as i64 };
            let update = self.tables.executions.update_many(theirs, vec![doc! { "$set": set.clone() }]);
            freed += self.command(update).await?.modified_count as usize;
        }
        Ok(freed)
    }

    /// Ends whose owner died before all watchers were told.
    async fn finish_ends(self: &Arc<Self>) -> Result<(), Failure> {
        let before = Stamp::now().0.saturating_sub(i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX));
        let untold = doc! { "tell": true, "ended": { "$lt": before } };
        let fields = doc! { "status": 1, "outcome": 1, "value": 1 };
        let find = self.tables.executions.find(untold).projection(fields).limit(AT_ONCE as i64);
        let cursor = self.command(find).await?;
        for found in self.gather(cursor).await? {
            let mut found = Execution(found);
            let id = found.id()?;
            if let Some(finished) = found.finished()? {
                self.tell_watchers(&id, &finished).await?;
                self.bump();
            }
        }
        Ok(())
    }

    /// Gives back what the worker owns, and takes it off the list. Not a crash.
    pub(super) async fn leave(&self, worker: &WorkerId) -> Result<(), Failure> {
        self.point("before-commit", || "leave".to_owned());
        // From here on nothing of it is written; what is under way must be known first.
        self.claims.retire(worker);
        self.written().await;
        let mut set = due_now(Stamp::now());
        set.extend(doc! { "owner": "$$REMOVE", "mail": "$$REMOVE" });
        let theirs = doc! { "owner": &*worker.0, "status": OPEN };
        self.command(self.tables.executions.update_many(theirs, vec![doc! { "$set": set }])).await?;
        self.command(self.tables.workers.delete_one(doc! { "_id": &*worker.0 })).await?;
        self.bump();
        self.point("after-commit", || "leave".to_owned());
        Ok(())
    }
}

fn name(worker: &Document) -> Option<&str> {
    worker.get_str("_id").ok()
}

/// Waits for all, side by side; the first failure is that of all.
async fn all<T>(mut futures: Vec<BoxFuture<'_, Result<T, Failure>>>) -> Result<Vec<T>, Failure> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(Ok(value)) => *done = Some(value),
                    std::task::Poll::Ready(Err(failure)) => return std::task::Poll::Ready(Err(failure)),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(Ok(())) }
    })
    .await?;
    Ok(done.into_iter().flatten().collect())
}
