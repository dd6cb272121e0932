//! Which collections and indexes there are: read once, kept by each thread of the store for its one connection, and read
//! again when `meta.catalogue` has changed. Its value is drawn anew with every change, so that a change which was rolled
//! back is never taken for the next one. Inside a group, where nobody else writes, the writer looks at it once.

use std::cell::RefCell;
use std::rc::Rc;

use bson::Document;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::failure::Failure;
use super::super::schema::set_meta;
use crate::data::index::IndexSpec;
use crate::hashing::FastMap;

/// A collection.
#[derive(Debug)]
pub(super) struct Collection {
    /// Its number in the tables.
    pub(super) number: i64,
    /// Its indexes, without the one of `_id`, in the order in which they were made.
    pub(super) indexes: Vec<Index>,
}

/// An index.
#[derive(Debug)]
pub(super) struct Index {
    /// Its number in the tables.
    pub(super) number: i64,
    pub(super) spec: IndexSpec,
    /// Some document has more than one entry.
    pub(super) multikey: bool,
}

#[derive(Default)]
struct Known {
    version: i64,
    collections: FastMap<String, Rc<Collection>>,
    /// The connection that has the group, by where it lies.
    group: Option<usize>,
    /// The version is that of the group as it stands.
    certain: bool,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

fn place(connection: &Connection) -> usize {
    std::ptr::from_ref(connection) as usize
}

/// A group begins on this connection: until the next one does, what this thread knows changes by its own doing alone.
pub(in super::super) fn begin(connection: &Connection) {
    KNOWN.with_borrow_mut(|known| (known.group, known.certain) = (Some(place(connection)), false));
}

/// The catalogue was changed in this group, or a change of it may have been taken back.
pub(in super::super) fn doubt() {
    KNOWN.with_borrow_mut(|known| known.certain = false);
}

/// The collection of this name, if there is one.
pub(super) fn find(connection: &Connection, name: &str) -> Result<Option<Rc<Collection>>, Failure> {
    let (in_group, certain) = KNOWN.with_borrow(|known| (known.group == Some(place(connection)), known.certain));
    if !(in_group && certain) {
        let version = version(connection)?;
        KNOWN.with_borrow_mut(|known| {
            if known.version != version {
                (known.version, known.collections) = (version, FastMap::default());
            }
            known.certain = in_group;
        });
    }
    if let Some(known) = KNOWN.with_borrow(|known| known.collections.get(name).cloned()) {
        return Ok(Some(known));
    }
    let number: Option<i64> = connection
        .prepare_cached("SELECT n FROM outlast_collections WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    let Some(number) = number else { return Ok(None) };
    let collection = Rc::new(Collection { number, indexes: indexes(connection, name, number)? });
    KNOWN.with_borrow_mut(|known| known.collections.insert(name.to_owned(), collection.clone()));
    Ok(Some(collection))
}

/// The collection of this name, made if it isn't there.
pub(super) fn make(connection: &Connection, name: &str) -> Result<Rc<Collection>, Failure> {
    if let Some(found) = find(connection, name)? {
        return Ok(found);
    }
    connection.prepare_cached("INSERT INTO outlast_collections (name) VALUES (?)")?.execute([name])?;
    changed(connection)?;
    find(connection, name)?.ok_or_else(|| Failure::Damaged(format!("the collection {name} can't be made")))
}

fn indexes(connection: &Connection, name: &str, collection: i64) -> Result<Vec<Index>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT n, model, multikey FROM outlast_indexes WHERE collection = ? ORDER BY n")?;
    let mut rows = statement.query([collection])?;
    let mut indexes = Vec::new();
    while let Some(row) = rows.next()? {
        let model: Vec<u8> = row.get(1)?;
        let damaged = |error: &dyn std::fmt::Display| Failure::Damaged(format!("an index of {name}: {error}"));
        let model = Document::from_reader(model.as_slice()).map_err(|error| damaged(&error))?;
        let spec = IndexSpec::stored(&model).map_err(|error| damaged(&error))?;
        indexes.push(Index { number: row.get(0)?, spec, multikey: row.get(2)? });
    }
    Ok(indexes)
}

/// Adds an index; its number. Its entries are the caller's business.
pub(super) fn add_index(connection: &Connection, collection: i64, spec: &IndexSpec) -> Result<i64, Failure> {
    let damaged = |error: &dyn std::fmt::Display| Failure::Damaged(format!("an index can't be written: {error}"));
    let model = spec.to_document().map_err(|error| damaged(&error))?;
    let model = model.to_vec().map_err(|error| damaged(&error))?;
    connection
        .prepare_cached("INSERT INTO outlast_indexes (collection, name, model) VALUES (?, ?, ?)")?
        .execute(params![collection, spec.name(), model])?;
    let number = connection.last_insert_rowid();
    changed(connection)?;
    Ok(number)
}

/// From now on the index has documents with more than one entry.
pub(super) fn set_multikey(connection: &Connection, index: i64) -> Result<(), Failure> {
    connection.prepare_cached("UPDATE outlast_indexes SET multikey = 1 WHERE n = ?")?.execute([index])?;
    changed(connection)
}

/// Removes an index with its entries.
pub(super) fn remove_index(connection: &Connection, index: i64) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM outlast_entries WHERE idx = ?")?.execute([index])?;
    connection.prepare_cached("DELETE FROM outlast_indexes WHERE n = ?")?.execute([index])?;
    changed(connection)
}

/// Removes a collection; its documents and indexes are gone already.
pub(super) fn remove(connection: &Connection, collection: i64) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM outlast_collections WHERE n = ?")?.execute([collection])?;
    changed(connection)
}

fn version(connection: &Connection) -> Result<i64, Failure> {
    let mut find = connection.prepare_cached("SELECT value FROM outlast_meta WHERE key = 'catalogue'")?;
    Ok(find.query_row([], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// Whoever knows collections looks anew.
pub(super) fn changed(connection: &Connection) -> Result<(), Failure> {
    doubt();
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Failure::Io(format!("no random bytes: {error}")))?;
    set_meta(connection, "catalogue", i64::from_le_bytes(random))
}

/// The collections that have indexes.
pub(super) fn names_with_indexes(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM outlast_collections WHERE n IN (SELECT collection FROM outlast_indexes) ORDER BY n",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}
