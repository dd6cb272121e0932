//! How an update changes a document, with MongoDB's results, for the operators that the embedded store has.
//!
//! An operator that isn't here is an error that names it; a document is changed whole or not at all.
//!
//! [`parse`] reads an update, [`walk`] finds the places in a document that its paths mean, [`operator`] and [`array`] say
//! what becomes of the value there, [`number`] counts. Source: MongoDB's manual, "Update Operators".

use bson::{Bson, DateTime, Document, RawDocumentBuf, Timestamp, doc};

use self::operator::Operator;
use super::nesting;
use crate::error::{Error, ErrorKind, Result};

mod array;
mod number;
mod operator;
mod parse;
mod pipeline;
mod places;
#[cfg(test)]
mod tests;
mod walk;

/// MongoDB's codes.
const BAD_VALUE: i32 = 2;
const FAILED_TO_PARSE: i32 = 9;
const TYPE_MISMATCH: i32 = 14;
const PATH_NOT_VIABLE: i32 = 28;
const CONFLICTING_OPERATORS: i32 = 40;
const DOLLAR_PREFIXED_FIELD: i32 = 52;
const IMMUTABLE_FIELD: i32 = 66;

/// An update that was understood whole.
#[derive(Debug)]
pub(crate) struct Update(Kind);

#[derive(Debug)]
enum Kind {
    /// In the order in which they are applied: of their paths.
    Changes { changes: Vec<Change>, filters: Vec<parse::ArrayFilter> },
    /// Another document in its place.
    Replacement(Document),
    /// One stage after the other.
    Pipeline(Vec<pipeline::Stage>),
}

#[derive(Debug)]
struct Change {
    path: Vec<Part>,
    operator: Operator,
}

/// A part of an update's path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    /// A field, or an element's number.
    Name(String),
    /// `$`: the element that the filter matched.
    Matched,
    /// `$[]`: each element.
    Each,
    /// `$[name]`: each element that an array filter means.
    Filtered(String),
}

/// What an update is applied to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Application {
    /// The element that the filter matched, for `$`.
    pub(crate) array_index: Option<usize>,
    /// For `$currentDate`.
    pub(crate) now: DateTime,
    /// For `$currentDate` of a timestamp.
    pub(crate) timestamp: Timestamp,
    /// The document is new.
    pub(crate) inserting: bool,
}

impl Update {
    /// Reads an update by operators.
    pub(crate) fn parse(update: &Document, array_filters: &[Document]) -> Result<Self> {
        let (changes, filters) = parse::update(update, array_filters)?;
        Ok(Self(Kind::Changes { changes, filters }))
    }

    /// Reads an update by pipeline. `variables` are those of `let`.
    pub(crate) fn pipeline(stages: &[Document], variables: &Document) -> Result<Self> {
        Ok(Self(Kind::Pipeline(pipeline::stages(stages, variables)?)))
    }

    /// An update that puts a document in another's place.
    pub(crate) fn replacement(document: &Document) -> Result<Self> {
        if let Some(operator) = document.keys().find(|key| key.starts_with('$')) {
            let message = format!("a replacement has no operators, and begins a field with {operator}: use an update");
            // One that begins so is taken for an update, and so refused by MongoDB's driver already.
            let begins = document.keys().next() == Some(operator);
            return Err(failed(if begins { BAD_VALUE } else { DOLLAR_PREFIXED_FIELD }, message));
        }
        nesting::check(document)?;
        Ok(Self(Kind::Replacement(document.clone())))
    }

