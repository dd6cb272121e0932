//! What an index is, and the entries of a document in it.
//!
//! An entry is the keys of its fields' values one behind the other, each in its direction, so that entries sort as
//! documents do. A field that means several values through an array gives several entries; at most one array may do so.

use bson::{Bson, DateTime, Document, RawDocument, doc};

use super::filter::Filter;
use super::keys;
use super::models::{IndexModel, IndexOptions};
pub(crate) use super::order::Direction;
use super::path::{AtEnd, Path};
use crate::error::{Error, ErrorKind, Result};

/// MongoDB's codes.
const CANNOT_CREATE_INDEX: i32 = 67;

/// As many fields as MongoDB has in an index.
const MOST_FIELDS: usize = 32;

/// An index that was understood whole.
#[derive(Debug, Clone)]
pub(crate) struct IndexSpec {
    model: IndexModel,
    name: String,
    keys: Vec<(Path, Direction)>,
    partial: Option<Filter>,
}

impl PartialEq for IndexSpec {
    fn eq(&self, other: &Self) -> bool {
        self.options() == other.options() && self.has_keys_of(other)
    }
}

fn wrong(message: String) -> Error {
    Error::of(ErrorKind::Invalid, message).with_code(CANNOT_CREATE_INDEX).into_terminal()
}

impl IndexSpec {
    /// Reads a model.
    pub(crate) fn parse(model: &IndexModel) -> Result<Self> {
        if model.keys.is_empty() || model.keys.len() > MOST_FIELDS {
            return Err(wrong(format!("an index needs 1 to {MOST_FIELDS} fields")));
        }
        let mut keys = Vec::with_capacity(model.keys.len());
        for (path, value) in &model.keys {
            keys.push((Path::new(path), direction(path, value)?));
        }
        let options = model.options.clone().unwrap_or_default();
        let name = match &options.name {
            Some(name) if name.is_empty() || name.len() > 255 => {
                return Err(wrong("the name of an index has 1 to 255 bytes".into()));
            }
            Some(name) => name.clone(),
            None if model.keys.len() == 1 && is_id(&model.keys) => "_id_".into(),
            None => default_name(&keys),
        };
        let partial = options.partial_filter_expression.as_ref().map(Filter::parse).transpose()?;
        if partial.is_some() && options.sparse == Some(true) {
            return Err(wrong(format!("the index {name} can't be both sparse and partial: use partial")));
        }
        if options.expire_after.is_some() && keys.len() > 1 {
            return Err(wrong(format!(
                "the index {name} has a time after which documents expire, and so exactly one field"
            )));
        }
        let options = IndexOptions { name: Some(name.clone()), ..options };
        let model = IndexModel { keys: model.keys.clone(), options: Some(options) };
        Ok(Self { model, name, keys, partial })
    }

    /// Reads what [`Self::to_document`] wrote.
    pub(crate) fn stored(document: &Document) -> Result<Self> {
        Self::parse(&bson::deserialize_from_document(document.clone())?)
    }

    /// For storage.
    pub(crate) fn to_document(&self) -> Result<Document> {
        Ok(bson::serialize_to_document(&self.model)?)
    }

    pub(crate) fn to_model(&self) -> IndexModel {
        self.model.clone()
    }

