//! What the URI asks for the application's own operations. What can't be had is said at the start, not by the first
//! operation, or by none.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::Database;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadConcernLevel, ReadPreference, SelectionCriteria,
};

use super::failure::{code, words};
use crate::error::{Error, ErrorKind, Result};

/// Refuses what no server can do.
pub(super) fn check(options: &ClientOptions) -> Result<()> {
    let refused = |text: String| Err(Error::of(ErrorKind::Invalid, text));
    if options.write_concern.as_ref().is_some_and(|concern| concern.w == Some(Acknowledgment::Nodes(0))) {
        return refused(
            "`w=0` in OUTLAST_STORE: nobody would learn whether a write was done, or that it was refused; leave it out, or \
             write w=1 or w=majority"
                .into(),
        );
    }
    let elsewhere =
        preference(options.selection_criteria.as_ref()).is_some_and(|from| *from != ReadPreference::Primary);
    match options.read_concern.as_ref().map(|concern| &concern.level) {
        Some(ReadConcernLevel::Custom(level)) => refused(format!(
            "`readConcernLevel={level}` in OUTLAST_STORE: MongoDB has local, available, majority, linearizable and snapshot"
        )),
        Some(ReadConcernLevel::Linearizable) if elsewhere => refused(
            "`readConcernLevel=linearizable` in OUTLAST_STORE: that is for reads from the primary alone; leave \
             `readPreference` out, or take another level"
                .into(),
        ),
        _ => Ok(()),
    }
}

fn preference(criteria: Option<&SelectionCriteria>) -> Option<&ReadPreference> {
    match criteria {
        Some(SelectionCriteria::ReadPreference(preference)) => Some(preference),
        _ => None,
    }
}

/// Refuses reads from secondaries of a set that has none. Those of one that has some come back.
pub(super) fn check_members(plain: &Database, direct: bool, hello: &Document) -> Result<()> {
    let members = |list: &str| hello.get_array(list).map_or(0, Vec::len);
    let alone = hello.contains_key("setName") && members("hosts") + members("passives") == 1;
    if alone && !direct && matches!(preference(plain.selection_criteria()), Some(ReadPreference::Secondary { .. })) {
        let text = "`readPreference=secondary` in OUTLAST_STORE: the set has one member, and it is the primary; write \
                    secondaryPreferred, or leave it out";
        return Err(Error::of(ErrorKind::Invalid, text));
    }
    Ok(())
}

/// Asks the server for a write of nothing as the URI wants writes: whether it has so many members, or this name.
pub(super) async fn try_out(plain: &Database, limit: Duration) -> Result<()> {
    let asked = match plain.write_concern().and_then(|concern| concern.w.clone()) {
        Some(Acknowledgment::Nodes(count)) if count > 1 => count.to_string(),
        Some(Acknowledgment::Custom(name)) => name,
        _ => return Ok(()),
    };
    let meta = plain.collection::<Document>("outlast.meta");
    let nothing = meta.update_one(doc! { "_id": "nobody" }, doc! { "$set": { "tried": true } });
    // Members that are away come back: only what the server says is a word on the matter.
    let Ok(Err(error)) = tokio::time::timeout(limit / 2, nothing.into_future()).await else { return Ok(()) };
    match code(&error) {
        Some(UNSATISFIABLE | UNKNOWN_MODE) => Err(Error::of(
            ErrorKind::Invalid,
            format!(
                "`w={asked}` in OUTLAST_STORE can't be had from this server: {}; leave it out, or write w=majority",
                words(&error)
            ),
        )),
        _ => Ok(()),
    }
}

/// MongoDB's codes for more members than there are, and for a write concern of an unknown name.
const UNSATISFIABLE: i32 = 100;
const UNKNOWN_MODE: i32 = 79;

/// The concern of an estimate where the URI has one that MongoDB's `count` doesn't know.
pub(super) fn of_estimates(asked: Option<&ReadConcern>) -> Option<ReadConcern> {
    asked.filter(|concern| concern.level == ReadConcernLevel::Snapshot).map(|_| ReadConcern::local())
}
