//! Messages on their way into inboxes: those that wait together go as one insert, and each execution is told once of all
//! that came for it. A message that waits alone goes at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::{Bson, Document, doc};
use mongodb::error::ErrorKind as DriverKind;
use tokio::sync::oneshot;

use super::failure::{DUPLICATE_KEY, Failure};
use super::inbox::{Posted, Posting, Put, WAITING};
use super::keyed;
use super::shared::Shared;
use crate::store::{ExecutionId, MAX_INBOX, MessageBody};

/// The most messages of one insert, their bytes, and the inserts under way at once.
const MOST: usize = 500;
const MOST_BYTES: usize = 12 << 20;
const FLIGHTS: usize = 4;

/// A message to an execution, and who waits for the word.
struct Letter {
    to: ExecutionId,
    posting: Arc<Posting>,
    reply: oneshot::Sender<Result<Posted, Failure>>,
}

/// Messages that wait.
#[derive(Default)]
pub(super) struct Mailbag(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    letters: Vec<Letter>,
    flights: usize,
}

impl Mailbag {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Puts a message into an inbox.
    pub(super) async fn post(self: &Arc<Self>, to: &ExecutionId, posting: &Arc<Posting>) -> Result<Posted, Failure> {
        let (reply, answer) = oneshot::channel();
        let letter = Letter { to: to.clone(), posting: posting.clone(), reply };
        self.mailbag.lock().letters.push(letter);
        self.carry();
        answer.await.unwrap_or_else(|_| Err(Failure::Unreachable("the store was closed".into())))
    }

    /// Sets off with what waits, if not too much is under way.
    fn carry(self: &Arc<Self>) {
        let mut waiting = self.mailbag.lock();
        while waiting.flights < FLIGHTS && !waiting.letters.is_empty() {
            let mut bytes = 0;
            let fitting = waiting.letters.iter().take(MOST).take_while(|letter| {
                bytes += letter.posting.size();
                bytes <= MOST_BYTES
            });
            let count = fitting.count().max(1);
            let some: Vec<_> = waiting.letters.drain(..count).collect();
            waiting.flights += 1;
            let shared = self.clone();
            drop(self.runtime.spawn(async move {
                shared.bring(some).await;
                shared.mailbag.lock().flights -= 1;
                shared.carry();
            }));
        }
    }

    async fn bring(self: &Arc<Self>, letters: Vec<Letter>) {
        let puts = match self.put_all(&letters).await {
            Ok(puts) => puts,
            // Each is sent again by who waits for it.
            Err(failure) => {
                for letter in letters {
                    drop(letter.reply.send(Err(failure.clone())));
                }
                return;
            }
        };
        let mut by_execution: HashMap<ExecutionId, Vec<(Letter, Put)>> = HashMap::new();
        for (letter, put) in letters.into_iter().zip(puts) {
            if put == Put::Taken {
                drop(letter.reply.send(Ok(Posted::Refused)));
            } else {
                by_execution.entry(letter.to.clone()).or_default().push((letter, put));
            }
        }
        if !by_execution.is_empty() {
            self.point("after-commit", || "inbox untold".to_owned());
        }
        for (to, letters) in by_execution {
            self.tell_of(&to, letters).await;
        }
    }

    /// One execution is told of all that came for it.
    async fn tell_of(self: &Arc<Self>, to: &ExecutionId, letters: Vec<(Letter, Put)>) {
        let signals = |letter: &Letter| matches!(letter.posting.message.body, MessageBody::Signal { .. });
        let cancels =
            letters.iter().any(|(letter, _)| matches!(letter.posting.message.body, MessageBody::Cancel { .. }));
        let most = letters.iter().any(|(letter, _)| signals(letter)).then_some(MAX_INBOX as i64);
        let told = self.tell(to, letters.len() as i64, cancels, most).await;
        if let Ok(true) = told {
            self.bump();
        }
        for (letter, put) in letters {
            let posted = match &told {
                Ok(true) => Ok(put.posted()),
                // It isn't there, has ended, or has had many: each is looked at by itself.
                Ok(false) => self.settle_alone(to, &letter.posting, put).await,
                Err(failure) => Err(failure.clone()),
            };
            drop(letter.reply.send(posted));
        }
    }

    /// Writes messages whose ids aren't there.
    async fn put_all(&self, letters: &[Letter]) -> Result<Vec<Put>, Failure> {
        let mut documents = Vec::with_capacity(letters.len());
        for letter in letters {
            documents.push(self.message_document(&letter.to, &letter.posting).await?);
        }
        let mut puts = vec![Put::New; letters.len()];
        let Err(error) = self.driven(self.tables.inbox.insert_many(documents).ordered(false)).await? else {
            return Ok(puts);
        };
        let failure = Failure::of(&error, &self.redaction);
        let DriverKind::InsertMany(failed) = &*error.kind else { return Err(failure) };
        let errors = failed.write_errors.as_deref().unwrap_or_default();
        if failed.write_concern_error.is_some() || errors.iter().any(|error| error.code != DUPLICATE_KEY) {
            return Err(failure);
        }
        let there = errors.iter().filter_map(|error| letters.get(error.index));
        let ids: Vec<Bson> = there.map(|letter| keyed(&letter.to, &letter.posting.message.id).into()).collect();
        let cursor = self.command(self.tables.inbox.find(doc! { "_id": { "$in": ids } })).await?;
        let found = self.gather(cursor).await?;
        let found: HashMap<&str, &Document> =
            found.iter().filter_map(|found| Some((found.get_str("_id").ok()?, found))).collect();
        for error in errors {
            if let (Some(letter), Some(put)) = (letters.get(error.index), puts.get_mut(error.index)) {
                let there = found.get(keyed(&letter.to, &letter.posting.message.id).as_str());
                *put = standing(there.copied(), &letter.posting);
            }
        }
        Ok(puts)
    }
}

/// What stands under a message's id.
fn standing(found: Option<&Document>, posting: &Posting) -> Put {
    match found {
        // It is this one: the reply was lost.
        Some(found) if found.get_str("token").is_ok_and(|token| token == posting.token) => Put::New,
        Some(found) if found.get_i32("state").is_ok_and(|state| state == WAITING) => Put::Waits,
        // Or its execution has ended meanwhile.
        Some(_) | None => Put::Taken,
    }
}
