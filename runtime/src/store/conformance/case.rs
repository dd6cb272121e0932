//! What the checks have in common: a store, a worker, an owner that notes what it is told; and the sweep after each check.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};

use super::Stores;
use crate::data::models::UpdateModifications;
use crate::data::operation::{Query, Target, Verb, Write as DataWrite};
use crate::data::{Operation, Reply};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    ClaimRequest, Claimed, Committed, Created, Details, Digest, End, Epoch, ExecutionId, Filter, Finished, Key, Kind,
    Message, MessageBody, NewExecution, Outcome, Owner, Refused, RowKind, Status, Store, Submission, Value, Watcher,
    WorkerId, Write,
};

/// The function of most checks.
pub(crate) const FUNCTION: &str = "checkout";

/// A store with a worker.
pub(crate) struct Case {
    pub(crate) stores: Arc<dyn Stores>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) worker: WorkerId,
}

/// Gives up after a while, with what was waited for.
pub(crate) async fn eventually<F: Future<Output = Result<bool>>>(
    what: &str,
    mut holds: impl FnMut() -> F,
) -> Result<()> {
    for _ in 0..1000 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Error::new(format!("waited in vain: {what}")))
}

pub(crate) fn id(text: &str) -> ExecutionId {
    ExecutionId(text.into())
}

/// A call whose digest is made of `arguments`.
pub(crate) fn call(name: &str, arguments: u8) -> NewExecution {
    NewExecution {
        id: id(name),
        function: FUNCTION.into(),
        version: 1,
        arguments: vec![arguments; 3],
        digest: Digest([arguments; 16]),
        not_before: None,
        timeout: None,
        parent: None,
        watcher: None,
        seed: u64::MAX - u64::from(arguments),
        claim_for: None,
    }
}

pub(crate) fn key(name: &str, ordinal: u32) -> Key {
    Key { name: name.to_owned().into(), digest: Digest([7; 16]), ordinal }
}

pub(crate) fn outcome(name: &str, ordinal: u32, value: Value) -> RowKind {
    RowKind::Outcome(Outcome {
        kind: Kind::Step,
        key: key(name, ordinal),
        name_ordinal: ordinal,
        arguments: vec![1, 2],
        value,
        attempts: 1,
        build: u64::MAX,
    })
}

/// A row of a step that gave `value`.
pub(crate) fn step(name: &str, value: u8) -> Write {
    Write::Row { row: outcome(name, 0, Value::Ok(vec![value])), from: None }
}

pub(crate) fn succeeded(value: u8) -> Finished {
    Finished { end: End::Succeeded, value: Value::Ok(vec![value]) }
}

pub(crate) fn signal(message: &str, name: &str) -> Message {
    Message {
        id: message.into(),
        body: MessageBody::Signal { name: name.into(), payload: message.as_bytes().to_vec() },
    }
}

pub(crate) fn cancel(message: &str) -> Message {
    Message { id: message.into(), body: MessageBody::Cancel { reason: "no more".into() } }
}

pub(crate) fn watcher(execution: &str, message: &str) -> Watcher {
    Watcher { execution: id(execution), message: message.into() }
}

/// An owner that notes what it is told, in order.
#[derive(Default)]
pub(crate) struct Ledger {
    told: Mutex<Vec<(u64, Result<Committed, Refused>)>>,
    news: tokio::sync::Notify,
}

impl Owner for Ledger {
    fn committed(self: Arc<Self>, ticket: u64, _: Write, result: Result<Committed, Refused>) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((ticket, result));
        self.news.notify_waiters();
    }
}

impl Ledger {
    /// Waits until it was told so often, in the order of the tickets.
    pub(crate) async fn told(&self, times: usize) -> Vec<(u64, Result<Committed, Refused>)> {
        loop {
            let news = self.news.notified();
            {
                let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.len() >= times {
                    return told.clone();
                }
            }
            news.await;
        }
    }

