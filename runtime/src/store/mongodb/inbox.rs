//! What others send: into the inbox by an id of its own, then the execution is told; from there into the record by its
//! owner, and only then out of the inbox. Of a message that was taken its id stays, so that it is never taken again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bson::{Bson, Document, doc};

use super::blobs::SPILLED;
use super::entries::{outcome_number, value_of};
use super::executions::{Execution, not_there};
use super::failure::{Failure, Fault};
use super::schema::{OPEN, PARKED, binary};
use super::shared::Shared;
use super::{bytes, keyed, random, text, unknown};
use crate::error::{Error, ErrorKind};
use crate::store::{
    Committed, End, Epoch, ExecutionId, Finished, MAX_INBOX, MAX_ROWS_FOR_SIGNALS, Message, MessageBody, Refused,
    RowKind, Stamp, Watcher,
};

const SIGNAL: i32 = 1;
const CANCEL: i32 = 2;
const ENDED: i32 = 3;

/// `state` of a message that waits.
pub(super) const WAITING: i32 = 0;
/// `state` of one that was taken: nothing else is left of it.
pub(super) const TAKEN: i32 = 1;

/// A message on its way; tried again, it is known by its token.
pub(super) struct Posting {
    pub(super) message: Message,
    pub(super) token: String,
    /// Tells apart what one sender sends within a millisecond.
    order: i64,
}

impl Posting {
    pub(super) fn new(message: Message) -> Result<Self, Failure> {
        static LAST: AtomicI64 = AtomicI64::new(0);
        LAST.fetch_max(Stamp::now().0.saturating_mul(1000), Ordering::Relaxed);
        let order = LAST.fetch_add(1, Ordering::Relaxed);
        Ok(Self { message, token: crate::digest::hex(&random::<8>()?), order })
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let payload = match &self.message.body {
            MessageBody::Signal { payload, .. } => payload.len(),
            MessageBody::Cancel { reason } => reason.len(),
            MessageBody::Ended { finished, .. } => finished.value.bytes().len(),
        };
        payload.min(SPILLED) + 512
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    /// It is in the inbox.
    Taken,
    /// It was there before, or in the record, or the execution has ended.
    Refused,
    /// There is no such execution; perhaps there was one.
    Nowhere { tombstone: bool },
    /// The inbox takes no more.
    Full,
}

/// What an inbox says to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in.
    New,
    /// It was there, and may not have been told of.
    Waits,
    /// It was there, and is in the record.
    Taken,
}

impl Put {
    /// What its sender hears, once the execution knows.
    pub(super) fn posted(self) -> Posted {
        if self == Self::New { Posted::Taken } else { Posted::Refused }
    }
}

impl Shared {
    /// Puts a message into an inbox for someone outside.
    pub(super) async fn post_from_outside(
        self: &Arc<Self>,
        to: &ExecutionId,
        posting: &Arc<Posting>,
    ) -> Result<bool, Fault> {
        let label = || match &posting.message.body {
            MessageBody::Signal { name, .. } => format!("inbox signal {name}"),
            MessageBody::Cancel { .. } => "inbox cancel".to_owned(),
            MessageBody::Ended { .. } => "inbox ended".to_owned(),
        };
        self.point("before-commit", label);
        let posted = self.post(to, posting).await?;
        self.point("after-commit", label);
        match posted {
            Posted::Taken => Ok(true),
            Posted::Refused => Ok(false),
            Posted::Nowhere { tombstone } => Err(not_there(to, tombstone).into()),
            Posted::Full => {
                let text =
                    format!("execution {to} has more signals than it takes: {MAX_INBOX} wait, or its record is full");
                Err(Error::of(ErrorKind::TooLarge, text).with_execution(to).into())
            }
        }
    }

    /// Tells a watcher of an end. One that has ended itself, or is gone, needn't know.
    pub(super) async fn deliver(self: &Arc<Self>, to: &ExecutionId, message: &Message) -> Result<(), Failure> {
        self.post(to, &Arc::new(Posting::new(message.clone())?)).await.map(drop)
    }

