//! Creations: those that wait together go as one insert. Of an id that is taken, what stands there says whether it is
//! the same call, or this very creation whose reply was lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::{Bson, Document, doc};
use mongodb::error::ErrorKind as DriverKind;
use tokio::sync::oneshot;

use super::claims::Claim;
use super::executions::{code, watcher};
use super::failure::{DUPLICATE_KEY, Failure};
use super::handover::Handover;
use super::random;
use super::schema::{OPEN, PARKED, binary};
use super::shared::{Pause, Shared, closed};
use crate::error::{Error, Result};
use crate::store::{Asker, Claimed, Created, Epoch, NewExecution, Slot, Stamp, WorkerId};

/// The most creations of one insert, and the inserts under way at once.
const MOST: usize = 500;
const MOST_BYTES: usize = 12 << 20;
const FLIGHTS: usize = 2;

/// A call on its way.
pub(super) struct Creation {
    new: NewExecution,
    /// Which creation it is.
    token: String,
    reply: Reply,
    /// It has been sent, and may be there.
    sent: bool,
}

enum Reply {
    Asker(Arc<dyn Asker>),
    Caller(oneshot::Sender<Result<Handover<Created>>>),
}

/// Creations that wait.
#[derive(Default)]
pub(super) struct Creations(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    creations: Vec<Creation>,
    flights: usize,
}

impl Creations {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Creation {
    /// For a caller that waits for the word.
    pub(super) fn asked(new: NewExecution) -> Result<(Self, oneshot::Receiver<Result<Handover<Created>>>)> {
        let token = token().map_err(|failure| failure.error("MongoDB"))?;
        let (reply, answer) = oneshot::channel();
        Ok((Self { new, token, reply: Reply::Caller(reply), sent: false }, answer))
    }

    /// For a caller that needn't be woken.
    pub(super) fn followed(new: NewExecution, asker: Arc<dyn Asker>) -> Result<Self, (Arc<dyn Asker>, Error)> {
        match token() {
            Ok(token) => Ok(Self { new, token, reply: Reply::Asker(asker), sent: false }),
            Err(failure) => Err((asker, failure.error("MongoDB"))),
        }
    }

    /// Nobody waits, and nothing of it can be there.
    fn is_abandoned(&self) -> bool {
        let gone = match &self.reply {
            Reply::Asker(asker) => asker.has_gone(),
            Reply::Caller(reply) => reply.is_closed(),
        };
        gone && !self.sent
    }

    fn refuse(self, error: Error) {
        match self.reply {
            Reply::Asker(asker) => asker.created(Err(error)),
            Reply::Caller(reply) => drop(reply.send(Err(error))),
        }
    }

    fn size(&self) -> usize {
        self.new.arguments.len() + 1024
    }
}

fn token() -> Result<String, Failure> {
    Ok(crate::digest::hex(&random::<12>()?))
}

/// What an insert says of each of its creations.
enum Said {
    New,
    Taken,
    Unknown(Failure),
}

impl Shared {
    /// Takes a creation.
    pub(super) fn create(self: &Arc<Self>, creation: Creation) {
        if self.is_closed() {
            return creation.refuse(closed());
        }
        if let Err(error) = self.check_not_replaced() {
            return creation.refuse(error);
        }
        self.creations.lock().creations.push(creation);
        self.take_off();
    }

    /// Sets off with what waits, if not too many are under way.
    fn take_off(self: &Arc<Self>) {
        let mut waiting = self.creations.lock();
        while waiting.flights < FLIGHTS && !waiting.creations.is_empty() {
            let mut bytes = 0;
            let fitting = waiting.creations.iter().take(MOST).take_while(|creation| {
                bytes += creation.size();
                bytes <= MOST_BYTES
            });
            let count = fitting.count().max(1);
            let some: Vec<_> = waiting.creations.drain(..count).collect();
            waiting.flights += 1;
            let shared = self.clone();
            drop(self.runtime.spawn(async move {
                shared.fly(some).await;
                shared.creations.lock().flights -= 1;
                shared.take_off();
            }));
        }
    }