    pub(crate) fn so_far(&self) -> usize {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A write under a claim.
pub(in crate::store) fn submission(claimed: &Claimed, write: Write, owner: Arc<dyn Owner>, ticket: u64) -> Submission {
    let (execution, epoch, slot) = (claimed.id.clone(), claimed.epoch, claimed.slot);
    Submission { execution, epoch, slot, write, owner, ticket }
}

/// Submits a write and waits for the word.
pub(crate) async fn write(store: &Arc<dyn Store>, claimed: &Claimed, write: Write) -> Result<Committed, Refused> {
    static TICKETS: AtomicU64 = AtomicU64::new(1);
    let (ledger, ticket) = (Arc::new(Ledger::default()), TICKETS.fetch_add(1, Ordering::Relaxed));
    store.submit(submission(claimed, write, ledger.clone(), ticket));
    let told = ledger.told(1).await;
    assert_eq!(told.len(), 1, "an owner is told once");
    assert_eq!(told[0].0, ticket, "by the number that it gave");
    told[0].1
}

/// A worker's request for all of [`FUNCTION`].
pub(crate) fn request(worker: &WorkerId, limit: usize) -> ClaimRequest {
    ClaimRequest { worker: worker.clone(), functions: [(FUNCTION.into(), 1)].into(), limit }
}

/// Claims the one execution that is due.
pub(crate) async fn claim_one(store: &Arc<dyn Store>, worker: &WorkerId) -> Result<Claimed> {
    let mut claimed = store.claim(request(worker, 10)).await?;
    assert_eq!(claimed.len(), 1, "one execution is due: {claimed:?}");
    claimed.pop().ok_or_else(|| Error::new("nothing was claimed"))
}

impl Case {
    pub(crate) async fn new(stores: Arc<dyn Stores>) -> Result<Self> {
        let store = stores.fresh().await?;
        let worker = store.register(1).await?;
        Ok(Self { stores, store, worker })
    }

    /// Another handle with a worker of its own.
    pub(crate) async fn second(&self) -> Result<Self> {
        let store = self.stores.second(self.store.clone()).await?;
        let worker = store.register(1).await?;
        Ok(Self { stores: self.stores.clone(), store, worker })
    }

    /// Creates an execution that the worker owns.
    pub(crate) async fn owned(&self, name: &str) -> Result<Claimed> {
        self.owned_call(call(name, 1)).await
    }

    pub(crate) async fn owned_call(&self, call: NewExecution) -> Result<Claimed> {
        let new = NewExecution { claim_for: Some(self.worker.clone()), ..call };
        match self.store.create(new).await? {
            Created::New(Some(claimed)) => Ok(*claimed),
            other => Err(Error::new(format!("not created and claimed: {other:?}"))),
        }
    }

    pub(crate) async fn write(&self, claimed: &Claimed, what: Write) -> Result<Committed, Refused> {
        write(&self.store, claimed, what).await
    }

    /// A write that must be kept.
    pub(crate) async fn must(&self, claimed: &Claimed, what: Write) -> Result<Committed> {
        self.write(claimed, what).await.map_err(|refused| Error::new(format!("refused: {refused:?}")))
    }

    pub(crate) async fn claim(&self) -> Result<Claimed> {
        claim_one(&self.store, &self.worker).await
    }

    pub(crate) async fn claims_nothing(&self) -> Result<()> {
        let claimed = self.store.claim(request(&self.worker, 10)).await?;
        assert!(claimed.is_empty(), "nothing should be due: {claimed:?}");
        Ok(())
    }

    pub(crate) async fn details(&self, name: &str) -> Result<Details> {
        let details = self.store.details(id(name)).await?;
        details.ok_or_else(|| Error::of(ErrorKind::NotFound, format!("{name} is gone")))
    }

    pub(crate) async fn insert(&self, collection: &str, document: Document) -> Result<Reply> {
        self.store.data(insert(collection, document)?).await
    }

    /// The documents that match, in order of `_id`.
    pub(crate) async fn find(&self, collection: &str, filter: Document) -> Result<Vec<Document>> {
        let reply = self.store.data(find(collection, filter)).await?;
        all(reply).await?.into_iter().map(|body| Document::try_from(body).map_err(Error::from)).collect()
    }
}

/// All documents of a reply, however it brings them.
pub(crate) async fn all(reply: Reply) -> Result<Vec<RawDocumentBuf>> {
    match reply {
        Reply::Documents(found) => Ok(found),
        Reply::Rows(mut rows) => {
            let mut all = Vec::new();
            loop {
                let next = rows.next().await?;
                if next.is_empty() {
                    return Ok(all);
                }
                all.extend(next);
            }
        }
        other => Err(Error::new(format!("not documents: {other:?}"))),
    }
}

fn operation(collection: &str, verb: Verb) -> Operation {
    Operation { collection: collection.into(), verb, comment: None, bypass_validation: false }
}

pub(crate) fn insert(collection: &str, document: Document) -> Result<Operation> {
    let documents = vec![RawDocumentBuf::try_from(document)?];
    Ok(operation(collection, Verb::Insert { documents, ordered: true, single: true }))
}

pub(crate) fn find(collection: &str, filter: Document) -> Operation {
    operation(collection, Verb::Find(Query { filter, sort: Some(doc! { "_id": 1 }), ..Query::default() }))
}

fn first(filter: Document) -> Target {
    Target { filter, sort: Some(doc! { "_id": 1 }), ..Target::default() }
}

/// A change of the first match in order of `_id`.
pub(crate) fn update(collection: &str, filter: Document, update: Document) -> Operation {
    let (target, update) = (first(filter), UpdateModifications::Document(update));
    let write = DataWrite::Update { target, update, array_filters: Vec::new(), many: false, upsert: false };
    operation(collection, Verb::Write(write))
}

/// The removal of the only match.
pub(crate) fn remove(collection: &str, filter: Document) -> Operation {
    let target = Target { filter, ..Target::default() };
    operation(collection, Verb::Write(DataWrite::Delete { target, many: false }))
}

/// The invariants, over every execution of a store.
pub(crate) async fn sound(store: &dyn Store) -> Result<()> {
    let all = store.list(Filter { limit: 100_000, ..Filter::default() }).await;
    let all = match all {
        Err(error) if error.kind() == ErrorKind::Unavailable => return Ok(()), // the check closed it
        all => all?,
    };
    for summary in all {
        let Some(details) = store.details(summary.id).await? else { continue };
        check_record(&details);
        check_state(&details);
    }
    Ok(())
}

fn check_record(details: &Details) {
    let name = &details.summary.id;
    let mut last = details.summary.started;
    for (place, row) in details.record.iter().enumerate() {
        assert_eq!(row.seq, place as u64, "{name}: a gap in the record");
        assert!(last.is_none_or(|last| last <= row.stamp), "{name}: the stamp of row {place} falls");
        last = Some(row.stamp);
        if let RowKind::Outcome(outcome) = &row.kind {
            assert!(
                details.attempts.iter().all(|attempt| attempt.key != outcome.key),
                "{name}: attempts with an outcome"
            );
        }
    }
    if let (Some(last), Some(ended)) = (last, details.summary.ended) {
        assert!(last <= ended, "{name}: it ended before its last row");
    }
}

fn check_state(details: &Details) {
    let (summary, name) = (&details.summary, &details.summary.id);
    assert_eq!(summary.started.is_some(), summary.epoch > Epoch(0), "{name}: started is claimed");
    assert!(summary.started.is_none_or(|started| summary.created <= started), "{name}: started before it was created");
    let mut ids: Vec<_> = details.inbox.iter().map(|message| &message.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), details.inbox.len(), "{name}: a message is in the inbox twice");
    assert_eq!(summary.status == Status::Running, summary.owner.is_some(), "{name}: running is owned");
    assert_eq!(summary.status == Status::Parked, summary.reason.is_some(), "{name}: parked has a reason");
    let ended = matches!(summary.status, Status::Ended(_));
    assert_eq!(ended, details.finished.is_some(), "{name}: ended has an end");
    assert_eq!(ended, summary.ended.is_some(), "{name}: ended has a time");
    if ended {
        assert!(details.inbox.is_empty(), "{name}: ended, and has messages");
        assert!(details.attempts.is_empty(), "{name}: ended, and has attempts");
    }
    if let Some(finished) = &details.finished {
        assert_eq!(summary.status, Status::Ended(finished.end), "{name}: its end is its status");
    }
}
