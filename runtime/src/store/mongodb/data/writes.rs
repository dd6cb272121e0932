//! Operations that write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::error::ErrorKind as DriverKind;
use mongodb::options::{ReturnDocument as DriverReturn, UpdateModifications as DriverUpdate};

use super::failed::{Failed, SomeWrites};
use super::{Run, hint, within};
use crate::data::Reply;
use crate::data::models::{ReturnDocument, id_of};
use crate::data::nesting;
use crate::data::operation::{Change, Write};
use crate::error::{Error, Partial, Result, WriteError};
use crate::store::mongodb::client::transaction_options;
use crate::store::mongodb::shared::Shared;
use crate::store::mongodb::transaction::TRANSIENT;

/// Sets options that are there.
macro_rules! optional {
    ($action:ident, $($option:ident = $value:expr),+) => {
        $(let $action = match $value {
            Some(value) => $action.$option(value),
            None => $action,
        };)+
    };
}

impl Run<'_> {
    pub(super) async fn insert(
        &mut self,
        documents: &[RawDocumentBuf],
        ordered: bool,
        single: bool,
    ) -> Result<Reply, Failed> {
        let ids = || documents.iter().map(|document| id_of(document).unwrap_or_default());
        match documents {
            [document] if single => {
                check_id(document)?;
                nesting::check_raw(document)?;
                let insert = self.collection.insert_one(document);
                optional!(insert, comment = self.comment.clone(), bypass_document_validation = self.bypass);
                within!(self.session, insert)?;
            }
            documents => {
                let done = self.insert_run(0, documents.iter(), ordered).await?;
                if !done.failed.is_empty() {
                    return Err(Failed::Writes(Box::new(done)));
                }
            }
        }
        Ok(Reply::Inserted(ids().collect()))
    }

    /// Inserts that follow each other among several writes, from this place on.
    async fn insert_run<'d>(
        &mut self,
        from: usize,
        documents: impl Iterator<Item = &'d RawDocumentBuf> + Clone,
        ordered: bool,
    ) -> Result<SomeWrites, Failed> {
        documents.clone().try_for_each(|document| nesting::check_raw(document))?;
        let insert = self.collection.insert_many(documents.clone()).ordered(ordered);
        optional!(insert, comment = self.comment.clone(), bypass_document_validation = self.bypass);
        let mut some = SomeWrites { failed: Vec::new(), done: Partial::default(), labels: Vec::new() };
        if let Err(error) = within!(self.session, insert) {
            let DriverKind::InsertMany(failed) = &*error.kind else { return Err(error.into()) };
            let Some(errors) = failed.write_errors.clone().filter(|errors| !errors.is_empty()) else {
                return Err(error.into());
            };
            some.labels = error.labels().iter().cloned().collect();
            some.failed = errors
                .into_iter()
                .map(|error| WriteError { index: from + error.index, code: error.code, message: error.message })
                .collect();
        }
        let stopped = some.failed.first().filter(|_| ordered).map_or(usize::MAX, |first| first.index);
        for (at, document) in documents.enumerate() {
            let at = from + at;
            if at < stopped && !some.failed.iter().any(|failed| failed.index == at) {
                some.done.inserted += 1;
                some.done.inserted_ids.push((at, id_of(document).unwrap_or_default()));
            }
        }
        Ok(some)
    }

    pub(super) async fn write(&mut self, write: &Write) -> Result<Partial, Failed> {
        let mut done = Partial::default();
        match write {
            Write::Insert(document) => {
                nesting::check_raw(document)?;
                let insert = self.collection.insert_one(document);
                within!(self.session, insert)?;
                done.inserted = 1;
                done.inserted_ids.push((0, id_of(document).unwrap_or_default()));
            }
            Write::Update { target, update, array_filters, many, upsert } => {
                let (filter, update) = (target.filter.clone(), DriverUpdate::from(update.clone()));
                let update = if *many {
                    self.collection.update_many(filter, update)
                } else {
                    self.collection.update_one(filter, update)
                };
                let update =
                    if array_filters.is_empty() { update } else { update.array_filters(array_filters.clone()) };
                let update = if *upsert { update.upsert(true) } else { update };
                optional!(
                    update,
                    sort = target.sort.clone(),
                    hint = hint(target.hint.as_ref()),
                    let_vars = target.variables.clone(),
                    bypass_document_validation = self.bypass,
                    comment = self.comment.clone()
                );
                updated(&mut done, within!(self.session, update)?);
            }
            Write::Replace { target, replacement, upsert } => {
                nesting::check_raw(replacement)?;
                let replace = self.collection.replace_one(target.filter.clone(), replacement);
                let replace = if *upsert { replace.upsert(true) } else { replace };
                optional!(
                    replace,
                    sort = target.sort.clone(),
                    hint = hint(target.hint.as_ref()),
                    let_vars = target.variables.clone(),
                    bypass_document_validation = self.bypass,
                    comment = self.comment.clone()
                );
                updated(&mut done, within!(self.session, replace)?);
            }
            Write::Delete { target, many } => {
                let filter = target.filter.clone();
                let delete =
                    if *many { self.collection.delete_many(filter) } else { self.collection.delete_one(filter) };
                optional!(
                    delete,
                    hint = hint(target.hint.as_ref()),
                    let_vars = target.variables.clone(),
                    comment = self.comment.clone()
                );
                done.deleted = within!(self.session, delete)?.deleted_count;
            }
        }
        Ok(done)
    }

    /// Several writes, one after the other; inserts that follow each other as one.
    pub(super) async fn bulk(&mut self, writes: &[Write], ordered: bool) -> Result<Reply, Failed> {
        // The first error ends a transaction, whatever was asked for.
        let stops = ordered || self.session.is_some();
        let mut all = SomeWrites { failed: Vec::new(), done: Partial::default(), labels: Vec::new() };
        let mut at = 0;
        while at < writes.len() && (all.failed.is_empty() || !stops) {
            let inserts = writes[at..].iter().map_while(|write| match write {
                Write::Insert(document) => Some(document),
                Write::Update { .. } | Write::Replace { .. } | Write::Delete { .. } => None,
            });
            let count = inserts.clone().count();
            if count > 0 {
                let some = self.insert_run(at, inserts, stops).await?;
                add(&mut all.done, some.done, 0);
                all.failed.extend(some.failed);
                all.labels.extend(some.labels);
                at += count;
                continue;
            }
            match self.write(&writes[at]).await {
                Ok(done) => add(&mut all.done, done, at),
                Err(Failed::Driver(error)) => match super::super::failure::code(&error) {
                    Some(code) => {
                        all.labels.extend(error.labels().iter().cloned());
                        let message = super::super::failure::words(&error);
                        all.failed.push(WriteError { index: at, code, message });
                    }
                    None => return Err(Failed::Driver(error)),
                },
                Err(failed) => return Err(failed),
            }
            at += 1;
        }
        if all.failed.is_empty() { Ok(Reply::Wrote(all.done)) } else { Err(Failed::Writes(Box::new(all))) }
    }

    pub(super) async fn find_and_modify(
        &mut self,
        write: &Write,
        returned: ReturnDocument,
        projection: Option<&Document>,
    ) -> Result<Reply, Failed> {
        let returned = DriverReturn::from(returned);
        let comment = self.comment.clone();
        let found = match write {
            Write::Insert(_) => return Err(Error::of(crate::ErrorKind::Invalid, "an insertion finds nothing").into()),
            Write::Update { target, update, array_filters, upsert, .. } => {
                let action =
                    self.collection.find_one_and_update(target.filter.clone(), DriverUpdate::from(update.clone()));
                let action = action.return_document(returned).upsert(*upsert);
                let action =
                    if array_filters.is_empty() { action } else { action.array_filters(array_filters.clone()) };
                optional!(
                    action,
                    sort = target.sort.clone(),
                    hint = hint(target.hint.as_ref()),
                    projection = projection.cloned(),
                    let_vars = target.variables.clone(),
                    bypass_document_validation = self.bypass,
                    comment = comment
                );
                within!(self.session, action)?
            }
            Write::Replace { target, replacement, upsert } => {
                nesting::check_raw(replacement)?;
                let action = self.collection.find_one_and_replace(target.filter.clone(), replacement);
                let action = action.return_document(returned).upsert(*upsert);
                optional!(
                    action,
                    sort = target.sort.clone(),
                    hint = hint(target.hint.as_ref()),
                    projection = projection.cloned(),
                    let_vars = target.variables.clone(),
                    bypass_document_validation = self.bypass,
                    comment = comment
                );
                within!(self.session, action)?
            }
            Write::Delete { target, .. } => {
                let action = self.collection.find_one_and_delete(target.filter.clone());
                optional!(
                    action,
                    sort = target.sort.clone(),
                    hint = hint(target.hint.as_ref()),
                    projection = projection.cloned(),
                    let_vars = target.variables.clone(),
                    comment = comment
                );
                within!(self.session, action)?
            }
        };
        Ok(Reply::Document(found))
    }

    /// Reads one document and writes what becomes of it: atomic inside a transaction.
    pub(super) async fn modify(&mut self, id: &Bson, change: &Change) -> Result<Reply, Failed> {
        let only = doc! { "_id": { "$eq": id } };
        let find = self.collection.find_one(only.clone());
        let before = within!(self.session, find)?;
        let was = before.is_some();
        let after = (change.0)(before)?;
        match &after {
            Some(after) if was => {
                let replace = self.collection.replace_one(only, after);
                within!(self.session, replace)?;
            }
            Some(after) => {
                let insert = self.collection.insert_one(after);
                within!(self.session, insert)?;
            }
            None if was => {
                let delete = self.collection.delete_one(only);
                within!(self.session, delete)?;
            }
            None => {}
        }
        Ok(Reply::Document(after))
    }
}

