//! Operations on collections as stores get them, and what stores answer. Names and documents have been checked before.

use std::fmt;
use std::sync::Arc;

use bson::{Bson, Document, RawDocumentBuf, doc};

use super::models::{Hint, IndexModel, ReturnDocument, UpdateModifications};
use super::nesting;
use crate::error::{Partial, Result};
use crate::store::BoxFuture;

/// What is asked of a collection.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// The collection.
    pub(crate) collection: Arc<str>,
    /// What to do.
    pub(crate) verb: Verb,
    /// Words for the server's logs; nothing on the embedded store.
    #[allow(dead_code, reason = "the embedded store has no use for it")]
    pub(crate) comment: Option<Bson>,
    /// Whether a server's rules for documents are passed over.
    #[allow(dead_code, reason = "the embedded store has no such rules")]
    pub(crate) bypass_validation: bool,
}

/// The operations.
#[derive(Debug, Clone)]
pub(crate) enum Verb {
    /// Adds documents, each with its `_id` first.
    Insert {
        /// The documents.
        documents: Vec<RawDocumentBuf>,
        /// Whether the first failure ends it.
        ordered: bool,
        /// Whether one was asked for: its failure is the operation's own, not a write's among several.
        single: bool,
    },
    /// Documents that match.
    Find(Query),
    /// How `Find` would be run.
    Explain(Query),
    /// How many match, between `skip` and `limit` of the query.
    Count(Query),
    /// How many there are, without looking at each.
    EstimatedCount {
        /// How long the server may take.
        #[allow(dead_code, reason = "a server's alone")]
        max_time: Option<std::time::Duration>,
    },
    /// The different values of a field.
    Distinct {
        /// Its path.
        field: String,
        /// Of which documents.
        query: Query,
    },
    /// Changes, replaces, removes, adds.
    Write(Write),
    /// Several writes.
    Bulk {
        /// The writes; an insertion has its document's `_id` first.
        writes: Vec<Write>,
        /// Whether the first failure ends it.
        ordered: bool,
    },
    /// Finds one and changes it.
    FindAndModify {
        /// What to do with it.
        write: Write,
        /// Which of the two to give.
        returned: ReturnDocument,
        /// Of it, these fields.
        projection: Option<Document>,
    },
    /// Reads one document by its `_id`, and writes what the function makes of it: atomically.
    Modify {
        /// The `_id`.
        id: Bson,
        /// Gives the new document, or none to remove it. May be called more than once.
        change: Change,
    },
    /// Makes indexes.
    CreateIndexes(Vec<IndexModel>),
    /// The indexes that are there.
    ListIndexes,
    /// Removes an index by its name; all but that of `_id` without one.
    DropIndex(Option<String>),
    /// Removes the collection.
    Drop,
}

/// Which documents, in which order, and what of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) filter: Document,
    pub(crate) sort: Option<Document>,
    pub(crate) skip: u64,
    /// At most so many; 0 is no limit.
    pub(crate) limit: u64,
    pub(crate) projection: Option<Document>,
    pub(crate) hint: Option<Hint>,
    /// How many come at once from a server.
    pub(crate) batch_size: Option<u32>,
    /// How long the server may take.
    pub(crate) max_time: Option<std::time::Duration>,
    /// Variables that expressions of the filter may use.
    pub(crate) variables: Option<Document>,
    /// Whether a server may sort on its disk.
    pub(crate) allow_disk_use: Option<bool>,
}

impl Query {
    /// Whether it is for one document, by its `_id`.
    pub(crate) fn is_for_one(&self) -> bool {
        let mut fields = self.filter.iter();
        match (fields.next(), fields.next()) {
            // A document may have operators in it.
            (Some((name, value)), None) => {
                name == "_id" && !matches!(value, Bson::Document(_) | Bson::RegularExpression(_))
            }
            _ => false,
        }
    }
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    /// Adds a document.
    Insert(RawDocumentBuf),
    /// Changes documents.
    Update {
        /// Which.
        target: Target,
        /// How.
        update: UpdateModifications,
        /// What `$[name]` means.
        array_filters: Vec<Document>,
        /// Whether all that match are changed, not the first alone.
        many: bool,
        /// Whether one is made if none matches.
        upsert: bool,
    },
    /// Puts a document in another's place.
    Replace {
        /// Which.
        target: Target,
        /// The new one, without an `_id` or with the same.
        replacement: RawDocumentBuf,
        /// Whether it is added if none matches.
        upsert: bool,
    },
    /// Removes documents.
    Delete {
        /// Which.
        target: Target,
        /// Whether all that match are removed, not the first alone.
        many: bool,
    },
}