    /// A message is in an inbox whose execution couldn't be told: it isn't there, has ended, or has had many.
    pub(super) async fn settle_alone(&self, to: &ExecutionId, posting: &Posting, put: Put) -> Result<Posted, Failure> {
        let cancels = matches!(posting.message.body, MessageBody::Cancel { .. });
        let signals = matches!(posting.message.body, MessageBody::Signal { .. });
        let posted = match self.execution(to, doc! { "status": 1, "posts": 1 }).await? {
            None => Posted::Nowhere { tombstone: false },
            Some(found) if found.is_tombstone() => Posted::Nowhere { tombstone: true },
            Some(found) if !found.is_open() => Posted::Refused,
            Some(found) if signals && self.is_full(to, &found).await? => Posted::Full,
            // It has had many, and taken them.
            Some(_) if self.tell(to, 1, cancels, None).await? => {
                self.bump();
                return Ok(put.posted());
            }
            // It has ended just now.
            Some(_) => Posted::Refused,
        };
        let mine = doc! { "_id": keyed(to, &posting.message.id), "token": &*posting.token };
        self.command(self.tables.inbox.delete_one(mine)).await?;
        Ok(posted)
    }

    /// A message as its document. The server's time, as its sender knows it, and then the sender's own order are the order
    /// of arrival.
    pub(super) async fn message_document(&self, to: &ExecutionId, posting: &Posting) -> Result<Document, Failure> {
        let message = &posting.message;
        let mut document = doc! {
            "_id": keyed(to, &message.id), "state": WAITING, "e": &*to.0, "message": &*message.id, "token": &*posting.token, "at": self.server_now(),
            "order": posting.order,
        };
        match &message.body {
            MessageBody::Signal { name, payload } => {
                document.extend(doc! {
                    "kind": SIGNAL, "name": &**name, "payload": self.spill(to, payload.clone()).await?,
                });
            }
            MessageBody::Cancel { reason } => {
                document.extend(doc! { "kind": CANCEL, "payload": binary(reason.clone().into_bytes()) });
            }
            MessageBody::Ended { execution, finished } => {
                document.extend(doc! {
                    "kind": ENDED,
                    "source": &*execution.0,
                    "end": i32::from(finished.end as u8),
                    "outcome": outcome_number(&finished.value),
                    "payload": self.spill(to, finished.value.bytes().to_vec()).await?,
                });
            }
        }
        Ok(document)
    }

    /// Tells an execution that it has so many messages: its owner hears of it; one that nobody owns may become due.
    /// Not if it has had more than `most`.
    pub(super) async fn tell(
        &self,
        to: &ExecutionId,
        count: i64,
        cancels: bool,
        most: Option<i64>,
    ) -> Result<bool, Failure> {
        let mut open = doc! { "_id": &*to.0, "status": { "$in": [OPEN, PARKED] } };
        if let Some(most) = most {
            open.insert("posts", doc! { "$lte": most - count });
        }
        let now = Stamp::now().0;
        let unowned = doc! { "$eq": [{ "$type": "$owner" }, "missing"] };
        // One that hasn't begun keeps its start; a parked one can't use what comes: only a cancellation wakes them.
        let wakes = if cancels {
            unowned
        } else {
            let begun = doc! { "$ne": [{ "$type": "$started" }, "missing"] };
            doc! { "$and": [unowned, { "$eq": ["$status", OPEN] }, begun] }
        };
        let mut set = doc! {
            "posts": { "$add": ["$posts", count] },
            "mail": true,
            // Changes with each message and names the owner: what its change stream hears.
            "bell": { "$concat": [{ "$ifNull": ["$owner", ""] }, " ", { "$toString": "$posts" }] },
            "due": { "$cond": [wakes.clone(), { "$min": ["$due", now] }, "$due"] },
            "queue": { "$cond": [wakes.clone(), "$code", "$queue"] },
        };
        if cancels {
            set.insert("cancel", true);
            set.insert("status", doc! { "$cond": [wakes, OPEN, "$status"] });
        }
        let told = self.tables.executions.update_one(open, vec![doc! { "$set": set }]);
        Ok(self.command(told).await?.matched_count > 0)
    }