    fn options(&self) -> IndexOptions {
        let options = self.model.options.clone().unwrap_or_default();
        // Not said and said to be false is the same.
        let unless_false = |option: Option<bool>| option.filter(|option| *option);
        IndexOptions { unique: unless_false(options.unique), sparse: unless_false(options.sparse), ..options }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (String, Direction)> {
        self.keys.iter().map(|(path, direction)| (path.text(), *direction))
    }

    /// Whether two of its fields may lie in one array: then bounds on both may mean two elements of it.
    pub(crate) fn may_share_arrays(&self) -> bool {
        let first = |path: &Path| path.parts().first().cloned();
        self.keys
            .iter()
            .enumerate()
            .any(|(place, (path, _))| self.keys[..place].iter().any(|(other, _)| first(other) == first(path)))
    }

    /// Whether it is the index of `_id`, which every collection has.
    pub(crate) fn is_of_id(&self) -> bool {
        is_id(&self.model.keys)
    }

    pub(crate) fn has_keys_of(&self, other: &Self) -> bool {
        self.keys == other.keys
    }

    /// Whether it has the other's fields and documents, and asks the same of them.
    pub(crate) fn is_same_set(&self, other: &Self) -> bool {
        let partial = |spec: &Self| spec.options().partial_filter_expression;
        let others = (other.is_unique(), other.is_sparse());
        self.keys == other.keys && partial(self) == partial(other) && (self.is_unique(), self.is_sparse()) == others
    }

    pub(crate) fn is_unique(&self) -> bool {
        self.options().unique.unwrap_or_default()
    }

    pub(crate) fn is_sparse(&self) -> bool {
        self.options().sparse.unwrap_or_default()
    }

    /// What documents in it match.
    pub(crate) fn partial(&self) -> Option<&Filter> {
        self.partial.as_ref()
    }

    /// Documents with a time before this one are over, if any ever are.
    pub(crate) fn expired_before(&self, now: DateTime) -> Option<DateTime> {
        let after = self.options().expire_after?;
        let millis = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        Some(DateTime::from_millis(now.timestamp_millis().saturating_sub(millis)))
    }

    /// Its fields, each with its direction.
    pub(crate) fn pattern(&self) -> Document {
        self.model.keys.clone()
    }

    /// The document's values of its fields.
    pub(crate) fn values(&self, document: &RawDocument) -> Document {
        let one = |(path, _): &(Path, Direction)| {
            let mut value = Bson::Null;
            path.any(document, AtEnd::Array, &mut |reached| {
                if let Some(found) = reached.value.and_then(|found| Bson::try_from(found).ok()) {
                    value = found;
                }
                true
            });
            (path.text(), value)
        };
        self.keys.iter().map(one).collect()
    }

    /// The entries of a document: none if it isn't in the index, each once.
    pub(crate) fn entries(&self, document: &RawDocument) -> Result<Vec<Vec<u8>>> {
        if self.partial.as_ref().is_some_and(|partial| !partial.matches(document)) {
            return Ok(Vec::new());
        }
        if self.is_sparse() && !self.keys.iter().any(|(path, _)| is_there(path, document)) {
            return Ok(Vec::new());
        }
        let mut entries = keys::of(document, &self.keys)?;
        entries.sort();
        entries.dedup();
        Ok(entries)
    }
}

fn is_there(path: &Path, document: &RawDocument) -> bool {
    path.any(document, AtEnd::Array, &mut |reached| reached.value.is_some())
}

fn is_id(keys: &Document) -> bool {
    keys.len() == 1 && keys.get("_id").and_then(Direction::of) == Some(Direction::Ascending)
}

fn direction(path: &str, value: &Bson) -> Result<Direction> {
    if let Bson::String(kind) = value {
        let message = format!("the embedded store doesn't offer {kind} indexes: MongoDB's own driver does, on MongoDB");
        return Err(Error::of(ErrorKind::Unsupported, message).with_code(CANNOT_CREATE_INDEX).into_terminal());
    }
    if path.contains("$**") {
        let message = "the embedded store doesn't offer wildcard indexes: MongoDB's own driver does, on MongoDB";
        return Err(Error::of(ErrorKind::Unsupported, message).with_code(CANNOT_CREATE_INDEX).into_terminal());
    }
    if path.is_empty() || path.split('.').any(|part| part.is_empty() || part.starts_with('$')) {
        return Err(wrong(format!("an index can't be on {path:?}")));
    }
    Direction::of(value).ok_or_else(|| wrong(format!("the index on {path} needs 1 or -1, not {value}")))
}

fn default_name(keys: &[(Path, Direction)]) -> String {
    let parts = keys.iter().map(|(path, direction)| format!("{}_{}", path.text(), direction.number()));
    parts.collect::<Vec<_>>().join("_")
}

/// The model of the index that every collection has.
pub(crate) fn of_id() -> IndexModel {
    let options = IndexOptions { name: Some("_id_".into()), ..IndexOptions::default() };
    IndexModel { keys: doc! { "_id": 1 }, options: Some(options) }
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, bson};

    use super::super::order;
    use super::*;

    fn spec(keys: Document, options: IndexOptions) -> Result<IndexSpec> {
        IndexSpec::parse(&IndexModel { keys, options: Some(options) })
    }

    /// The entries of a document in an ascending index of `path`, as their values.
    fn entries(path: &str, document: Document) -> Vec<Vec<u8>> {
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        spec(doc! { path: 1 }, IndexOptions::default()).unwrap().entries(&raw).unwrap()
    }

