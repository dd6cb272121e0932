//! What operations are told: models of indexes and of writes, and small words, in the names of MongoDB's own driver.

use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf};
use serde::{Deserialize, Serialize};

use super::operation::{Target, Write};
use crate::error::Result;

/// Which document `find_one_and_update` and its like give.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReturnDocument {
    /// As it was before.
    #[default]
    Before,
    /// As it is after.
    After,
}

/// The index that an operation should use. The embedded store chooses by itself, and accepts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Hint {
    /// By its keys.
    Keys(Document),
    /// By its name.
    Name(String),
}

impl From<Document> for Hint {
    fn from(keys: Document) -> Self {
        Self::Keys(keys)
    }
}

impl From<&str> for Hint {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

/// How documents are changed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum UpdateModifications {
    /// By update operators.
    Document(Document),
    /// By an aggregation pipeline. The embedded store has a few stages and expressions, and names the others.
    Pipeline(Vec<Document>),
}

impl From<Document> for UpdateModifications {
    fn from(update: Document) -> Self {
        Self::Document(update)
    }
}

impl From<Vec<Document>> for UpdateModifications {
    fn from(pipeline: Vec<Document>) -> Self {
        Self::Pipeline(pipeline)
    }
}

/// An index.
///
/// ```
/// use outlast::{IndexModel, IndexOptions, bson::doc};
///
/// let model = IndexModel::builder()
///     .keys(doc! { "email": 1 })
///     .options(IndexOptions::builder().unique(true).build())
///     .build();
/// assert_eq!(model.keys, doc! { "email": 1 });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IndexModel {
    /// The fields, each with 1 (ascending) or -1 (descending).
    #[serde(rename = "key")]
    pub keys: Document,
    /// What else it is to be.
    #[serde(flatten)]
    pub options: Option<IndexOptions>,
}

impl IndexModel {
    /// Makes one piece by piece.
    pub fn builder() -> IndexModelBuilder {
        IndexModelBuilder(Self::default())
    }
}

/// See [`IndexModel::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct IndexModelBuilder(IndexModel);

impl IndexModelBuilder {
    /// The fields, each with 1 (ascending) or -1 (descending).
    pub fn keys(mut self, keys: Document) -> Self {
        self.0.keys = keys;
        self
    }

    /// What else it is to be.
    pub fn options(mut self, options: impl Into<Option<IndexOptions>>) -> Self {
        self.0.options = options.into();
        self
    }

    /// The model.
    pub fn build(self) -> IndexModel {
        self.0
    }
}

/// What an index is to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IndexOptions {
    /// Its name; made of its fields if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// No two documents have the same keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<bool>,
    /// Documents without its fields aren't in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparse: Option<bool>,
    /// Only documents that match are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_filter_expression: Option<Document>,
    /// Documents are removed so long after the time in its one field: whole seconds.
    #[serde(rename = "expireAfterSeconds", default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub expire_after: Option<Duration>,
}

impl IndexOptions {
    /// Makes them piece by piece.
    pub fn builder() -> IndexOptionsBuilder {
        IndexOptionsBuilder(Self::default())
    }
}

/// See [`IndexOptions::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct IndexOptionsBuilder(IndexOptions);

impl IndexOptionsBuilder {
    /// Its name; made of its fields if there is none.
    pub fn name(mut self, name: impl Into<Option<String>>) -> Self {
        self.0.name = name.into();
        self
    }

    /// Whether no two documents may have the same keys.
    pub fn unique(mut self, unique: impl Into<Option<bool>>) -> Self {
        self.0.unique = unique.into();
        self
    }

    /// Whether documents without its fields are left out.
    pub fn sparse(mut self, sparse: impl Into<Option<bool>>) -> Self {
        self.0.sparse = sparse.into();
        self
    }

    /// Only documents that match are in it.
    pub fn partial_filter_expression(mut self, filter: impl Into<Option<Document>>) -> Self {
        self.0.partial_filter_expression = filter.into();
        self
    }

    /// Documents are removed so long after the time in its one field: whole seconds.
    pub fn expire_after(mut self, expire_after: impl Into<Option<Duration>>) -> Self {
        self.0.expire_after = expire_after.into();
        self
    }

    /// The options.
    pub fn build(self) -> IndexOptions {
        self.0
    }
}

/// A duration as MongoDB writes it: seconds, as any number.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| i64::try_from(value.as_secs()).unwrap_or(i64::MAX)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
    }
}

