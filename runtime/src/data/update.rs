//! How an update changes a document, with MongoDB's results, for the operators that the embedded store has.
//!
//! An operator that isn't here is an error that names it; a document is changed whole or not at all.

use std::cmp::Ordering;

use bson::{Bson, Document};

use super::filter::index;
use crate::error::{Error, ErrorKind, Result};

/// As far as an array is filled up with nulls.
const LONGEST_ARRAY: usize = 1_500_000;

/// An update that was understood whole.
#[derive(Debug)]
pub(crate) struct Update {
    /// In the order in which they are applied: of their paths.
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    path: Vec<String>,
    operator: Operator,
    operand: Bson,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Set,
    Increment,
}

fn invalid(message: String) -> Error {
    Error::of(ErrorKind::Invalid, message)
}

fn unsupported(what: &str) -> Error {
    Error::of(
        ErrorKind::Unsupported,
        format!("the embedded store doesn't offer {what} in an update; it has $set and $inc"),
    )
}

impl Update {
    /// Reads an update.
    pub(crate) fn parse(update: &Document) -> Result<Self> {
        let mut changes = Vec::new();
        if update.is_empty() {
            return Err(invalid("an update needs operators, such as $set".into()));
        }
        for (name, fields) in update {
            let operator = match name.as_str() {
                "$set" => Operator::Set,
                "$inc" => Operator::Increment,
                name if name.starts_with('$') => return Err(unsupported(name)),
                field => {
                    return Err(invalid(format!(
                        "an update is made of operators, and {field} is none: write {{ \"$set\": {{ \"{field}\": … }} }}"
                    )));
                }
            };
            let fields = fields.as_document().ok_or_else(|| invalid(format!("{name} needs a document of fields")))?;
            for (path, operand) in fields {
                changes.push(change(operator, path, operand)?);
            }
        }
        changes.sort_by(|left, right| compare(&left.path, &right.path));
        for pair in changes.windows(2) {
            if pair[1].path.starts_with(&pair[0].path) {
                return Err(invalid(format!(
                    "the update changes {} and {} at once",
                    pair[0].path.join("."),
                    pair[1].path.join(".")
                )));
            }
        }
        Ok(Self { changes })
    }

    /// Changes a document. On an error it is left half changed: the caller keeps the old one.
    pub(crate) fn apply(&self, document: &mut Document) -> Result<()> {
        let id = document.get("_id").cloned();
        for change in &self.changes {
            change.in_document(document, &change.path)?;
        }
        // By bytes: 1 and 1.0 are equal, and yet another `_id`.
        if document.get("_id") != id.as_ref() {
            return Err(invalid("an update can't change a document's _id: insert another document instead".into()));
        }
        Ok(())
    }
}

fn change(operator: Operator, path: &str, operand: &Bson) -> Result<Change> {
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    if parts.iter().any(String::is_empty) {
        return Err(invalid(format!("the path {path:?} of the update has an empty name in it")));
    }
    if let Some(part) = parts.iter().find(|part| part.starts_with('$')) {
        return Err(unsupported(&format!("the positional operator {part}")));
    }
    match (operator, operand) {
        (Operator::Increment, Bson::Decimal128(_)) => Err(unsupported("$inc by a Decimal128")),
        (Operator::Set, _) | (Operator::Increment, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_)) => {
            Ok(Change { path: parts, operator, operand: operand.clone() })
        }
        (Operator::Increment, _) => Err(invalid(format!("$inc of {path} needs a number, not {operand}"))),
    }
}

/// The order in which MongoDB applies changes, and so of the fields that they add: numbers by value, names as text.
fn compare(left: &[String], right: &[String]) -> Ordering {
    let parts = left.iter().zip(right).map(|(left, right)| match (index(left), index(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_) | None, _) => left.cmp(right),
    });
    parts.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
}