    /// Whether a signal finds inbox or record full: looked at only after many messages.
    async fn is_full(&self, id: &ExecutionId, found: &Execution) -> Result<bool, Failure> {
        let most = MAX_INBOX + 1;
        let count = self.tables.inbox.count_documents(doc! { "e": &*id.0 }).limit(most);
        if self.command(count).await? > MAX_INBOX {
            return Ok(true);
        }
        if found.posts() < MAX_ROWS_FOR_SIGNALS as i64 {
            return Ok(false);
        }
        let last = self.last_entry(id).await?;
        Ok(last.is_some_and(|last| last.place >= MAX_ROWS_FOR_SIGNALS as i64))
    }

    /// The messages in an inbox, in order of arrival, without those that have a row. Its owner notes them.
    pub(super) async fn read_inbox(&self, of: &ExecutionId) -> Result<Vec<Message>, Failure> {
        // First how many have come: what comes after this look is looked for again.
        let Some(found) = self.execution(of, doc! { "status": 1, "posts": 1, "epoch": 1, "mail": 1 }).await? else {
            return Ok(Vec::new());
        };
        if !found.is_open() {
            return Ok(Vec::new());
        }
        let messages = self.messages(of).await?;
        let epoch = found.epoch();
        let known = self.claims.with(of, epoch, |claim| claim.mail.moved.clone());
        let moved = match known {
            Some(moved) => moved,
            None => self.have_rows(of, &messages).await?,
        };
        let (taken, waiting): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| moved.contains(&message.id));
        for message in taken {
            self.take_out(of, &message.id).await?;
        }
        let all = waiting.is_empty();
        let noted = self.claims.with(of, epoch, |claim| {
            claim.mail.seen = found.posts();
            claim.mail.waiting = waiting.iter().map(|message| message.id.clone()).collect();
            claim.mail.waiting.retain(|id| !claim.mail.moved.contains(id));
        });
        if noted.is_some() && all && found.0.get_bool("mail").unwrap_or_default() {
            self.clear_mail(of, epoch, found.posts(), false).await?;
        }
        Ok(waiting)
    }

    /// All messages that wait, in order.
    pub(super) async fn messages(&self, of: &ExecutionId) -> Result<Vec<Message>, Failure> {
        let find = self.tables.inbox.find(doc! { "e": &*of.0 }).sort(doc! { "at": 1, "order": 1 });
        let cursor = self.command(find).await?;
        self.gather(cursor).await?.into_iter().map(message).collect()
    }

    /// Those of the messages that are in the record already: their owner died before it took them out.
    async fn have_rows(&self, of: &ExecutionId, messages: &[Message]) -> Result<HashSet<Arc<str>>, Failure> {
        if messages.is_empty() {
            return Ok(HashSet::new());
        }
        let mut filter = self.entries_of(std::slice::from_ref(of));
        filter.insert("message", doc! { "$exists": true });
        let cursor = self.command(self.tables.log.find(filter).projection(doc! { "message": 1 })).await?;
        let found = self.gather(cursor).await?;
        Ok(found.iter().filter_map(|row| row.get_str("message").ok().map(Arc::from)).collect())
    }

    async fn take_out(&self, of: &ExecutionId, message: &str) -> Result<(), Failure> {
        let taken = doc! { "state": TAKEN };
        self.command(self.tables.inbox.replace_one(doc! { "_id": keyed(of, message) }, taken)).await.map(drop)
    }

    /// The owner has heard all that had come.
    async fn clear_mail(&self, id: &ExecutionId, epoch: Epoch, seen: i64, cancelled: bool) -> Result<(), Failure> {
        let mut unset = doc! { "mail": "" };
        let mut mine = doc! { "_id": &*id.0, "epoch": epoch.0 as i64 };
        if cancelled {
            unset = doc! { "cancel": "" };
        } else {
            mine.insert("posts", seen);
        }
        self.command(self.tables.executions.update_one(mine, doc! { "$unset": unset })).await.map(drop)
    }

    /// A message's row; then it leaves the inbox.
    pub(super) async fn arrival(
        &self,
        id: &ExecutionId,
        epoch: Epoch,
        row: &RowKind,
        message: &Arc<str>,
    ) -> Result<Committed, Refused> {
        let known = |claim: &mut super::claims::Claim| {
            let mail = &claim.mail;
            (mail.moved.contains(message), mail.waiting.contains(message))
        };
        match self.claims.with(id, epoch, known) {
            None => return Err(Refused::Fenced),
            Some((true, _)) => return Err(Refused::Gone),
            Some((false, true)) => {}
            Some((false, false)) => {
                self.persist(|| self.read_inbox(id)).await.ok_or(Refused::Closed)?;
                match self.claims.with(id, epoch, known) {
                    None => return Err(Refused::Fenced),
                    Some((_, false)) => return Err(Refused::Gone),
                    Some((_, true)) => {}
                }
            }
        }
        let committed = self.append(id, epoch, row, Some(message)).await?;
        self.point("after-commit", || "inbox untaken".to_owned());
        let heard = self.claims.with(id, epoch, |claim| {
            claim.mail.waiting.remove(message);
            claim.mail.moved.insert(message.clone());
            claim.mail.waiting.is_empty().then_some(claim.mail.seen)
        });
        let cancelled = matches!(row, RowKind::Cancel { .. });
        let cleared = async {
            self.persist(|| async {
                if cancelled {
                    self.clear_mail(id, epoch, 0, true).await?;
                }
                match heard.flatten() {
                    Some(seen) => self.clear_mail(id, epoch, seen, false).await,
                    None => Ok(()),
                }
            })
            .await
        };
        let (taken, cleared) = tokio::join!(self.persist(|| self.take_out(id, message)), cleared);
        taken.and(cleared).ok_or(Refused::Closed)?;
        Ok(committed)
    }

    /// Announces an end to a watcher: at once, if it has come.
    pub(super) async fn watch(self: &Arc<Self>, of: &ExecutionId, watcher: &Watcher) -> Result<(), Fault> {
        let open = doc! { "_id": &*of.0, "status": { "$in": [OPEN, PARKED] } };
        let add = doc! { "$addToSet": { "watchers": super::executions::watcher(watcher) } };
        if self.command(self.tables.executions.update_one(open, add)).await?.matched_count > 0 {
            return Ok(());
        }
        let found = self.execution(of, doc! { "status": 1, "outcome": 1, "value": 1 }).await?;
        let Some(mut found) = found else { return Err(not_there(of, false).into()) };
        match found.finished()? {
            Some(finished) => Ok(self.announce(of, watcher, finished).await?),
            None => Err(not_there(of, true).into()),
        }
    }

    /// Tells a late watcher of an end.
    pub(super) async fn announce(
        self: &Arc<Self>,
        of: &ExecutionId,
        watcher: &Watcher,
        finished: Finished,
    ) -> Result<(), Failure> {
        let body = MessageBody::Ended { execution: of.clone(), finished };
        self.deliver(&watcher.execution, &Message { id: watcher.message.clone(), body }).await
    }
}