/// One of the writes of `bulk_write`.
///
/// ```
/// use outlast::{WriteModel, bson::{Document, doc}};
///
/// let writes: Vec<WriteModel<Document>> = vec![
///     WriteModel::insert_one(doc! { "_id": 1 }),
///     WriteModel::update_one(doc! { "_id": 2 }, doc! { "$inc": { "n": 1 } }).upsert(true),
///     WriteModel::delete_many(doc! { "done": true }),
/// ];
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct WriteModel<T> {
    pub(super) write: ModelOf<T>,
}

/// A write whose documents are still the user's.
#[derive(Debug, Clone)]
pub(super) enum ModelOf<T> {
    Insert(T),
    Update { target: Target, update: UpdateModifications, array_filters: Vec<Document>, many: bool, upsert: bool },
    Replace { target: Target, replacement: T, upsert: bool },
    Delete { target: Target, many: bool },
}

impl<T> WriteModel<T> {
    /// Adds a document.
    pub fn insert_one(document: T) -> Self {
        Self { write: ModelOf::Insert(document) }
    }

    /// Changes the first document that matches.
    pub fn update_one(filter: Document, update: impl Into<UpdateModifications>) -> Self {
        Self::update(filter, update.into(), false)
    }

    /// Changes all documents that match.
    pub fn update_many(filter: Document, update: impl Into<UpdateModifications>) -> Self {
        Self::update(filter, update.into(), true)
    }

    fn update(filter: Document, update: UpdateModifications, many: bool) -> Self {
        let target = Target { filter, ..Target::default() };
        Self { write: ModelOf::Update { target, update, array_filters: Vec::new(), many, upsert: false } }
    }

    /// Puts a document in the place of the first that matches.
    pub fn replace_one(filter: Document, replacement: T) -> Self {
        let target = Target { filter, ..Target::default() };
        Self { write: ModelOf::Replace { target, replacement, upsert: false } }
    }

    /// Removes the first document that matches.
    pub fn delete_one(filter: Document) -> Self {
        Self { write: ModelOf::Delete { target: Target { filter, ..Target::default() }, many: false } }
    }

    /// Removes all documents that match.
    pub fn delete_many(filter: Document) -> Self {
        Self { write: ModelOf::Delete { target: Target { filter, ..Target::default() }, many: true } }
    }

    /// Whether a document is added if none matches an update or a replacement.
    pub fn upsert(mut self, upsert: bool) -> Self {
        if let ModelOf::Update { upsert: set, .. } | ModelOf::Replace { upsert: set, .. } = &mut self.write {
            *set = upsert;
        }
        self
    }

    /// What `$[name]` in an update means.
    pub fn array_filters(mut self, array_filters: impl IntoIterator<Item = Document>) -> Self {
        if let ModelOf::Update { array_filters: set, .. } = &mut self.write {
            *set = array_filters.into_iter().collect();
        }
        self
    }

    /// Which document comes first, where one is meant.
    pub fn sort(mut self, sort: Document) -> Self {
        if let Some(target) = self.target() {
            target.sort = Some(sort);
        }
        self
    }

    /// The index to use.
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        if let Some(target) = self.target() {
            target.hint = Some(hint.into());
        }
        self
    }

    pub(super) fn target(&mut self) -> Option<&mut Target> {
        match &mut self.write {
            ModelOf::Insert(_) => None,
            ModelOf::Update { target, .. } | ModelOf::Replace { target, .. } | ModelOf::Delete { target, .. } => {
                Some(target)
            }
        }
    }

    /// The write as stores get it.
    pub(super) fn into_write(
        self,
        insertion: impl Fn(&T) -> Result<RawDocumentBuf>,
        replacement: impl Fn(&T) -> Result<RawDocumentBuf>,
    ) -> Result<Write> {
        Ok(match self.write {
            ModelOf::Insert(document) => Write::Insert(insertion(&document)?),
            ModelOf::Update { target, update, array_filters, many, upsert } => {
                Write::Update { target, update, array_filters, many, upsert }
            }
            ModelOf::Replace { target, replacement: document, upsert } => {
                Write::Replace { target, replacement: replacement(&document)?, upsert }
            }
            ModelOf::Delete { target, many } => Write::Delete { target, many },
        })
    }
}

/// The `_id` of a document's bytes.
pub(crate) fn id_of(document: &bson::RawDocument) -> Option<Bson> {
    document.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok())
}
