//! What people and callers are shown.

use bson::{Bson, Document, doc};

use super::claim::codes;
use super::executions::{Execution, code, due_now, not_there, parked};
use super::failure::{Failure, Fault};
use super::schema::{DUE, OPEN, PARKED};
use super::shared::Shared;
use crate::error::{Error, ErrorKind};
use crate::store::{ClaimRequest, Details, Ends, ExecutionId, Filter, Stamp, Summary, Wakeups};

/// Executions that are asked for by one query.
const AT_ONCE: usize = 1000;

/// The condition that is a status's word.
fn status_condition(word: &str, now: Stamp) -> Result<Document, Error> {
    Ok(match word {
        "running" => doc! { "status": OPEN, "owner": { "$exists": true } },
        "ready" => doc! { "status": OPEN, "owner": { "$exists": false }, "due": { "$lte": now.0 } },
        "waiting" => doc! {
            "status": OPEN, "owner": { "$exists": false },
            "$or": [{ "due": { "$exists": false } }, { "due": { "$gt": now.0 } }],
        },
        "succeeded" => doc! { "status": 1 },
        "failed" => doc! { "status": 2 },
        "cancelled" => doc! { "status": 3 },
        "parked" => doc! { "status": PARKED },
        _ => {
            return Err(Error::of(
                ErrorKind::Invalid,
                format!("{word} is no status: it is running, ready, waiting, parked, succeeded, failed or cancelled"),
            ));
        }
    })
}

impl Shared {
    /// A page of executions, newest first.
    pub(super) async fn list(&self, filter: &Filter) -> Result<Vec<Summary>, Fault> {
        let now = Stamp::now();
        let mut all = vec![doc! { "created": { "$gte": i64::MIN } }];
        if let Some(word) = &filter.status {
            all.push(status_condition(word, now)?);
        }
        if let Some(function) = &filter.function {
            all.push(doc! { "function": function });
        }
        if let Some(parent) = &filter.parent {
            all.push(doc! { "parent": &*parent.0 });
        }
        if let Some(id) = &filter.before {
            let found = self.execution(id, doc! { "created": 1 }).await?;
            let created = found.and_then(|found| found.0.get_i64("created").ok());
            let created = created.ok_or_else(|| not_there(id, false))?;
            all.push(doc! { "$or": [
                { "created": { "$lt": created } }, { "created": created, "_id": { "$lt": &*id.0 } },
            ] });
        }
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let find = self.tables.executions.find(doc! { "$and": all }).sort(doc! { "created": -1, "_id": -1 });
        let find = find.projection(doc! { "arguments": 0, "value": 0, "watchers": 0 }).limit(limit);
        let cursor = self.command(find).await?;
        let found = self.gather(cursor).await?;
        let page: Result<_, Failure> = found.into_iter().map(|found| Execution(found).summary(now)).collect();
        Ok(page?)
    }

    /// One execution whole.
    pub(super) async fn details(&self, id: &ExecutionId) -> Result<Option<Details>, Failure> {
        // The execution first: an end that is seen has all its rows.
        let Some(mut found) = self.execution(id, doc! {}).await?.filter(|found| !found.is_tombstone()) else {
            return Ok(None);
        };
        let log = self.logs(std::slice::from_ref(id)).await?.remove(id).unwrap_or_default();
        let (attempts, inbox) = if found.is_open() {
            let mut inbox = self.messages(id).await?;
            inbox.retain(|message| !log.moved.contains(&message.id));
            (log.attempts, inbox)
        } else {
            // What is left of both means nothing any more.
            (Vec::new(), Vec::new())
        };
        Ok(Some(Details {
            summary: found.summary(Stamp::now())?,
            arguments: found.arguments(),
            finished: found.finished()?,
            record: log.record,
            attempts: attempts.into_iter().map(|(_, attempt)| attempt).collect(),
            inbox,
        }))
    }