/// What a write is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    pub(crate) filter: Document,
    /// Which comes first, where one is meant.
    pub(crate) sort: Option<Document>,
    pub(crate) hint: Option<Hint>,
    /// Variables that expressions of the filter and of the update may use.
    pub(crate) variables: Option<Document>,
}

/// What becomes of a document.
#[derive(Clone)]
pub(crate) struct Change(pub(crate) Arc<ChangeFn>);

type ChangeFn = dyn Fn(Option<RawDocumentBuf>) -> Result<Option<RawDocumentBuf>> + Send + Sync;

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Change")
    }
}

impl Operation {
    /// Whether it changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        match self.verb {
            Verb::Find(_)
            | Verb::Explain(_)
            | Verb::Count(_)
            | Verb::EstimatedCount { .. }
            | Verb::Distinct { .. }
            | Verb::ListIndexes => true,
            Verb::Insert { .. }
            | Verb::Write(_)
            | Verb::Bulk { .. }
            | Verb::FindAndModify { .. }
            | Verb::Modify { .. }
            | Verb::CreateIndexes(_)
            | Verb::DropIndex(_)
            | Verb::Drop => false,
        }
    }
}

/// How many documents of an operation people are shown.
const SHOWN: usize = 10;

impl Operation {
    /// What it is, as a document for people: its collection, and what it was given.
    pub(crate) fn described(&self) -> Document {
        let mut shown = doc! { "collection": &*self.collection };
        match &self.verb {
            Verb::Insert { documents, single: true, .. } => {
                shown.extend(documents.iter().map(|document| ("document".to_owned(), readable(document))));
            }
            Verb::Insert { documents, .. } => {
                let first: Vec<Bson> = documents.iter().take(SHOWN).map(readable).collect();
                shown.insert("documents", first);
                if documents.len() > SHOWN {
                    shown.insert("of", documents.len() as i64);
                }
            }
            Verb::Find(query) | Verb::Explain(query) | Verb::Count(query) => query.describe(&mut shown),
            Verb::Distinct { field, query } => {
                shown.insert("field", field);
                query.describe(&mut shown);
            }
            Verb::Write(write) | Verb::FindAndModify { write, .. } => shown.extend(write.described()),
            Verb::Bulk { writes, .. } => {
                let first: Vec<Document> = writes.iter().take(SHOWN).map(Write::described).collect();
                shown.insert("writes", first);
                if writes.len() > SHOWN {
                    shown.insert("of", writes.len() as i64);
                }
            }
            Verb::Modify { id, .. } => {
                shown.insert("_id", id);
            }
            Verb::CreateIndexes(models) => {
                let keys: Vec<Document> = models.iter().map(|model| model.keys.clone()).collect();
                shown.insert("indexes", keys);
            }
            Verb::DropIndex(name) => {
                shown.insert("index", name.as_deref().unwrap_or("*"));
            }
            Verb::EstimatedCount { .. } | Verb::ListIndexes | Verb::Drop => (),
        }
        shown
    }
}

fn readable(document: &RawDocumentBuf) -> Bson {
    Document::try_from(document).unwrap_or_default().into()
}

impl Query {
    fn describe(&self, shown: &mut Document) {
        shown.insert("filter", &self.filter);
        for (name, value) in [("sort", &self.sort), ("projection", &self.projection)] {
            if let Some(value) = value {
                shown.insert(name, value);
            }
        }
        for (name, value) in [("skip", self.skip), ("limit", self.limit)] {
            if value > 0 {
                shown.insert(name, value as i64);
            }
        }
    }
}

