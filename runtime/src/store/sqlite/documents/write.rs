//! Writing: documents with their entries in the indexes and their row of the change log.
//!
//! What can be refused is refused before anything of a document is written; a write of many documents stands whole or
//! not at all.

use std::ops::ControlFlow;

use bson::oid::ObjectId;
use bson::{Bson, Document, RawDocument, RawDocumentBuf};
use rusqlite::{CachedStatement, Connection, params};

use super::super::failure::{Failure, Fault, is_duplicate};
use super::Moment;
use super::catalogue::{self, Collection};
use super::entries::{self, Entries};
use super::read::{Found, Search, damaged};
use crate::data::collection::MAX_DOCUMENT;
use crate::data::filter::Matched;
use crate::data::models::{ReturnDocument, UpdateModifications, id_of};
use crate::data::nesting;
use crate::data::operation::{Change, Target, Write};
use crate::data::order;
use crate::data::projection::Projection;
use crate::data::update::{Application, Update};
use crate::error::{Error, ErrorKind, Partial, WriteError};

/// `changes.operation`.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Kind {
    Insert = 1,
    Update = 2,
    Delete = 3,
    Drop = 4,
}

const CHANGE: &str =
    "INSERT INTO outlast_changes (stamp, collection, operation, key, before, after) VALUES (?, ?, ?, ?, ?, ?)";

/// The statements by which documents are added: taken out of the connection's cache once for many.
struct Adding<'c> {
    document: CachedStatement<'c>,
    /// None where there is no index.
    entry: Option<CachedStatement<'c>>,
    change: CachedStatement<'c>,
}

impl<'c> Adding<'c> {
    fn new(connection: &'c Connection, collection: &Collection) -> Result<Self, Failure> {
        let indexed = !collection.indexes.is_empty();
        Ok(Self {
            document: connection
                .prepare_cached("INSERT INTO outlast_documents (collection, key, body) VALUES (?, ?, ?)")?,
            entry: indexed.then(|| connection.prepare_cached(entries::ADD)).transpose()?,
            change: connection.prepare_cached(CHANGE)?,
        })
    }
}

/// A collection that is written to.
pub(super) struct Desk<'c> {
    pub(super) connection: &'c Connection,
    pub(super) name: &'c str,
    pub(super) moment: Moment,
}

