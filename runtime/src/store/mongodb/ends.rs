//! How a claim ends: the end, release, parking. Each is one conditional update of the execution's document, and says in
//! `left` that the owner did it: so one whose reply was lost is recognised.

use std::sync::Arc;

use bson::{Bson, Document, doc};

use super::entries::outcome_number;
use super::executions::{Execution, due_now};
use super::failure::Failure;
use super::schema::{OPEN, PARKED};
use super::shared::Shared;
use crate::store::{Committed, Epoch, ExecutionId, Finished, Message, MessageBody, Refused, Stamp, WorkerId};

/// What is known of a claim that ends.
struct Leaving {
    worker: WorkerId,
    stamp: Stamp,
    function: String,
    seen: i64,
    waiting: bool,
}

/// What an update found.
enum Left {
    Done,
    Watched,
    Fenced,
}

impl Shared {
    fn leaving(&self, id: &ExecutionId, epoch: Epoch) -> Option<Leaving> {
        self.claims.with(id, epoch, |claim| Leaving {
            worker: claim.worker.clone(),
            stamp: claim.stamp_now(),
            function: claim.code.rsplit_once('@').map_or("", |(function, _)| function).to_owned(),
            seen: claim.mail.seen,
            waiting: !claim.mail.waiting.is_empty(),
        })
    }

    /// The end: status and value; then what is left over, and the watchers.
    pub(super) async fn end(
        self: &Arc<Self>,
        id: &ExecutionId,
        epoch: Epoch,
        finished: &Finished,
    ) -> Result<Committed, Refused> {
        let Some(leaving) = self.leaving(id, epoch) else { return Err(Refused::Fenced) };
        self.point("before-commit", || format!("end {}", leaving.function));
        let value = finished.value.bytes();
        let value = self.persist(|| self.spill(id, value.to_vec())).await.ok_or(Refused::Closed)?;
        let set = doc! {
            "status": i32::from(finished.end as u8),
            "ended": leaving.stamp.0,
            "outcome": outcome_number(&finished.value),
            "value": value,
            "left": epoch.0 as i64,
        };
        let watched = self.persist(|| self.try_to_end(id, epoch, &leaving, &set)).await.ok_or(Refused::Closed)?;
        let watched = match watched {
            Left::Fenced => return Err(Refused::Fenced),
            Left::Watched => true,
            Left::Done => false,
        };
        self.claims.end(id, epoch);
        if watched {
            self.point("after-commit", || format!("end untold {}", leaving.function));
            self.persist(|| self.tell_watchers(id, finished)).await.ok_or(Refused::Closed)?;
        }
        if leaving.seen > 0 || leaving.waiting {
            // What stays in an inbox after a death here goes when the execution is purged; nobody is shown it.
            let _ = self.command(self.tables.inbox.delete_many(doc! { "e": &*id.0 })).await;
        }
        self.bump();
        self.point("after-commit", || format!("end {}", leaving.function));
        Ok(Committed { seq: None, stamp: leaving.stamp })
    }

    async fn try_to_end(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        leaving: &Leaving,
        set: &Document,
    ) -> Result<Left, Failure> {
        let unset =
            doc! { "owner": "", "mail": "", "due": "", "queue": "", "reason": "", "cancel": "", "until_build": "" };
        let mine = doc! { "_id": &*id.0, "owner": &*leaving.worker.0, "epoch": epoch.0 as i64 };
        let mut alone = mine.clone();
        alone.insert("watchers", doc! { "$exists": false });
        let update = doc! { "$set": set.clone(), "$unset": unset.clone() };
        if self.command(self.tables.executions.update_one(alone, update)).await?.matched_count > 0 {
            return Ok(Left::Done);
        }
        let mut set = set.clone();
        set.insert("tell", true);
        let update = doc! { "$set": set, "$unset": unset };
        if self.command(self.tables.executions.update_one(mine, update)).await?.matched_count > 0 {
            return Ok(Left::Watched);
        }
        let found = self.execution(id, doc! { "status": 1, "left": 1, "tell": 1 }).await?;
        Ok(match found {
            Some(found) if !found.is_open() && !found.is_tombstone() && found.left() == epoch.0 as i64 => {
                if found.tells() { Left::Watched } else { Left::Done }
            }
            Some(_) | None => Left::Fenced,
        })
    }

    /// Tells each watcher of an end, then forgets them. May be done twice: their messages have ids of their own.
    pub(super) async fn tell_watchers(self: &Arc<Self>, id: &ExecutionId, finished: &Finished) -> Result<(), Failure> {
        let Some(found) = self.execution(id, doc! { "watchers": 1 }).await? else { return Ok(()) };
        for watcher in found.watchers() {
            let body = MessageBody::Ended { execution: id.clone(), finished: finished.clone() };
            let message = Message { id: watcher.message, body };
            self.deliver(&watcher.execution, &message).await?;
        }
        let forget = doc! { "$unset": { "watchers": "", "tell": "" } };
        self.command(self.tables.executions.update_one(doc! { "_id": &*id.0, "tell": true }, forget)).await.map(drop)
    }