impl Write {
    fn described(&self) -> Document {
        match self {
            Self::Insert(document) => doc! { "document": readable(document) },
            Self::Update { target, update, .. } => {
                let update = match update {
                    UpdateModifications::Document(update) => Bson::Document(update.clone()),
                    UpdateModifications::Pipeline(stages) => stages.clone().into(),
                };
                doc! { "filter": &target.filter, "update": update }
            }
            Self::Replace { target, replacement, .. } => {
                doc! { "filter": &target.filter, "replacement": readable(replacement) }
            }
            Self::Delete { target, .. } => doc! { "filter": &target.filter },
        }
    }
}

impl Verb {
    /// Refuses documents that are nested so deep that nothing may recurse into them. Those to store have been looked at
    /// when they were serialized.
    pub(super) fn check_nesting(&self) -> Result<()> {
        match self {
            Self::Find(query) | Self::Explain(query) | Self::Count(query) | Self::Distinct { query, .. } => {
                let perhaps = [&query.sort, &query.projection, &query.variables].map(Option::as_ref);
                all_within(&query.filter, perhaps, query.hint.as_ref())
            }
            Self::Write(write) => write.check_nesting(),
            Self::Bulk { writes, .. } => writes.iter().try_for_each(Write::check_nesting),
            Self::FindAndModify { write, projection, .. } => {
                projection.iter().try_for_each(nesting::check_bound)?;
                write.check_nesting()
            }
            Self::CreateIndexes(models) => models.iter().try_for_each(|model| {
                let partial = model.options.as_ref().and_then(|options| options.partial_filter_expression.as_ref());
                [&model.keys].into_iter().chain(partial).try_for_each(nesting::check_bound)
            }),
            Self::Insert { .. }
            | Self::EstimatedCount { .. }
            | Self::Modify { .. }
            | Self::ListIndexes
            | Self::DropIndex(_)
            | Self::Drop => Ok(()),
        }
    }
}

impl Write {
    fn check_nesting(&self) -> Result<()> {
        let target = match self {
            Self::Insert(_) => return Ok(()),
            Self::Update { target, update, array_filters, .. } => {
                array_filters.iter().try_for_each(nesting::check_bound)?;
                match update {
                    UpdateModifications::Document(update) => nesting::check_bound(update)?,
                    UpdateModifications::Pipeline(stages) => stages.iter().try_for_each(nesting::check_bound)?,
                }
                target
            }
            Self::Replace { target, .. } | Self::Delete { target, .. } => target,
        };
        all_within(&target.filter, [&target.sort, &target.variables].map(Option::as_ref), target.hint.as_ref())
    }
}

fn all_within<const N: usize>(filter: &Document, perhaps: [Option<&Document>; N], hint: Option<&Hint>) -> Result<()> {
    let keys = match hint {
        Some(Hint::Keys(keys)) => Some(keys),
        Some(Hint::Name(_)) | None => None,
    };
    [filter].into_iter().chain(perhaps.into_iter().flatten()).chain(keys).try_for_each(nesting::check_bound)
}

/// What an operation gave.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The `_id`s of new documents.
    Inserted(Vec<Bson>),
    /// The documents found.
    Documents(Vec<RawDocumentBuf>),
    /// The documents found, a batch at a time: outside transactions alone.
    Rows(Box<dyn Rows>),
    /// The document found, changed, or removed.
    Document(Option<RawDocumentBuf>),
    /// How many.
    Count(u64),
    /// The different values.
    Values(Vec<Bson>),
    /// What writes did.
    Wrote(Partial),
    /// Indexes, or their names.
    Indexes(Vec<IndexModel>),
    /// It is done.
    Done,
}

impl Reply {
    /// What it is, without a word of what it holds.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Inserted(_) => "ids",
            Self::Documents(_) => "documents",
            Self::Rows(_) => "rows",
            Self::Document(_) => "a document",
            Self::Count(_) => "a count",
            Self::Values(_) => "values",
            Self::Wrote(_) => "what was written",
            Self::Indexes(_) => "indexes",
            Self::Done => "done",
        }
    }
}

/// Documents on their way from a store.
pub(crate) trait Rows: Send + fmt::Debug {
    /// The next ones; none at the end. Not to be called again after an error.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<RawDocumentBuf>>>;
}
