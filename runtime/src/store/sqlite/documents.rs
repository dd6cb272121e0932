//! Documents in the file: collections, their indexes, and the operations on them, run on whatever connection is at hand.
//!
//! The way of an operation: [`plan`] (which documents to look at) → [`read`] (those that match, in order) → [`write`]
//! (documents, [`entries`] of indexes, the change log). [`catalogue`] knows what there is. What a filter or an update
//! means is `crate::data`'s business. An operation that answers with an error has written nothing, but for several
//! writes in one, which say what they did.

use std::ops::ControlFlow;

use bson::{DateTime, RawDocumentBuf, Timestamp};
use rusqlite::Connection;

use self::read::find;
use self::write::Desk;
use super::failure::{Failure, Fault};
use crate::data::models::IndexModel;
use crate::data::operation::Verb;
use crate::data::{Operation, Reply};
use crate::store::Stamp;

pub(super) mod catalogue;
mod entries;
mod indexes;
mod plan;
mod read;
pub(super) mod rows;
#[cfg(test)]
mod tests;
mod write;

/// When an operation happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The group's commit stamp.
    pub(super) stamp: Stamp,
    /// For `$currentDate`.
    now: DateTime,
    timestamp: Timestamp,
}

impl Moment {
    pub(super) fn at(stamp: Stamp) -> Self {
        let seconds = u32::try_from(stamp.0 / 1000).unwrap_or_default();
        Self { stamp, now: DateTime::from_millis(stamp.0), timestamp: Timestamp { time: seconds, increment: 1 } }
    }
}

/// Runs an operation; documents that are found are all read.
pub(super) fn run(connection: &Connection, stamp: Stamp, operation: &Operation) -> Result<Reply, Fault> {
    let name = &*operation.collection;
    let desk = Desk { connection, name, moment: Moment::at(stamp) };
    Ok(match &operation.verb {
        Verb::Insert { documents, ordered, single } => Reply::Inserted(desk.insert(documents, *ordered, *single)?),
        Verb::Find(query) => {
            let mut all = Vec::new();
            find(connection, name, query, &mut |document| {
                all.push(document);
                Ok(ControlFlow::Continue(()))
            })?;
            Reply::Documents(all)
        }
        Verb::Explain(query) => Reply::Document(Some(read::explain(connection, name, query)?)),
        Verb::Count(query) => Reply::Count(read::count(connection, name, query)?),
        Verb::EstimatedCount { .. } => Reply::Count(read::count_all(connection, name)?),
        Verb::Distinct { field, query } => Reply::Values(read::distinct(connection, name, field, query)?),
        Verb::Write(write) => Reply::Wrote(desk.write(write)?),
        Verb::Bulk { writes, ordered } => Reply::Wrote(desk.bulk(writes, *ordered)?),
        Verb::FindAndModify { write, returned, projection } => {
            Reply::Document(desk.find_and_modify(write, *returned, projection.as_ref())?)
        }
        Verb::Modify { id, change } => Reply::Document(desk.modify(id, change)?),
        Verb::CreateIndexes(models) => Reply::Indexes(indexes::create(&desk, models)?),
        Verb::ListIndexes => Reply::Indexes(indexes::list(connection, name)?),
        Verb::DropIndex(index) => {
            indexes::remove(connection, name, index.as_deref())?;
            Reply::Done
        }
        Verb::Drop => {
            indexes::drop_collection(&desk)?;
            Reply::Done
        }
    })
}

/// The indexes of a collection, but that of `_id`.
pub(super) fn own_indexes(connection: &Connection, name: &str) -> Result<Vec<IndexModel>, Failure> {
    let collection = catalogue::find(connection, name)?;
    Ok(collection.iter().flat_map(|collection| collection.indexes.iter().map(|index| index.spec.to_model())).collect())
}

/// Makes a collection with its indexes, for an import.
pub(super) fn make(connection: &Connection, name: &str, models: &[IndexModel]) -> Result<(), Fault> {
    catalogue::make(connection, name)?;
    indexes::make(connection, name, models).map(drop)
}

/// The collections were taken out as a whole.
pub(super) fn forget(connection: &Connection) -> Result<(), Failure> {
    catalogue::changed(connection)
}

/// Puts documents into a collection, for an import.
pub(super) fn put(
    connection: &Connection,
    stamp: Stamp,
    name: &str,
    documents: &[RawDocumentBuf],
) -> Result<(), Fault> {
    Desk { connection, name, moment: Moment::at(stamp) }.insert(documents, true, true).map(drop)
}

/// Removes documents whose time is over, of any collection, at most so many: how many those were.
pub(super) fn expire(connection: &Connection, stamp: Stamp, most: usize) -> Result<usize, Fault> {
    let mut expired = 0;
    for name in catalogue::names_with_indexes(connection)? {
        let desk = Desk { connection, name: &name, moment: Moment::at(stamp) };
        expired += indexes::expire(&desk, most - expired)?;
        if expired >= most {
            break;
        }
    }
    Ok(expired)
}