impl Desk<'_> {
    fn collection(&self) -> Result<std::rc::Rc<Collection>, Failure> {
        catalogue::make(self.connection, self.name)
    }

    /// Runs what is to stand whole or not at all.
    pub(super) fn whole<T>(&self, run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let execute = |sql: &str| -> Result<(), Failure> {
            self.connection.prepare_cached(sql)?.execute([])?;
            Ok(())
        };
        execute("SAVEPOINT outlast_data")?;
        let done = run();
        if let Err(Fault::Answer(_)) = done {
            execute("ROLLBACK TO outlast_data")?;
            catalogue::doubt();
        }
        if !matches!(done, Err(Fault::Failure(_))) {
            execute("RELEASE outlast_data")?;
        }
        done
    }

    /// Adds documents one after the other. The first failure ends it if `ordered`.
    pub(super) fn insert(&self, documents: &[RawDocumentBuf], ordered: bool, single: bool) -> Result<Vec<Bson>, Fault> {
        let collection = self.collection()?;
        let mut statements = Adding::new(self.connection, &collection)?;
        if single {
            let add = |document: &RawDocumentBuf| self.insert_into(&collection, &mut statements, document);
            return documents.iter().map(add).collect();
        }
        let mut several = Several::new(ordered);
        for (place, document) in documents.iter().enumerate() {
            let inserted = self.insert_into(&collection, &mut statements, document).map(|id| Partial {
                inserted: 1,
                inserted_ids: vec![(place, id)],
                ..Partial::default()
            });
            if several.add(place, inserted)?.is_break() {
                break;
            }
        }
        Ok(several.done("insert_many")?.inserted_ids.into_iter().map(|(_, id)| id).collect())
    }

    fn insert_one(&self, document: &RawDocument) -> Result<Bson, Fault> {
        let collection = self.collection()?;
        self.insert_into(&collection, &mut Adding::new(self.connection, &collection)?, document)
    }

    fn insert_into(
        &self,
        collection: &Collection,
        statements: &mut Adding<'_>,
        document: &RawDocument,
    ) -> Result<Bson, Fault> {
        let id = checked_id(document)?;
        check_size(self.name, &id, document.as_bytes().len())?;
        nesting::check_raw(document)?;
        let key = order::key_of(&id)?;
        let new = Entries::of(collection, document)?;
        new.check(self.connection, self.name, collection, None, document)?;
        match statements.document.execute(params![collection.number, key, document.as_bytes()]) {
            Ok(_) => (),
            Err(error) if is_duplicate(&error) => return Err(entries::taken_id(self.name, &id).into()),
            Err(error) => return Err(error.into()),
        }
        let number = self.connection.last_insert_rowid();
        if let Some(entry) = &mut statements.entry {
            new.add(self.connection, entry, collection, number)?;
        }
        let (before, after) = (None::<&[u8]>, document.as_bytes());
        let stamp = self.moment.stamp.0;
        statements.change.execute(params![stamp, collection.number, Kind::Insert as u8, key, before, after])?;
        Ok(id)
    }

    /// One write.
    pub(super) fn write(&self, write: &Write) -> Result<Partial, Fault> {
        match write {
            Write::Insert(document) => {
                let id = self.insert_one(document)?;
                Ok(Partial { inserted: 1, inserted_ids: vec![(0, id)], ..Partial::default() })
            }
            Write::Update { target, update, array_filters, many, upsert } => {
                let update = operators(update, array_filters, target)?;
                self.update(target, &update, *many, *upsert)
            }
            Write::Replace { target, replacement, upsert } => {
                let update = replacement_of(self.name, replacement)?;
                self.update(target, &update, false, *upsert)
            }
            Write::Delete { target, many } => self.delete(target, *many),
        }
    }

    fn update(&self, target: &Target, update: &Update, many: bool, upsert: bool) -> Result<Partial, Fault> {
        let run = || {
            let mut done = Partial::default();
            for found in self.targets(target, many)? {
                done.matched += 1;
                done.modified += u64::from(self.change(&found, update)?.is_some());
            }
            if done.matched == 0 && upsert {
                let id = self.upsert(target, update)?.1;
                done.upserted_ids.push((0, id));
            }
            Ok(done)
        };
        if many { self.whole(run) } else { run() }
    }

    /// All that match, before any is changed: a change mustn't bring a document before the walk again.
    fn targets(&self, target: &Target, many: bool) -> Result<Vec<Found>, Fault> {
        let search = Search::to_write(target, many)?;
        let mut all = Vec::new();
        search.run(self.connection, self.name, &mut |found| {
            all.push(found);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    /// The new document, if it is another one now.
    fn change(&self, found: &Found, update: &Update) -> Result<Option<RawDocumentBuf>, Fault> {
        let mut after = decoded(self.name, &found.body)?;
        update.apply(&mut after, &self.application(&found.matched, false))?;
        self.store(found, after)
    }

    fn application(&self, matched: &Matched, inserting: bool) -> Application {
        Application {
            array_index: matched.array_index,
            now: self.moment.now,
            timestamp: self.moment.timestamp,
            inserting,
        }
    }

    /// Puts a document in another's place.
    fn store(&self, found: &Found, after: Document) -> Result<Option<RawDocumentBuf>, Fault> {
        nesting::check(&after)?;
        let body = encoded(&after)?;
        if body.as_bytes() == found.body.as_bytes() {
            return Ok(None);
        }
        let id = after.get("_id").cloned().unwrap_or(Bson::Null);
        check_size(self.name, &id, body.as_bytes().len())?;
        let collection = self.collection()?;
        let (old, new) = (Entries::of(&collection, &found.body)?, Entries::of(&collection, &body)?);
        new.check(self.connection, self.name, &collection, Some(found.number), &body)?;
        self.connection
            .prepare_cached("UPDATE outlast_documents SET body = ? WHERE n = ?")?
            .execute(params![body.as_bytes(), found.number])?;
        new.replace(&old, self.connection, &collection, found.number)?;
        let (before, after) = (Some(found.body.as_bytes()), Some(body.as_bytes()));
        self.log(Kind::Update, &collection, &order::key_of(&id)?, before, after)?;
        Ok(Some(body))
    }

    /// Adds the document that the filter's equalities and the update make.
    fn upsert(&self, target: &Target, update: &Update) -> Result<(RawDocumentBuf, Bson), Fault> {
        let search = Search::to_write(target, false)?;
        let mut document = Document::new();
        for (path, value) in search.filter().equalities()? {
            crate::data::update::set_path(&mut document, &path, value)?;
        }
        update.apply(&mut document, &self.application(&Matched::default(), true))?;
        let id = document.remove("_id").unwrap_or_else(|| Bson::ObjectId(ObjectId::new()));
        let mut whole = Document::new();
        whole.insert("_id", id);
        whole.extend(document);
        let body = encoded(&whole)?;
        let id = self.insert_one(&body)?;
        Ok((body, id))
    }

    fn delete(&self, target: &Target, many: bool) -> Result<Partial, Fault> {
        let run = || {
            let all = self.targets(target, many)?;
            for found in &all {
                self.remove(found)?;
            }
            Ok(Partial { deleted: all.len() as u64, ..Partial::default() })
        };
        if many { self.whole(run) } else { run() }
    }

    pub(super) fn remove(&self, found: &Found) -> Result<(), Fault> {
        let collection = self.collection()?;
        Entries::of(&collection, &found.body)?.remove(self.connection, &collection, found.number)?;
        self.connection.prepare_cached("DELETE FROM outlast_documents WHERE n = ?")?.execute([found.number])?;
        let id = id_of(&found.body).unwrap_or(Bson::Null);
        self.log(Kind::Delete, &collection, &order::key_of(&id)?, Some(found.body.as_bytes()), None)?;
        Ok(())
    }

    /// Removes all documents of a collection that is dropped.
    pub(super) fn remove_all(&self, collection: &Collection) -> Result<(), Fault> {
        self.connection
            .prepare_cached("DELETE FROM outlast_documents WHERE collection = ?")?
            .execute([collection.number])?;
        Ok(self.log(Kind::Drop, collection, &[], None, None)?)
    }

    /// Several writes. The first failure ends it if `ordered`; each stands whole or not at all.
    pub(super) fn bulk(&self, writes: &[Write], ordered: bool) -> Result<Partial, Fault> {
        let mut several = Several::new(ordered);
        for (place, write) in writes.iter().enumerate() {
            let done = self.write(write).map(|mut done| {
                for (own, _) in done.inserted_ids.iter_mut().chain(&mut done.upserted_ids) {
                    *own = place;
                }
                done
            });
            if several.add(place, done)?.is_break() {
                break;
            }
        }
        several.done("bulk_write")
    }

    /// Finds one, writes it, and gives it.
    pub(super) fn find_and_modify(
        &self,
        write: &Write,
        returned: ReturnDocument,
        projection: Option<&Document>,
    ) -> Result<Option<RawDocumentBuf>, Fault> {
        let projection = projection.map(Projection::parse).transpose()?;
        let project = |document: RawDocumentBuf, matched: &Matched| match &projection {
            Some(projection) => projection.apply(&document, matched).map_err(Fault::from),
            None => Ok(document),
        };
        let (target, update, upsert) = match write {
            Write::Update { target, update, array_filters, upsert, .. } => {
                (target, operators(update, array_filters, target)?, *upsert)
            }
            Write::Replace { target, replacement, upsert } => {
                (target, replacement_of(self.name, replacement)?, *upsert)
            }
            Write::Delete { target, .. } => {
                let Some(found) = self.targets(target, false)?.into_iter().next() else { return Ok(None) };
                self.remove(&found)?;
                return project(found.body, &found.matched).map(Some);
            }
            Write::Insert(_) => return Err(Error::of(ErrorKind::Invalid, "an insertion finds nothing").into()),
        };
        match self.targets(target, false)?.into_iter().next() {
            Some(found) => {
                let after = self.change(&found, &update)?;
                let given = match returned {
                    ReturnDocument::Before => found.body,
                    ReturnDocument::After => after.unwrap_or(found.body),
                };
                project(given, &found.matched).map(Some)
            }
            None if upsert => {
                let (body, _) = self.upsert(target, &update)?;
                match returned {
                    ReturnDocument::Before => Ok(None),
                    ReturnDocument::After => project(body, &Matched::default()).map(Some),
                }
            }
            None => Ok(None),
        }
    }

    /// Reads one document by its `_id`, and writes what `change` makes of it.
    pub(super) fn modify(&self, id: &Bson, change: &Change) -> Result<Option<RawDocumentBuf>, Fault> {
        let target = Target { filter: bson::doc! { "_id": { "$eq": id } }, ..Target::default() };
        let found = self.targets(&target, false)?.into_iter().next();
        let after = (change.0)(found.as_ref().map(|found| found.body.clone()))?;
        match (found, &after) {
            (Some(found), Some(after)) => {
                nesting::check_raw(after)?;
                drop(self.store(&found, decoded(self.name, after)?)?);
            }
            (Some(found), None) => self.remove(&found)?,
            (None, Some(after)) => drop(self.insert_one(after)?),
            (None, None) => (),
        }
        Ok(after)
    }

    fn log(
        &self,
        kind: Kind,
        collection: &Collection,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> Result<(), Failure> {
        self.connection.prepare_cached(CHANGE)?.execute(params![
            self.moment.stamp.0,
            collection.number,
            kind as u8,
            key,
            before,
            after
        ])?;
        Ok(())
    }
}

/// What several writes have come to.
struct Several {
    ordered: bool,
    done: Partial,
    failed: Vec<WriteError>,
}

impl Several {
    fn new(ordered: bool) -> Self {
        Self { ordered, done: Partial::default(), failed: Vec::new() }
    }

    fn add(&mut self, place: usize, one: Result<Partial, Fault>) -> Result<ControlFlow<()>, Fault> {
        match one {
            Ok(one) => {
                self.done.inserted += one.inserted;
                self.done.matched += one.matched;
                self.done.modified += one.modified;
                self.done.deleted += one.deleted;
                self.done.inserted_ids.extend(one.inserted_ids);
                self.done.upserted_ids.extend(one.upserted_ids);
                Ok(ControlFlow::Continue(()))
            }
            // What isn't known here fails whole, and names itself.
            Err(Fault::Answer(error)) if error.kind() == ErrorKind::Unsupported => Err(error.into()),
            Err(Fault::Answer(error)) => {
                let code = error.code().unwrap_or(BAD_VALUE);
                self.failed.push(WriteError { index: place, code, message: error.to_string() });
                Ok(if self.ordered { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            }
            Err(failure) => Err(failure),
        }
    }

    fn done(self, what: &str) -> Result<Partial, Fault> {
        let Some(first) = self.failed.first() else { return Ok(self.done) };
        let count = self.failed.len();
        let taken = self.failed.iter().any(|write| write.code == crate::error::DUPLICATE_KEY);
        let kind = if taken { ErrorKind::Conflict } else { ErrorKind::Invalid };
        let message = format!("{what}: {count} of the writes failed; number {}: {}", first.index, first.message);
        let error = Error::of(kind, message).into_terminal().with_data(|data| {
            data.partial = Some(self.done);
            data.writes = self.failed;
        });
        Err(error.into())
    }
}

/// MongoDB's codes; the first is for what has no other.
const BAD_VALUE: i32 = 2;
const INVALID_ID: i32 = 53;
const DOLLAR_PREFIXED_FIELD: i32 = 52;

fn operators(update: &UpdateModifications, array_filters: &[Document], target: &Target) -> Result<Update, Fault> {
    match update {
        UpdateModifications::Document(update) => Ok(Update::parse(update, array_filters)?),
        UpdateModifications::Pipeline(stages) => {
            let variables = target.variables.clone().unwrap_or_default();
            Ok(Update::pipeline(stages, &variables)?)
        }
    }
}

fn replacement_of(name: &str, replacement: &RawDocument) -> Result<Update, Fault> {
    nesting::check_raw(replacement)?;
    Ok(Update::replacement(&decoded(name, replacement)?)?)
}

fn checked_id(document: &RawDocument) -> Result<Bson, Error> {
    let id = document.get("_id").map_err(|error| not_stored(error.to_string()))?;
    let id = id.ok_or_else(|| not_stored("it has no _id".into()))?;
    let id = Bson::try_from(id).map_err(|error| not_stored(error.to_string()))?;
    match &id {
        Bson::Array(_) | Bson::RegularExpression(_) | Bson::Undefined => {
            Err(not_stored(format!("its _id can't be {id}")).with_code(INVALID_ID))
        }
        Bson::Document(fields) if fields.keys().any(|name| name.starts_with('$')) => {
            Err(not_stored(format!("a field of its _id {id} begins with a $")).with_code(DOLLAR_PREFIXED_FIELD))
        }
        _ => Ok(id),
    }
}

fn not_stored(why: String) -> Error {
    Error::of(ErrorKind::Invalid, format!("the document can't be stored: {why}")).into_terminal()
}

fn check_size(collection: &str, id: &Bson, size: usize) -> Result<(), Error> {
    if size <= MAX_DOCUMENT {
        return Ok(());
    }
    let message = format!(
        "the document {id} of {collection} would have {size} bytes, and the limit is {MAX_DOCUMENT}: split it up"
    );
    Err(Error::of(ErrorKind::TooLarge, message).with_code(10_334).into_terminal())
}

fn decoded(collection: &str, body: &RawDocument) -> Result<Document, Failure> {
    Document::try_from(body).map_err(|error| damaged(collection, error))
}

fn encoded(document: &Document) -> Result<RawDocumentBuf, Error> {
    RawDocumentBuf::try_from(document).map_err(|error| not_stored(error.to_string()))
}