    async fn fly(self: &Arc<Self>, mut creations: Vec<Creation>) {
        let mut pause = Pause::new();
        loop {
            creations.retain(|creation| !creation.is_abandoned());
            if creations.is_empty() {
                return;
            }
            let now = Stamp::now();
            let failure = match self.insert_all(&mut creations, now).await {
                Ok(said) => self.land(&mut creations, said, now).await,
                Err(failure) => Some(failure),
            };
            let Some(failure) = failure else { return };
            if failure.is_final() || !pause.after(self, &failure).await {
                creations.drain(..).for_each(|creation| creation.refuse(failure.error(&self.name)));
            }
        }
    }

    async fn insert_all(&self, creations: &mut [Creation], now: Stamp) -> Result<Vec<Said>, Failure> {
        let mut documents = Vec::with_capacity(creations.len());
        for creation in &mut *creations {
            self.point("before-commit", || format!("create {}", creation.new.function));
            documents.push(self.new_document(creation, now).await?);
            creation.sent = true;
        }
        let insert = self.tables.executions.insert_many(documents).ordered(false);
        let all = |said: fn() -> Said| creations.iter().map(|_| said()).collect::<Vec<_>>();
        let Err(error) = self.driven(insert).await? else { return Ok(all(|| Said::New)) };
        let failure = Failure::of(&error, &self.redaction);
        match &*error.kind {
            DriverKind::InsertMany(failed) if failed.write_concern_error.is_none() => {
                let mut said = all(|| Said::New);
                for error in failed.write_errors.iter().flatten() {
                    if let Some(said) = said.get_mut(error.index) {
                        let taken = error.code == DUPLICATE_KEY;
                        *said = if taken { Said::Taken } else { Said::Unknown(failure.clone()) };
                    }
                }
                Ok(said)
            }
            _ => Err(failure),
        }
    }

    /// Answers what is known; leaves the rest, with why it isn't.
    async fn land(self: &Arc<Self>, creations: &mut Vec<Creation>, said: Vec<Said>, now: Stamp) -> Option<Failure> {
        let mut left = Vec::new();
        let mut why = None;
        let mut news = false;
        for (creation, said) in creations.drain(..).zip(said) {
            let created = match said {
                Said::New => Ok(self.created(&creation, now)),
                Said::Taken => self.standing(&creation).await,
                Said::Unknown(failure) => Err(failure),
            };
            match created {
                Ok(created) => {
                    news |= matches!(created, Created::New(None));
                    self.answer(creation, created);
                }
                Err(failure) => {
                    why = Some(failure);
                    left.push(creation);
                }
            }
        }
        if news {
            self.bump();
        }
        *creations = left;
        why
    }

    fn answer(self: &Arc<Self>, creation: Creation, created: Created) {
        self.point("after-commit", || format!("create {}", creation.new.function));
        match creation.reply {
            Reply::Asker(asker) => {
                if crate::panics::caught(|| asker.created(Ok(created))).is_err() {
                    tracing::error!("a caller panicked when it was told of its creation");
                }
            }
            Reply::Caller(reply) => {
                let claims = match &created {
                    Created::New(Some(claimed)) => vec![(claimed.id.clone(), claimed.epoch)],
                    Created::New(None)
                    | Created::Exists
                    | Created::Ended(_)
                    | Created::Mismatch { .. }
                    | Created::Expired(_) => Vec::new(),
                };
                let handover = Handover { value: Some(created), claims, shared: self.clone() };
                drop(reply.send(Ok(handover)));
            }
        }
    }

    /// Who takes it at once: only what is due, and only a worker of this handle that stands.
    fn taker(&self, new: &NewExecution, now: Stamp) -> Option<WorkerId> {
        let due = new.not_before.is_none_or(|start| start <= now);
        new.claim_for.clone().filter(|worker| due && self.claims.stands(worker))
    }

