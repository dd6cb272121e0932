//! Operations on documents, run on whatever connection is at hand; a write also writes its row of the change log.
//!
//! An operation that answers with an error has written nothing.

use bson::{Bson, Document, RawDocumentBuf};
use rusqlite::{Connection, params};

use super::failure::{Failure, Fault, is_duplicate};
use crate::data::filter::{Filter, order};
use crate::data::update::Update;
use crate::data::{Operation, Reply};
use crate::error::{DUPLICATE_KEY, Error, ErrorKind};
use crate::store::Stamp;

/// A document's limit, as on MongoDB.
const LARGEST: usize = 16 * 1024 * 1024;

/// `changes.operation`.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Change {
    Insert = 1,
    Update = 2,
    Delete = 3,
}

/// Runs an operation.
pub(super) fn run(connection: &Connection, stamp: Stamp, operation: &Operation) -> Result<Reply, Fault> {
    match operation {
        Operation::InsertOne { collection, document } => insert(connection, stamp, collection, document),
        Operation::FindOne { collection, filter } => {
            let found = find(connection, collection, &Filter::parse(filter)?, 1)?;
            Ok(Reply::Found(found.into_iter().next().map(|found| found.body)))
        }
        Operation::Find { collection, filter } => {
            let found = find(connection, collection, &Filter::parse(filter)?, usize::MAX)?;
            Ok(Reply::All(found.into_iter().map(|found| found.body).collect()))
        }
        Operation::UpdateOne { collection, filter, update } => {
            let (filter, update) = (Filter::parse(filter)?, Update::parse(update)?);
            change(connection, stamp, collection, &filter, &update)
        }
        Operation::DeleteOne { collection, filter } => delete(connection, stamp, collection, &Filter::parse(filter)?),
    }
}

/// A document that matched.
struct Match {
    key: Vec<u8>,
    body: RawDocumentBuf,
}

fn damaged(collection: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Damaged(format!("a document in {collection} can't be read: {error}"))
}

fn decode(collection: &str, body: &RawDocumentBuf) -> Result<Document, Failure> {
    Document::try_from(body.as_ref()).map_err(|error| damaged(collection, error))
}

/// The matches in order of their keys; the one that the filter names, if it names one.
fn find(connection: &Connection, collection: &str, filter: &Filter, limit: usize) -> Result<Vec<Match>, Failure> {
    let mut statement = connection.prepare_cached(match filter.id() {
        Some(_) => "SELECT key, body FROM documents WHERE collection = ? AND key = ?",
        None => "SELECT key, body FROM documents WHERE collection = ? ORDER BY key",
    })?;
    let mut rows = match filter.id() {
        Some(key) => statement.query(params![collection, key])?,
        None => statement.query([collection])?,
    };
    let mut matches = Vec::new();
    while matches.len() < limit
        && let Some(row) = rows.next()?
    {
        let body = RawDocumentBuf::from_bytes(row.get(1)?).map_err(|error| damaged(collection, error))?;
        if filter.is_empty() || filter.matches(&decode(collection, &body)?) {
            matches.push(Match { key: row.get(0)?, body });
        }
    }
    Ok(matches)
}

fn insert(connection: &Connection, stamp: Stamp, collection: &str, document: &RawDocumentBuf) -> Result<Reply, Fault> {
    let id = document.get("_id").map_err(|error| not_a_document(error.to_string()))?;
    let id = id.ok_or_else(|| not_a_document("it has no _id".into()))?;
    let id = Bson::try_from(id).map_err(|error| not_a_document(error.to_string()))?;
    if matches!(id, Bson::Array(_) | Bson::RegularExpression(_) | Bson::Undefined) {
        return Err(not_a_document(format!("its _id can't be {id}")).into());
    }
    check_size(collection, &id, document.as_bytes())?;
    let key = order::key(&id);
    let inserted = connection
        .prepare_cached("INSERT INTO documents (collection, key, body) VALUES (?, ?, ?)")?
        .execute(params![collection, key, document.as_bytes()]);
    match inserted {
        Ok(_) => {
            log(connection, stamp, collection, Change::Insert, &key, None, Some(document.as_bytes()))?;
            Ok(Reply::Inserted(id))
        }
        Err(error) if is_duplicate(&error) => {
            let message = format!("duplicate key: {collection} has a document with _id {id} already");
            Err(Error::of(ErrorKind::Conflict, message).with_code(DUPLICATE_KEY).into_terminal().into())
        }
        Err(error) => Err(error.into()),
    }
}

fn not_a_document(why: String) -> Error {
    Error::of(ErrorKind::Invalid, format!("the document can't be stored: {why}"))
}

fn check_size(collection: &str, id: &Bson, body: &[u8]) -> Result<(), Error> {
    if body.len() <= LARGEST {
        return Ok(());
    }
    let message = format!(
        "the document {id} of {collection} would have {} bytes, and the limit is {LARGEST}: split it up",
        body.len()
    );
    Err(Error::of(ErrorKind::TooLarge, message).into_terminal())
}

fn change(
    connection: &Connection,
    stamp: Stamp,
    collection: &str,
    filter: &Filter,
    update: &Update,
) -> Result<Reply, Fault> {
    let Some(found) = find(connection, collection, filter, 1)?.into_iter().next() else {
        return Ok(Reply::Updated { matched: 0, modified: 0 });
    };
    let before = decode(collection, &found.body)?;
    let mut after = before.clone();
    update.apply(&mut after)?;
    let body = after.to_vec().map_err(|error| not_a_document(error.to_string()))?;
    check_size(collection, after.get("_id").unwrap_or(&Bson::Null), &body)?;
    if body == found.body.as_bytes() {
        return Ok(Reply::Updated { matched: 1, modified: 0 });
    }
    connection
        .prepare_cached("UPDATE documents SET body = ? WHERE collection = ? AND key = ?")?
        .execute(params![body, collection, found.key])?;
    log(connection, stamp, collection, Change::Update, &found.key, Some(found.body.as_bytes()), Some(&body))?;
    Ok(Reply::Updated { matched: 1, modified: 1 })
}

fn delete(connection: &Connection, stamp: Stamp, collection: &str, filter: &Filter) -> Result<Reply, Fault> {
    let Some(found) = find(connection, collection, filter, 1)?.into_iter().next() else {
        return Ok(Reply::Deleted(0));
    };
    connection
        .prepare_cached("DELETE FROM documents WHERE collection = ? AND key = ?")?
        .execute(params![collection, found.key])?;
    log(connection, stamp, collection, Change::Delete, &found.key, Some(found.body.as_bytes()), None)?;
    Ok(Reply::Deleted(1))
}

fn log(
    connection: &Connection,
    stamp: Stamp,
    collection: &str,
    operation: Change,
    key: &[u8],
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO changes (stamp, collection, operation, key, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![stamp.0, collection, operation as u8, key, before, after])?;
    Ok(())
}
