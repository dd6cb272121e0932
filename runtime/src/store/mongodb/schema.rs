//! The collections, their indexes and their version. `docs/mongodb-store.md` describes them.

use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};

use super::failure::{Fault, is_duplicate};
use super::import::half_filled;
use super::shared::Failing;
use super::{bytes, random};
use crate::data::collection::RESERVED;
use crate::error::{Error, ErrorKind};
use crate::store::Stamp;

/// What this build writes. A newer one only adds.
const VERSION: i32 = 1;

/// `status` of one that is owned, due or waiting; an ended one has the number of its `End`.
pub(super) const OPEN: i32 = 0;
/// `status` of one that is parked.
pub(super) const PARKED: i32 = 4;
/// `status` of one of which only id and digest are left.
pub(super) const TOMBSTONE: i32 = -1;

/// The index of what is due: only what nobody owns is in it.
pub(super) const DUE: &str = "due";

/// outlast's own collections.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) meta: Collection<Document>,
    pub(super) workers: Collection<Document>,
    pub(super) executions: Collection<Document>,
    pub(super) log: Collection<Document>,
    pub(super) inbox: Collection<Document>,
    pub(super) blobs: Collection<Document>,
}

/// What a store is, once it is there.
pub(super) struct Found {
    pub(super) digest_key: Vec<u8>,
    pub(super) incarnation: String,
    /// The server finds ranges of the log by an index of its own, since it doesn't by `_id`.
    pub(super) indexed_log: bool,
}

impl Tables {
    pub(super) fn of(database: &Database) -> Self {
        let table = |name: &str| database.collection(&format!("{RESERVED}{name}"));
        Self {
            meta: table("meta"),
            workers: table("workers"),
            executions: table("executions"),
            log: table("log"),
            inbox: table("inbox"),
            blobs: table("blobs"),
        }
    }
}

/// Makes what is missing. Any number of workers may start at once: one of them makes the key.
pub(super) async fn prepare(
    database: &Database,
    tables: &Tables,
    failing: &Failing<'_>,
    may_make: bool,
) -> Result<Option<Found>, Fault> {
    // Who may write nothing yet learns it from a store that is refused, so the version comes first.
    let mut there = found(tables, failing).await?;
    if there.is_none() {
        if !may_make {
            return Ok(None);
        }
        make(tables, failing).await?;
        there = found(tables, failing).await?;
    }
    let found = there.ok_or_else(|| Failing::damaged("its collection `outlast.meta` has no document `store`"))?;
    if may_make {
        make_indexes(tables, failing).await?;
    }
    let indexed_log = !ranges_by_id(database, tables).await;
    if may_make && indexed_log {
        let model = index("by_execution", doc! { "_id.e": 1, "_id.p": 1 }, false);
        tables.log.create_index(model).await.map_err(|error| failing.of(&error))?;
    }
    Ok(Some(Found { indexed_log, ..found }))
}

async fn found(tables: &Tables, failing: &Failing<'_>) -> Result<Option<Found>, Fault> {
    let found = tables.meta.find_one(doc! { "_id": "store" }).await.map_err(|error| failing.of(&error))?;
    let Some(mut store) = found else { return Ok(None) };
    match store.get_i32("version") {
        Ok(version) if (1..=VERSION).contains(&version) => {}
        Ok(version) => {
            let text = format!(
                "the store has schema version {version}, this build of outlast {} knows versions up to {VERSION}: use \
                 the release that wrote it, or a later one",
                env!("CARGO_PKG_VERSION"),
            );
            return Err(Error::of(ErrorKind::Damaged, text).into());
        }
        Err(_) => return Err(Failing::damaged("its collection `outlast.meta` has no version").into()),
    }
    if store.contains_key("importing") {
        return Err(half_filled(tables.meta.namespace().db.as_str()).into());
    }
    let digest_key = bytes(&mut store, "digest_key")
        .ok_or_else(|| Failing::damaged("its collection `outlast.meta` has no digest key"))?;
    let incarnation = store.get_str("incarnation").unwrap_or_default().to_owned();
    Ok(Some(Found { digest_key, incarnation, indexed_log: false }))
}

/// The one document that makes a database a store. Of several that are made at once, the first stands.
async fn make(tables: &Tables, failing: &Failing<'_>) -> Result<(), Fault> {
    let random: [u8; 32] = random()?;
    let now = Stamp::now().0;
    let store = doc! {
        "_id": "store",
        "version": VERSION,
        "digest_key": binary(random[..16].to_vec()),
        "incarnation": crate::digest::hex(&random[16..]),
        "created": now,
        "purge_clock": now,
    };
    match tables.meta.insert_one(store).await {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Ok(()),
        Err(error) => Err(failing.of(&error).into()),
    }
}

fn index(name: &str, keys: Document, sparse: bool) -> IndexModel {
    // Sparse: what doesn't have the fields costs nothing.
    let options = IndexOptions::builder().name(name.to_owned()).sparse(sparse.then_some(true)).build();
    IndexModel::builder().keys(keys).options(options).build()
}

async fn make_indexes(tables: &Tables, failing: &Failing<'_>) -> Result<(), Fault> {
    let executions = [
        index(DUE, doc! { "queue": 1, "due": 1 }, true),
        index("owner", doc! { "owner": 1, "mail": 1 }, true),
        index("created", doc! { "created": -1, "_id": -1 }, false),
        index("parent", doc! { "parent": 1 }, true),
        index("ended", doc! { "ended": 1 }, true),
        index("gone", doc! { "gone": 1 }, true),
        index("until_build", doc! { "until_build": 1 }, true),
        index("tell", doc! { "tell": 1 }, true),
    ];
    tables.executions.create_indexes(executions).await.map_err(|error| failing.of(&error))?;
    let inbox = index("by_execution", doc! { "e": 1, "at": 1 }, true);
    tables.inbox.create_index(inbox).await.map_err(|error| failing.of(&error))?;
    Ok(())
}

/// Whether a range of documents as `_id` is found by the index of `_id`: MongoDB does, servers that only speak its
/// protocol may read the whole collection.
async fn ranges_by_id(database: &Database, tables: &Tables) -> bool {
    let range = doc! { "_id": { "$gte": { "e": "", "p": 0_i64 }, "$lt": { "e": "", "p": 1_i64 } } };
    let command = doc! { "explain": { "find": tables.log.name(), "filter": range }, "verbosity": "queryPlanner" };
    // One that can't explain is taken for MongoDB: the other way is only slower.
    match database.run_command(command).await {
        Ok(plan) => !plan.to_string().contains("COLLSCAN"),
        Err(_) => true,
    }
}

/// Bytes as a value of a document.
pub(super) fn binary(bytes: Vec<u8>) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
}