/// A message from its document.
pub(super) fn message(mut document: Document) -> Result<Message, Failure> {
    let field = |document: &Document, field: &str| -> Result<Arc<str>, Failure> {
        let text = document.get_str(field).map_err(|_| Failure::Damaged(format!("a message has no `{field}`")))?;
        Ok(text.into())
    };
    let id = field(&document, "message")?;
    let payload = bytes(&mut document, "payload").unwrap_or_default();
    let body = match document.get_i32("kind").unwrap_or_default() {
        SIGNAL => MessageBody::Signal { name: field(&document, "name")?, payload },
        CANCEL => MessageBody::Cancel { reason: text(payload) },
        ENDED => {
            let end = match document.get("end") {
                Some(Bson::Int32(1)) => End::Succeeded,
                Some(Bson::Int32(2)) => End::Failed,
                Some(Bson::Int32(3)) => End::Cancelled,
                _ => return Err(Failure::Damaged("a message of an end doesn't say which".into())),
            };
            let value = value_of(document.get_i32("outcome").unwrap_or_default(), payload)?;
            MessageBody::Ended {
                execution: ExecutionId(field(&document, "source")?),
                finished: Finished { end, value },
            }
        }
        number => return Err(unknown("a message's kind", number)),
    };
    Ok(Message { id, body })
}