    /// Those that have ended, are parked, or don't exist. An end counts once its watchers have been told.
    pub(super) async fn finished(&self, ids: &[ExecutionId]) -> Result<Ends, Failure> {
        self.interests.in_ends();
        let mut ends = Ends::new();
        for some in ids.chunks(AT_ONCE) {
            let among: Vec<Bson> = some.iter().map(|id| Bson::from(&*id.0)).collect();
            let fields = doc! { "status": 1, "outcome": 1, "value": 1, "reason": 1, "tell": 1 };
            let find = self.tables.executions.find(doc! { "_id": { "$in": among } }).projection(fields);
            let cursor = self.command(find).await?;
            let mut found = crate::hashing::FastMap::default();
            for document in self.gather(cursor).await? {
                let execution = Execution(document);
                found.insert(execution.id()?, execution);
            }
            for id in some {
                let end = match found.get_mut(id) {
                    None => Err(not_there(id, false)),
                    Some(found) if found.is_tombstone() => Err(not_there(id, true)),
                    Some(found) if found.status() == PARKED => Err(parked(id, found.reason())),
                    Some(found) if found.tells() => continue,
                    Some(found) => match found.finished()? {
                        Some(finished) => Ok(finished),
                        None => continue,
                    },
                };
                ends.push((id.clone(), end));
            }
        }
        Ok(ends)
    }

    /// Open children.
    pub(super) async fn children(&self, parent: &ExecutionId) -> Result<Vec<ExecutionId>, Failure> {
        let open = doc! { "parent": &*parent.0, "status": { "$in": [OPEN, PARKED] } };
        let find =
            self.tables.executions.find(open).sort(doc! { "created": 1, "_id": 1 }).projection(doc! { "_id": 1 });
        let cursor = self.command(find).await?;
        self.gather(cursor).await?.into_iter().map(|found| Execution(found).id()).collect()
    }

    /// What concerns a worker.
    pub(super) async fn wakeups(&self, request: &ClaimRequest) -> Result<Wakeups, Failure> {
        self.interests.in_due(request.functions.iter().map(|(function, version)| code(function, *version)));
        let mine = doc! { "owner": &*request.worker.0, "mail": true };
        let arrived = async {
            let cursor = self.command(self.tables.executions.find(mine).projection(doc! { "_id": 1 })).await?;
            let found = self.gather(cursor).await?;
            found.into_iter().map(|found| Execution(found).id()).collect::<Result<Vec<_>, _>>()
        };
        let now = Stamp::now();
        let due = async {
            let first = self.first_due(request, i64::MIN).await?;
            match first {
                Some(first) if first <= now => Ok((true, self.first_due(request, now.0).await?)),
                first => Ok((false, first)),
            }
        };
        let (arrived, due) = tokio::join!(arrived, due);
        let (due, next) = due?;
        // A stream that is open tells of what comes; a look makes up for an event that got lost.
        let again = if self.interests.are_followed() { self.options.poll * 5 } else { self.options.poll };
        Ok(Wakeups { arrived: arrived?, due, next, again })
    }

    /// When the first is due after a moment that a worker could claim.
    async fn first_due(&self, request: &ClaimRequest, after: i64) -> Result<Option<Stamp>, Failure> {
        if request.functions.is_empty() {
            return Ok(None);
        }
        let due = doc! { "queue": codes(request), "due": { "$gt": after } };
        let find = self.tables.executions.find_one(due).sort(doc! { "due": 1 }).projection(doc! { "_id": 0, "due": 1 });
        let found = self.command(find.hint(mongodb::options::Hint::Name(DUE.into()))).await?;
        Ok(found.and_then(|found| found.get_i64("due").ok()).map(Stamp))
    }

    /// Makes a parked or waiting execution due. Deaths of workers are counted afresh: someone has seen to it.
    pub(super) async fn resume(&self, id: &ExecutionId) -> Result<bool, Fault> {
        self.point("before-commit", || "resume".to_owned());
        let waits = doc! { "_id": &*id.0, "owner": { "$exists": false }, "status": { "$in": [OPEN, PARKED] } };
        let mut set = due_now(Stamp::now());
        set.extend(doc! { "status": OPEN, "reason": "$$REMOVE", "until_build": "$$REMOVE", "calm": "$epoch" });
        let changed = self.command(self.tables.executions.update_one(waits, vec![doc! { "$set": set }])).await?;
        if changed.matched_count == 0 {
            match self.execution(id, doc! { "status": 1 }).await? {
                None => return Err(not_there(id, false).into()),
                Some(found) if found.is_tombstone() => return Err(not_there(id, true).into()),
                Some(_) => return Ok(false),
            }
        }
        self.bump();
        self.point("after-commit", || "resume".to_owned());
        Ok(true)
    }
}