    /// Changes a document. On an error it is left half changed: the caller keeps the old one.
    pub(crate) fn apply(&self, document: &mut Document, how: &Application) -> Result<()> {
        let id = document.get("_id").cloned();
        match &self.0 {
            Kind::Changes { changes, filters } => {
                let positional = changes.iter().any(Change::is_positional);
                if !positional {
                    return changes_of(changes, document, how).and_then(|()| check_id(id.as_ref(), document));
                }
                // What `$` stands for is known now, and with it whether two changes mean one place.
                let resolved = changes.iter().map(|change| {
                    let path = places::resolved(&change.path, how.array_index)?;
                    Ok(Change { path, operator: change.operator.clone() })
                });
                let resolved: Vec<Change> = resolved.collect::<Result<_>>()?;
                changes_of(&places::expanded(&resolved, filters, document)?, document, how)?;
            }
            Kind::Replacement(new) => {
                let mut whole = Document::new();
                if let Some(id) = id.clone().or_else(|| new.get("_id").cloned()) {
                    whole.insert("_id", id);
                }
                whole.extend(
                    new.iter().filter(|(key, _)| *key != "_id").map(|(key, value)| (key.clone(), value.clone())),
                );
                if let Some(new) = new.get("_id") {
                    check_same_id(id.as_ref(), Some(new))?;
                }
                *document = whole;
            }
            Kind::Pipeline(stages) => {
                stages.iter().try_for_each(|stage| stage.apply(document))?;
                // A pipeline that drops the `_id` doesn't mean it, and it stands first.
                if let Some(id) = document.remove("_id").or_else(|| id.clone()) {
                    let mut whole = Document::new();
                    whole.insert("_id", id);
                    whole.extend(std::mem::take(document));
                    *document = whole;
                }
            }
        }
        check_id(id.as_ref(), document)
    }
}

impl Change {
    fn is_positional(&self) -> bool {
        !self.path.iter().all(Part::is_name)
    }
}

impl Part {
    fn is_name(&self) -> bool {
        matches!(self, Self::Name(_))
    }
}

fn changes_of(changes: &[Change], document: &mut Document, how: &Application) -> Result<()> {
    changes.iter().try_for_each(|change| walk::Walk { how, path: &change.path }.apply(document, &change.operator))
}

fn check_id(before: Option<&Bson>, after: &Document) -> Result<()> {
    check_same_id(before, after.get("_id"))
}

/// By bytes: 1 and 1.0 are equal, and yet another `_id`.
fn check_same_id(before: Option<&Bson>, after: Option<&Bson>) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let bytes = |id: &Bson| Ok::<_, Error>(RawDocumentBuf::try_from(&doc! { "_id": id })?.into_bytes());
    match after {
        Some(after) if bytes(before)? == bytes(after)? => Ok(()),
        Some(_) | None => Err(immutable_id()),
    }
}

/// Sets a field of an upsert's new document, as its filter says.
pub(crate) fn set_path(document: &mut Document, path: &[Box<str>], value: Bson) -> Result<()> {
    let path: Vec<Part> = path.iter().map(|part| Part::Name(part.to_string())).collect();
    let how = Application {
        array_index: None,
        now: DateTime::from_millis(0),
        timestamp: Timestamp { time: 0, increment: 0 },
        inserting: true,
    };
    walk::Walk { how: &how, path: &path }.apply(document, &Operator::Set(value))
}

fn shown(path: &[Part]) -> String {
    let parts = path.iter().map(|part| match part {
        Part::Name(name) => name.clone(),
        Part::Matched => "$".to_owned(),
        Part::Each => "$[]".to_owned(),
        Part::Filtered(name) => format!("$[{name}]"),
    });
    parts.collect::<Vec<_>>().join(".")
}

fn failed(code: i32, message: impl std::fmt::Display) -> Error {
    Error::of(ErrorKind::Invalid, message).with_code(code).into_terminal()
}

fn immutable_id() -> Error {
    failed(IMMUTABLE_FIELD, "an update can't change a document's _id: insert another document instead")
}

fn unsupported(what: &str) -> Error {
    Error::of(
        ErrorKind::Unsupported,
        format!("the embedded store doesn't offer {what} in an update: MongoDB's own driver does, on MongoDB"),
    )
    .with_code(BAD_VALUE)
    .into_terminal()
}
