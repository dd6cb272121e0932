//! The entries of documents in indexes, and what makes a key unique.

use bson::{Bson, Document, RawDocument, doc};
use rusqlite::{Connection, Statement, params};

use super::super::failure::{Failure, Fault};
use super::catalogue::{self, Collection, Index};
use crate::error::{DUPLICATE_KEY, Error, ErrorKind};

/// Adds an entry.
pub(super) const ADD: &str = "INSERT INTO outlast_entries (idx, entry, document) VALUES (?, ?, ?)";

/// A document's entries in each index of its collection.
pub(super) struct Entries(Vec<Vec<Vec<u8>>>);

impl Entries {
    pub(super) fn of(collection: &Collection, document: &RawDocument) -> Result<Self, Fault> {
        let entries = collection.indexes.iter().map(|index| index.spec.entries(document));
        Ok(Self(entries.collect::<crate::Result<_>>()?))
    }

    /// Refuses what a unique index has of another document.
    pub(super) fn check(
        &self,
        connection: &Connection,
        name: &str,
        collection: &Collection,
        own: Option<i64>,
        document: &RawDocument,
    ) -> Result<(), Fault> {
        for (index, entries) in collection.indexes.iter().zip(&self.0) {
            if index.spec.is_unique() {
                check_unique(connection, name, index, entries, own, document)?;
            }
        }
        Ok(())
    }

    /// Writes these by [`ADD`].
    pub(super) fn add(
        &self,
        connection: &Connection,
        insert: &mut Statement<'_>,
        collection: &Collection,
        document: i64,
    ) -> Result<(), Failure> {
        for (index, entries) in collection.indexes.iter().zip(&self.0) {
            for entry in entries {
                insert.execute(params![index.number, entry, document])?;
            }
            note_multikey(connection, index, entries.len())?;
        }
        Ok(())
    }

    pub(super) fn remove(
        &self,
        connection: &Connection,
        collection: &Collection,
        document: i64,
    ) -> Result<(), Failure> {
        for (index, entries) in collection.indexes.iter().zip(&self.0) {
            for entry in entries {
                remove(connection, index, entry, document)?;
            }
        }
        Ok(())
    }

    /// Puts these in the place of `old`.
    pub(super) fn replace(
        &self,
        old: &Self,
        connection: &Connection,
        collection: &Collection,
        document: i64,
    ) -> Result<(), Failure> {
        for (index, (new, old)) in collection.indexes.iter().zip(self.0.iter().zip(&old.0)) {
            if new == old {
                continue;
            }
            for entry in old.iter().filter(|entry| !new.contains(entry)) {
                remove(connection, index, entry, document)?;
            }
            let added: Vec<_> = new.iter().filter(|entry| !old.contains(entry)).cloned().collect();
            add(connection, index, &added, document)?;
            note_multikey(connection, index, new.len())?;
        }
        Ok(())
    }
}

fn add(connection: &Connection, index: &Index, entries: &[Vec<u8>], document: i64) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(ADD)?;
    for entry in entries {
        insert.execute(params![index.number, entry, document])?;
    }
    note_multikey(connection, index, entries.len())
}

fn note_multikey(connection: &Connection, index: &Index, entries: usize) -> Result<(), Failure> {
    if entries > 1 && !index.multikey {
        catalogue::set_multikey(connection, index.number)?;
    }
    Ok(())
}

fn remove(connection: &Connection, index: &Index, entry: &[u8], document: i64) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM outlast_entries WHERE idx = ? AND entry = ? AND document = ?")?
        .execute(params![index.number, entry, document])?;
    Ok(())
}

fn check_unique(
    connection: &Connection,
    name: &str,
    index: &Index,
    entries: &[Vec<u8>],
    own: Option<i64>,
    document: &RawDocument,
) -> Result<(), Fault> {
    let mut find = connection
        .prepare_cached("SELECT 1 FROM outlast_entries WHERE idx = ? AND entry = ? AND document IS NOT ? LIMIT 1")?;
    for entry in entries {
        if find.exists(params![index.number, entry, own])? {
            return Err(duplicate(name, index.spec.name(), index.spec.pattern(), index.spec.values(document)).into());
        }
    }
    Ok(())
}

/// The error of an `_id` that is taken.
pub(super) fn taken_id(name: &str, id: &Bson) -> Error {
    duplicate(name, "_id_", doc! { "_id": 1 }, doc! { "_id": id })
}

fn duplicate(name: &str, index: &str, pattern: Document, values: Document) -> Error {
    let message = format!("duplicate key: the index {index} of {name} has a document with {values} already");
    let details = doc! { "keyPattern": pattern, "keyValue": values };
    Error::of(ErrorKind::Conflict, message)
        .with_code(DUPLICATE_KEY)
        .with_data(|data| data.details = Some(details))
        .into_terminal()
}

/// Makes the entries of all documents in a new index.
pub(super) fn fill(connection: &Connection, name: &str, collection: i64, index: &Index) -> Result<(), Fault> {
    let mut documents =
        connection.prepare_cached("SELECT n, body FROM outlast_documents WHERE collection = ? ORDER BY n")?;
    let mut rows = documents.query([collection])?;
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        let body = row.get_ref(1)?.as_blob().map_err(|error| super::read::damaged(name, error))?;
        let document = RawDocument::from_bytes(body).map_err(|error| super::read::damaged(name, error))?;
        let entries = index.spec.entries(document)?;
        if index.spec.is_unique() {
            check_unique(connection, name, index, &entries, Some(number), document)?;
        }
        add(connection, index, &entries, number)?;
    }
    Ok(())
}