/// How long a document that others keep changing is tried again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a key may be taken by someone who was quicker: more often, it is another document's.
const TAKEN: u32 = 5;
/// The first wait between tries, doubled up to the longest.
const WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

impl Shared {
    /// The same outside a transaction: in one of its own. What was read can't have changed when it is written, however
    /// large it is and whatever its fields compare equal to; who is second begins anew.
    pub(super) async fn modify_alone(self: &Arc<Self>, collection: &str, id: &Bson, change: &Change) -> Result<Reply> {
        let (begun, mut wait, mut taken) = (Instant::now(), WAIT, 0);
        loop {
            let error = match self.try_to_modify(collection, id, change).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            taken += u32::from(error.is_duplicate_key());
            let again = if error.is_duplicate_key() { taken < TAKEN } else { error.contains_label(TRANSIENT) };
            if !again || begun.elapsed() > PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn try_to_modify(self: &Arc<Self>, collection: &str, id: &Bson, change: &Change) -> Result<Reply> {
        let failed = |error: mongodb::error::Error| Failed::from(error).error(collection, &self.redaction);
        let mut session = self.client.start_session().await.map_err(failed)?;
        session.start_transaction().with_options(transaction_options()).await.map_err(failed)?;
        let collection_of = self.own.collection(collection);
        let mut run =
            Run { shared: self, collection: collection_of, session: Some(&mut session), comment: None, bypass: None };
        let done = run.modify(id, change).await.map_err(|error| error.error(collection, &self.redaction));
        match done {
            Ok(reply) => {
                self.commit(&mut session).await.map_err(failed)?;
                Ok(reply)
            }
            Err(error) => {
                let _ = session.abort_transaction().await;
                Err(error)
            }
        }
    }
}

/// MongoDB's code for an `_id` that can't be one.
const INVALID_ID: i32 = 53;

/// As MongoDB has it; servers that only speak its protocol may be less strict.
fn check_id(document: &RawDocumentBuf) -> Result<(), Error> {
    match id_of(document) {
        Some(id @ (Bson::Array(_) | Bson::RegularExpression(_) | Bson::Undefined)) => {
            let error =
                Error::of(crate::ErrorKind::Invalid, format!("the document can't be stored: its _id can't be {id}"));
            Err(error.with_code(INVALID_ID).into_terminal())
        }
        _ => Ok(()),
    }
}

fn updated(done: &mut Partial, result: mongodb::results::UpdateResult) {
    done.matched = result.matched_count;
    done.modified = result.modified_count;
    done.upserted_ids.extend(result.upserted_id.map(|id| (0, id)));
}

/// Adds what one of several did, whose place this is.
fn add(all: &mut Partial, one: Partial, at: usize) {
    all.inserted += one.inserted;
    all.matched += one.matched;
    all.modified += one.modified;
    all.deleted += one.deleted;
    all.inserted_ids.extend(one.inserted_ids.into_iter().map(|(place, id)| (at + place, id)));
    all.upserted_ids.extend(one.upserted_ids.into_iter().map(|(place, id)| (at + place, id)));
}