    async fn new_document(&self, creation: &Creation, now: Stamp) -> Result<Document, Failure> {
        let new = &creation.new;
        let code = code(&new.function, new.version);
        let mut document = doc! {
            "_id": &*new.id.0,
            "function": &*new.function,
            "version": i64::from(new.version),
            "code": &*code,
            "arguments": self.spill(&new.id, new.arguments.clone()).await?,
            "digest": binary(new.digest.0.to_vec()),
            "status": OPEN,
            "epoch": 0_i64,
            "created": now.0,
            "seed": new.seed as i64,
            "posts": 0_i64,
            "made": &*creation.token,
        };
        if let Some(worker) = self.taker(new, now) {
            document.extend(doc! { "owner": &*worker.0, "epoch": 1_i64, "started": now.0 });
        } else {
            let due = new.not_before.map_or(now, |start| start.max(now));
            document.extend(doc! { "queue": code, "due": due.0 });
        }
        if let Some(deadline) = deadline(new, now) {
            document.insert("deadline", deadline.0);
        }
        if let Some(parent) = &new.parent {
            document.insert("parent", &*parent.0);
        }
        if let Some(told) = &new.watcher {
            document.insert("watchers", Bson::Array(vec![watcher(told).into()]));
        }
        Ok(document)
    }

    /// It is new, and claimed if it was to be.
    fn created(&self, creation: &Creation, now: Stamp) -> Created {
        match self.taker(&creation.new, now) {
            Some(worker) => Created::New(Some(Box::new(self.own(creation, worker, now, deadline(&creation.new, now))))),
            None => Created::New(None),
        }
    }

    fn own(&self, creation: &Creation, worker: WorkerId, started: Stamp, deadline: Option<Stamp>) -> Claimed {
        let new = &creation.new;
        self.claims.set(&new.id, Claim::first(worker, code(&new.function, new.version).into(), started));
        Claimed {
            id: new.id.clone(),
            epoch: Epoch(1),
            slot: Slot::default(),
            function: new.function.clone(),
            version: new.version,
            arguments: new.arguments.clone(),
            seed: new.seed,
            started,
            deadline,
            parked: None,
            crashes: 0,
            record: Vec::new(),
            attempts: Vec::new(),
            inbox: Vec::new(),
        }
    }

    /// What stands under an id that is taken.
    async fn standing(self: &Arc<Self>, creation: &Creation) -> Result<Created, Failure> {
        let new = &creation.new;
        loop {
            let fields = doc! { "watchers": 0, "arguments": 0 };
            let Some(mut found) = self.execution(&new.id, fields).await? else {
                return Err(Failure::Unreachable("a write isn't on most members yet".into()));
            };
            if found.made() == creation.token {
                return Ok(self.found_again(creation, &found));
            }
            let same = found.digest()? == new.digest;
            if found.is_tombstone() {
                return Ok(Created::Expired(same));
            }
            if !same {
                return Ok(Created::Mismatch { function: (&*found.function()?).into() });
            }
            match (found.finished()?, &new.watcher) {
                (Some(finished), watcher) => {
                    if let Some(watcher) = watcher {
                        self.announce(&new.id, watcher, finished.clone()).await?;
                    }
                    return Ok(Created::Ended(finished));
                }
                (None, None) => return Ok(Created::Exists),
                (None, Some(told)) => {
                    let open = doc! { "_id": &*new.id.0, "status": { "$in": [OPEN, PARKED] } };
                    let add = doc! { "$addToSet": { "watchers": watcher(told) } };
                    if self.command(self.tables.executions.update_one(open, add)).await?.matched_count > 0 {
                        return Ok(Created::Exists);
                    }
                    // It has ended just now.
                }
            }
        }
    }

    /// It is this very creation: the reply of an earlier try was lost.
    fn found_again(&self, creation: &Creation, found: &super::executions::Execution) -> Created {
        let worker = creation.new.claim_for.clone();
        let worker = worker.filter(|worker| found.epoch() == Epoch(1) && found.owner() == Some(&*worker.0));
        match (worker, found.started()) {
            (Some(worker), Some(started)) if self.claims.stands(&worker) => {
                Created::New(Some(Box::new(self.own(creation, worker, started, found.deadline()))))
            }
            _ => Created::New(None),
        }
    }
}

/// The absolute deadline.
fn deadline(new: &NewExecution, now: Stamp) -> Option<Stamp> {
    new.timeout.map(|timeout| new.not_before.map_or(now, |start| start.max(now)).after(timeout))
}
