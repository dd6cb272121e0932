//! Indexes and collections: made, listed, removed; and documents whose time is over.

use std::ops::ControlFlow;

use bson::{Bson, doc};
use rusqlite::Connection;

use super::super::failure::Fault;
use super::catalogue::{self, Index};
use super::entries;
use super::read::Found;
use super::write::Desk;
use crate::data::index::{self, IndexSpec};
use crate::data::models::IndexModel;
use crate::data::operation::Target;
use crate::error::{Error, ErrorKind};
use crate::hashing::FastSet;

/// MongoDB's codes.
const INDEX_NOT_FOUND: i32 = 27;
const INDEX_OPTIONS_CONFLICT: i32 = 85;
const INDEX_KEY_SPECS_CONFLICT: i32 = 86;
const INVALID_OPTIONS: i32 = 72;

/// Makes indexes: all of them, or none. What is there already, alike, stays.
pub(super) fn create(desk: &Desk<'_>, models: &[IndexModel]) -> Result<Vec<IndexModel>, Fault> {
    desk.whole(|| make(desk.connection, desk.name, models))
}

pub(super) fn make(connection: &Connection, name: &str, models: &[IndexModel]) -> Result<Vec<IndexModel>, Fault> {
    let specs = models.iter().map(IndexSpec::parse).collect::<crate::Result<Vec<_>>>()?;
    for spec in &specs {
        if spec.is_of_id() {
            continue;
        }
        let collection = catalogue::make(connection, name)?;
        if is_there(name, &collection.indexes, spec)? {
            continue;
        }
        let number = catalogue::add_index(connection, collection.number, spec)?;
        entries::fill(connection, name, collection.number, &Index { number, spec: spec.clone(), multikey: false })?;
    }
    Ok(specs.iter().map(IndexSpec::to_model).collect())
}

fn is_there(name: &str, indexes: &[Index], spec: &IndexSpec) -> Result<bool, Error> {
    for index in indexes {
        let (same_name, same_keys) = (index.spec.name() == spec.name(), index.spec.has_keys_of(spec));
        if same_name && same_keys && index.spec == *spec {
            return Ok(true);
        }
        let code = match (same_name, same_keys) {
            (_, true) if index.spec.is_same_set(spec) => INDEX_OPTIONS_CONFLICT,
            (true, _) => INDEX_KEY_SPECS_CONFLICT,
            (false, _) => continue,
        };
        let message = format!(
            "{name} has an index {} with other keys, options or name than {}: drop it first, or give the new one another \
             name and other keys",
            index.spec.name(),
            spec.name()
        );
        return Err(Error::of(ErrorKind::Conflict, message).with_code(code).into_terminal());
    }
    Ok(false)
}

/// All indexes, with that of `_id` first.
pub(super) fn list(connection: &Connection, name: &str) -> Result<Vec<IndexModel>, Fault> {
    let Some(collection) = catalogue::find(connection, name)? else { return Ok(Vec::new()) };
    let own = collection.indexes.iter().map(|index| index.spec.to_model());
    Ok(std::iter::once(index::of_id()).chain(own).collect())
}

/// Removes an index by its name, or all but that of `_id`.
pub(super) fn remove(connection: &Connection, name: &str, index: Option<&str>) -> Result<(), Fault> {
    let collection = catalogue::find(connection, name)?;
    let indexes = collection.as_ref().map_or(&[][..], |collection| &collection.indexes);
    let Some(wanted) = index else {
        for index in indexes {
            catalogue::remove_index(connection, index.number)?;
        }
        return Ok(());
    };
    if wanted == "_id_" {
        let error = Error::of(ErrorKind::Invalid, "the index of _id can't be dropped").with_code(INVALID_OPTIONS);
        return Err(error.into_terminal().into());
    }
    let Some(index) = indexes.iter().find(|index| index.spec.name() == wanted) else {
        let message = format!("{name} has no index {wanted}: list_index_names says which it has");
        return Err(Error::of(ErrorKind::NotFound, message).with_code(INDEX_NOT_FOUND).into_terminal().into());
    };
    Ok(catalogue::remove_index(connection, index.number)?)
}

/// Removes a collection with all that is in it.
pub(super) fn drop_collection(desk: &Desk<'_>) -> Result<(), Fault> {
    let Some(collection) = catalogue::find(desk.connection, desk.name)? else { return Ok(()) };
    for index in &collection.indexes {
        catalogue::remove_index(desk.connection, index.number)?;
    }
    desk.remove_all(&collection)?;
    Ok(catalogue::remove(desk.connection, collection.number)?)
}

/// Removes documents whose time is over, at most so many: how many those were.
pub(super) fn expire(desk: &Desk<'_>, most: usize) -> Result<usize, Fault> {
    let Some(collection) = catalogue::find(desk.connection, desk.name)? else { return Ok(0) };
    let mut over: Vec<Found> = Vec::new();
    for index in &collection.indexes {
        let Some(before) = index.spec.expired_before(desk.moment.now) else { continue };
        let Some(path) = index.spec.keys().next().map(|(path, _)| path) else { continue };
        // An array of times is over with its first one, as any element that is less matches.
        let filter = doc! { path: { "$lt": Bson::DateTime(before) } };
        let search = super::read::Search::to_write(&Target { filter, ..Target::default() }, true)?;
        search.run(desk.connection, desk.name, &mut |found| {
            // What isn't in the index never expires.
            if index.spec.partial().is_none_or(|partial| partial.matches(&found.body)) {
                over.push(found);
            }
            Ok(if over.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        if over.len() >= most {
            break;
        }
    }
    let mut seen = FastSet::default();
    over.retain(|found| seen.insert(found.number));
    for found in &over {
        desk.remove(found)?;
    }
    Ok(over.len())
}