    fn keys(values: &[Bson]) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = values.iter().map(|value| order::key_of(value).unwrap()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn a_document_has_an_entry_for_each_value_that_a_path_means() {
        for (path, document, values) in [
            ("a", doc! { "a": 1 }, vec![bson!(1)]),
            ("a", doc! {}, vec![Bson::Null]),
            ("a", doc! { "a": [2, 1, 2.0, [3]] }, vec![bson!(1), bson!(2), bson!([3])]),
            ("a", doc! { "a": [] }, vec![Bson::Undefined]),
            ("a.b", doc! { "a": [{ "b": 1 }, { "b": [2, 3] }, {}, 5] }, vec![bson!(1), bson!(2), bson!(3), Bson::Null]),
            ("a.b", doc! { "a": [] }, vec![Bson::Null]),
            ("a.b", doc! { "a": 5 }, vec![Bson::Null]),
            ("a.0", doc! { "a": [7, 8] }, vec![bson!(7)]),
            ("a.0.b", doc! { "a": [{ "b": 1 }, { "b": 2 }] }, vec![bson!(1)]),
        ] {
            assert_eq!(entries(path, document.clone()), keys(&values), "{path} of {document}");
        }
        let compound = spec(doc! { "a.b": 1, "c": -1, "a.d": 1 }, IndexOptions::default()).unwrap();
        let raw = |document: Document| RawDocumentBuf::try_from(&document).unwrap();
        let both = compound.entries(&raw(doc! { "a": [{ "b": 1, "d": 2 }, { "b": 3 }], "c": 0 })).unwrap();
        assert_eq!(both.len(), 2, "the fields of one element stay together");
        assert_eq!(compound.entries(&raw(doc! { "a": [{ "b": 1 }], "c": [1] })).unwrap_err().code(), Some(171));
    }

    #[test]
    fn sparse_and_partial_indexes_leave_documents_out() {
        let sparse =
            spec(doc! { "a": 1, "b": 1 }, IndexOptions { sparse: Some(true), ..IndexOptions::default() }).unwrap();
        let partial =
            IndexOptions { partial_filter_expression: Some(doc! { "a": { "$gt": 5 } }), ..IndexOptions::default() };
        let partial = spec(doc! { "a": 1 }, partial).unwrap();
        let count = |spec: &IndexSpec, document: Document| {
            spec.entries(&RawDocumentBuf::try_from(&document).unwrap()).unwrap().len()
        };
        assert_eq!([doc! {}, doc! { "a": null }, doc! { "b": 1 }].map(|document| count(&sparse, document)), [0, 1, 1]);
        assert_eq!([doc! {}, doc! { "a": 5 }, doc! { "a": 6 }].map(|document| count(&partial, document)), [0, 0, 1]);
    }

    #[test]
    fn an_index_is_named_after_its_fields_and_comes_back_from_storage() {
        let options = IndexOptions {
            unique: Some(true),
            partial_filter_expression: Some(doc! { "a": { "$exists": true } }),
            ..IndexOptions::default()
        };
        let index = spec(doc! { "a": 1, "b.c": -1.0 }, options).unwrap();
        assert_eq!(index.name(), "a_1_b.c_-1");
        assert_eq!(IndexSpec::stored(&index.to_document().unwrap()).unwrap(), index);
        assert_eq!(spec(doc! { "_id": 1 }, IndexOptions::default()).unwrap().name(), "_id_");
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let many: Document = (0..33).map(|number| (format!("f{number}"), 1.into())).collect();
        for keys in
            [many, doc! {}, doc! { "a": 0 }, doc! { "a": true }, doc! { "": 1 }, doc! { "a..b": 1 }, doc! { "$a": 1 }]
        {
            let error = spec(keys.clone(), IndexOptions::default()).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, Some(67)), "{keys}");
        }
        for keys in [
            doc! { "a": "text" },
            doc! { "a": "2dsphere" },
            doc! { "a": "hashed" },
            doc! { "$**": 1 },
            doc! { "a.$**": 1 },
        ] {
            assert_eq!(
                spec(keys.clone(), IndexOptions::default()).unwrap_err().kind(),
                ErrorKind::Unsupported,
                "{keys}"
            );
        }
        let both = IndexOptions {
            sparse: Some(true),
            partial_filter_expression: Some(doc! { "a": 1 }),
            ..IndexOptions::default()
        };
        assert_eq!(spec(doc! { "a": 1 }, both).unwrap_err().code(), Some(67));
        let expiring =
            IndexOptions { expire_after: Some(std::time::Duration::from_secs(1)), ..IndexOptions::default() };
        assert_eq!(spec(doc! { "a": 1, "b": 1 }, expiring).unwrap_err().code(), Some(67));
    }
}