impl Change {
    fn in_document(&self, document: &mut Document, path: &[String]) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        if rest.is_empty() {
            let value = self.result(document.get(first))?;
            document.insert(first.clone(), value);
            return Ok(());
        }
        if let Some(inside) = document.get_mut(first) {
            return self.inside(inside, rest);
        }
        let inner = self.fresh(rest)?;
        document.insert(first.clone(), inner);
        Ok(())
    }

    fn inside(&self, value: &mut Bson, path: &[String]) -> Result<()> {
        match value {
            Bson::Document(inner) => self.in_document(inner, path),
            Bson::Array(elements) => self.in_array(elements, path),
            other => Err(invalid(format!(
                "the update can't make {} in {other}: that is neither a document nor an array",
                self.path.join(".")
            ))),
        }
    }

    fn in_array(&self, elements: &mut Vec<Bson>, path: &[String]) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let Some(index) = index(first) else {
            return Err(invalid(format!(
                "the update can't make the field {first} of {} in an array: name an element by its number",
                self.path.join(".")
            )));
        };
        if index >= LONGEST_ARRAY {
            return Err(invalid(format!("the update would make an array of {index} elements")));
        }
        if let Some(element) = elements.get_mut(index) {
            if rest.is_empty() {
                *element = self.result(Some(element))?;
                return Ok(());
            }
            return self.inside(element, rest);
        }
        let value = if rest.is_empty() { self.result(None)? } else { self.fresh(rest)? };
        elements.resize(index, Bson::Null);
        elements.push(value);
        Ok(())
    }

    /// The document that a path needs where nothing is.
    fn fresh(&self, path: &[String]) -> Result<Bson> {
        let mut inner = Document::new();
        self.in_document(&mut inner, path)?;
        Ok(Bson::Document(inner))
    }

    fn result(&self, before: Option<&Bson>) -> Result<Bson> {
        match (self.operator, before) {
            (Operator::Set, _) | (Operator::Increment, None) => Ok(self.operand.clone()),
            (Operator::Increment, Some(before)) => self.sum(before),
        }
    }

    fn sum(&self, before: &Bson) -> Result<Bson> {
        let path = || self.path.join(".");
        let long = |left: i64, right: i64| {
            let sum = left.checked_add(right).map(Bson::Int64);
            sum.ok_or_else(|| invalid(format!("$inc of {} goes beyond 64 bits", path())))
        };
        match (before, &self.operand) {
            (Bson::Int32(left), Bson::Int32(right)) => match left.checked_add(*right) {
                Some(sum) => Ok(Bson::Int32(sum)),
                None => long(i64::from(*left), i64::from(*right)),
            },
            (Bson::Int32(left), Bson::Int64(right)) => long(i64::from(*left), *right),
            (Bson::Int64(left), Bson::Int32(right)) => long(*left, i64::from(*right)),
            (Bson::Int64(left), Bson::Int64(right)) => long(*left, *right),
            (Bson::Double(left), Bson::Double(right)) => Ok(Bson::Double(left + right)),
            (Bson::Double(left), Bson::Int32(right)) => Ok(Bson::Double(left + f64::from(*right))),
            (Bson::Double(left), Bson::Int64(right)) => Ok(Bson::Double(left + *right as f64)),
            (Bson::Int32(left), Bson::Double(right)) => Ok(Bson::Double(f64::from(*left) + right)),
            (Bson::Int64(left), Bson::Double(right)) => Ok(Bson::Double(*left as f64 + right)),
            (Bson::Decimal128(_), _) => Err(unsupported("$inc of a Decimal128")),
            (before, _) => Err(invalid(format!("$inc of {} needs a number there, and finds {before}", path()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn apply(mut document: Document, update: Document) -> Result<Document> {
        Update::parse(&update)?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn set_keeps_places_and_adds_in_order_of_names() {
        let changed = apply(doc! { "_id": 1, "b": 1, "a": 2 }, doc! { "$set": { "z": 9, "b": "x", "c": 3 } });
        assert_eq!(changed.unwrap(), doc! { "_id": 1, "b": "x", "a": 2, "c": 3, "z": 9 });
    }

    #[test]
    fn dotted_paths_make_documents_and_reach_into_arrays() {
        let changed = apply(doc! { "_id": 1 }, doc! { "$set": { "a.b.c": 1 }, "$inc": { "a.n": 2 } }).unwrap();
        assert_eq!(changed, doc! { "_id": 1, "a": { "b": { "c": 1 }, "n": 2 } });
        let changed = apply(doc! { "a": [1, { "b": 2 }] }, doc! { "$set": { "a.1.b": 3, "a.4.c": 4 } }).unwrap();
        assert_eq!(changed, doc! { "a": [1, { "b": 3 }, null, null, { "c": 4 }] });
        for update in
            [doc! { "$set": { "a.x": 1 } }, doc! { "$set": { "s.x": 1 } }, doc! { "$set": { "a.9999999": 1 } }]
        {
            let error = apply(doc! { "a": [1], "s": 5 }, update.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{update}");
        }
    }

    #[test]
    fn increments_keep_or_widen_the_type() {
        let increment = |before: Bson, by: Bson| {
            apply(doc! { "n": before }, doc! { "$inc": { "n": by } }).map(|mut after| after.remove("n").unwrap())
        };
        assert_eq!(increment(1.into(), 2.into()).unwrap(), Bson::Int32(3));
        assert_eq!(increment(i32::MAX.into(), 1.into()).unwrap(), Bson::Int64(1 << 31));
        assert_eq!(increment(1.into(), 2_i64.into()).unwrap(), Bson::Int64(3));
        assert_eq!(increment(1_i64.into(), (-2).into()).unwrap(), Bson::Int64(-1));
        assert_eq!(increment(1.into(), 0.5.into()).unwrap(), Bson::Double(1.5));
        assert_eq!(increment(1.5.into(), 1_i64.into()).unwrap(), Bson::Double(2.5));
        assert_eq!(apply(doc! {}, doc! { "$inc": { "n": 5_i64 } }).unwrap(), doc! { "n": 5_i64 });
        assert_eq!(increment(i64::MAX.into(), 1.into()).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(increment("1".into(), 1.into()).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(increment(Bson::Null, 1.into()).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(increment(1.into(), "1".into()).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn the_id_stays() {
        assert!(apply(doc! { "_id": 1, "a": 1 }, doc! { "$set": { "_id": 1, "a": 2 } }).is_ok());
        for update in [doc! { "$set": { "_id": 2 } }, doc! { "$inc": { "_id": 1 } }, doc! { "$set": { "_id": 1.0 } }] {
            let error = apply(doc! { "_id": 1 }, update).unwrap_err();
            assert!(error.to_string().contains("_id"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (update, kind, named) in [
            (doc! { "$unset": { "a": 1 } }, ErrorKind::Unsupported, "$unset"),
            (doc! { "$set": { "a.$": 1 } }, ErrorKind::Unsupported, "$"),
            (doc! { "a": 1 }, ErrorKind::Invalid, "a"),
            (doc! {}, ErrorKind::Invalid, "$set"),
            (doc! { "$set": 1 }, ErrorKind::Invalid, "$set"),
            (doc! { "$set": { "a..b": 1 } }, ErrorKind::Invalid, "a..b"),
            (doc! { "$set": { "a": 1 }, "$inc": { "a": 1 } }, ErrorKind::Invalid, "a and a"),
            (doc! { "$set": { "a.b": 1, "a": 1 } }, ErrorKind::Invalid, "a and a.b"),
        ] {
            let error = Update::parse(&update).unwrap_err();
            assert_eq!(error.kind(), kind, "{update}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