    /// An execution's document, or some fields of it.
    pub(super) async fn execution(&self, id: &ExecutionId, fields: Document) -> Result<Option<Execution>, Failure> {
        let find = self.tables.executions.find_one(doc! { "_id": &*id.0 }).projection(fields);
        let Some(mut found) = self.command(find).await? else { return Ok(None) };
        self.restore(&mut found).await?;
        Ok(Some(Execution(found)))
    }

    /// Ends a claim; the execution waits until `wake`, or not at all if there is a message for it.
    pub(super) async fn release(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        wake: Option<Stamp>,
    ) -> Result<Committed, Refused> {
        let Some(leaving) = self.leaving(id, epoch) else { return Err(Refused::Fenced) };
        self.point("before-commit", || format!("release {}", leaving.function));
        let nothing = || doc! { "due": "$$REMOVE", "queue": "$$REMOVE" };
        let wake = wake.map_or_else(nothing, |wake| doc! { "due": wake.0, "queue": "$code" });
        let now = leaving.stamp.0;
        // What was told since the inbox was last read, or is in it still, makes it due.
        let mail: Bson = if leaving.waiting { true.into() } else { doc! { "$gt": ["$posts", leaving.seen] }.into() };
        let either = |now: Bson, field: &str| doc! { "$cond": [mail.clone(), now, wake.get(field).cloned()] };
        let set = doc! {
            "owner": "$$REMOVE",
            "mail": "$$REMOVE",
            "due": either(now.into(), "due"),
            "queue": either("$code".into(), "queue"),
            "left": epoch.0 as i64,
        };
        self.leave_with(id, epoch, &leaving, set).await?;
        self.point("after-commit", || format!("release {}", leaving.function));
        Ok(Committed { seq: None, stamp: leaving.stamp })
    }

    /// Ends a claim whose log has a fence. A sweep that set out when another worker owned the execution may have put it
    /// there late, and takes nothing back from this one: what is still this owner's is nobody's from now on.
    pub(super) fn let_go(self: &Arc<Self>, id: &ExecutionId, epoch: Epoch) {
        let Some(worker) = self.claims.with(id, epoch, |claim| claim.worker.clone()) else { return };
        self.claims.end(id, epoch);
        let (shared, id) = (self.clone(), id.clone());
        drop(self.runtime.spawn(async move {
            let mine = doc! { "_id": &*id.0, "owner": &*worker.0, "epoch": epoch.0 as i64, "status": OPEN };
            let mut set = due_now(Stamp::now());
            set.extend(doc! { "owner": "$$REMOVE", "mail": "$$REMOVE" });
            let free = || {
                let update = vec![doc! { "$set": set.clone() }];
                shared.command(shared.tables.executions.update_one(mine.clone(), update))
            };
            if shared.persist(free).await.is_some_and(|freed| freed.matched_count > 0) {
                shared.bump();
            }
        }));
    }

    /// Ends a claim; the execution waits until `resume`, another build, or a cancellation that is there already.
    pub(super) async fn park(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        reason: &[u8],
        until_build: Option<u64>,
    ) -> Result<Committed, Refused> {
        let Some(leaving) = self.leaving(id, epoch) else { return Err(Refused::Fenced) };
        self.point("before-commit", || format!("park {}", leaving.function));
        let reason = self.persist(|| self.spill(id, reason.to_vec())).await.ok_or(Refused::Closed)?;
        let cancelled = |yes: Bson, no: Bson| doc! { "$cond": [{ "$eq": ["$cancel", true] }, yes, no] };
        let set = doc! {
            "owner": "$$REMOVE",
            "mail": "$$REMOVE",
            "status": cancelled(OPEN.into(), PARKED.into()),
            "due": cancelled(leaving.stamp.0.into(), "$$REMOVE".into()),
            "queue": cancelled("$code".into(), "$$REMOVE".into()),
            "reason": { "$literal": reason },
            "until_build": until_build.map_or(Bson::from("$$REMOVE"), |build| Bson::from(build as i64)),
            "left": epoch.0 as i64,
        };
        self.leave_with(id, epoch, &leaving, set).await?;
        self.point("after-commit", || format!("park {}", leaving.function));
        Ok(Committed { seq: None, stamp: leaving.stamp })
    }

    async fn leave_with(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        leaving: &Leaving,
        set: Document,
    ) -> Result<(), Refused> {
        let applied = self
            .persist(|| async {
                let mine = doc! { "_id": &*id.0, "owner": &*leaving.worker.0, "epoch": epoch.0 as i64 };
                let update = vec![doc! { "$set": set.clone() }];
                if self.command(self.tables.executions.update_one(mine, update)).await?.matched_count > 0 {
                    return Ok(true);
                }
                let found = self.execution(id, doc! { "left": 1 }).await?;
                Ok(found.is_some_and(|found| found.left() == epoch.0 as i64))
            })
            .await
            .ok_or(Refused::Closed)?;
        if !applied {
            return Err(Refused::Fenced);
        }
        self.claims.end(id, epoch);
        self.bump();
        Ok(())
    }
}
