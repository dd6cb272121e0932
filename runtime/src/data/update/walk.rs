//! The place in a document that an update's path means: made where it isn't there, unless there is nothing to put.
//!
//! Positional operators have been given names before (`super::places`); what is left of them finds no array.

use bson::{Bson, Document};

use super::operator::{Operator, Outcome};
use super::{Application, BAD_VALUE, PATH_NOT_VIABLE, Part, failed, shown};
use crate::data::path::index;
use crate::error::{Error, Result};

/// As far as an array is filled up with nulls.
const LONGEST_ARRAY: usize = 1_500_000;

/// The way of one path through one document.
pub(super) struct Walk<'w> {
    pub(super) how: &'w Application,
    pub(super) path: &'w [Part],
}

impl Walk<'_> {
    pub(super) fn apply(&self, document: &mut Document, operator: &Operator) -> Result<()> {
        if let Operator::Come { from } = operator {
            let Some(value) = taken(document, from)? else { return Ok(()) };
            through_documents(document, self.path)?;
            return self.in_document(document, self.path, &Operator::Set(value));
        }
        // A path that can't be made is no matter where nothing is put.
        if matches!(operator, Operator::Leave) || (matches!(operator, Operator::SetOnInsert(_)) && !self.how.inserting)
        {
            return Ok(());
        }
        self.in_document(document, self.path, operator)
    }

    fn in_document(&self, document: &mut Document, path: &[Part], operator: &Operator) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let Part::Name(name) = first else {
            return Err(self.no_array("there is a document"));
        };
        if rest.is_empty() {
            match operator.result(document.get(name), self.how, self.path)? {
                Outcome::Put(value) => drop(document.insert(name.clone(), value)),
                Outcome::Remove => drop(document.remove(name)),
                Outcome::Keep => (),
            }
            return Ok(());
        }
        if let Some(inside) = document.get_mut(name) {
            return self.inside(inside, rest, operator);
        }
        if let Some(inner) = self.fresh(rest, operator)? {
            document.insert(name.clone(), inner);
        }
        Ok(())
    }

    fn inside(&self, value: &mut Bson, path: &[Part], operator: &Operator) -> Result<()> {
        match value {
            Bson::Document(inner) => self.in_document(inner, path, operator),
            Bson::Array(elements) => self.in_array(elements, path, operator),
            other if !path.iter().all(Part::is_name) => Err(self.no_array(format!("there is {other}"))),
            // There is nothing to remove behind a value.
            _ if matches!(operator, Operator::Unset) => Ok(()),
            other => Err(failed(
                PATH_NOT_VIABLE,
                format!(
                    "the update can't make {} in {other}: that is neither a document nor an array",
                    shown(self.path)
                ),
            )),
        }
    }

    fn in_array(&self, elements: &mut Vec<Bson>, path: &[Part], operator: &Operator) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let Part::Name(name) = first else { return Err(self.no_array("it is nested otherwise")) };
        let Some(place) = index(name) else {
            if !rest.iter().all(Part::is_name) {
                return Err(self.no_array(format!("{name} is no element's number")));
            }
            if matches!(operator, Operator::Unset) {
                return Ok(());
            }
            let message = format!(
                "the update can't make the field {name} of {} in an array: name an element by its number, or use $[]",
                shown(self.path)
            );
            return Err(failed(PATH_NOT_VIABLE, message));
        };
        self.at(elements, place, rest, operator)
    }

    fn no_array(&self, found: impl std::fmt::Display) -> Error {
        failed(BAD_VALUE, format!("the path {} of the update needs an array there: {found}", shown(self.path)))
    }

    fn at(&self, elements: &mut Vec<Bson>, place: usize, rest: &[Part], operator: &Operator) -> Result<()> {
        if let Some(element) = elements.get_mut(place) {
            if !rest.is_empty() {
                return self.inside(element, rest, operator);
            }
            match operator.result(Some(element), self.how, self.path)? {
                Outcome::Put(value) => *element = value,
                // The others keep their places.
                Outcome::Remove => *element = Bson::Null,
                Outcome::Keep => (),
            }
            return Ok(());
        }
        let value = if rest.is_empty() {
            match operator.result(None, self.how, self.path)? {
                Outcome::Put(value) => Some(value),
                Outcome::Remove | Outcome::Keep => None,
            }
        } else {
            self.fresh(rest, operator)?
        };
        let Some(value) = value else { return Ok(()) };
        if place >= LONGEST_ARRAY {
            return Err(too_long(place));
        }
        elements.resize(place, Bson::Null);
        elements.push(value);
        Ok(())
    }

    /// The document that a path needs where nothing is; `None` if nothing comes into it.
    fn fresh(&self, path: &[Part], operator: &Operator) -> Result<Option<Bson>> {
        if let Some(Part::Matched | Part::Each | Part::Filtered(_)) = path.first() {
            return Err(self.no_array("there is nothing"));
        }
        let mut inner = Document::new();
        self.in_document(&mut inner, path, operator)?;
        Ok(if inner.is_empty() { None } else { Some(Bson::Document(inner)) })
    }
}

fn too_long(place: usize) -> Error {
    failed(BAD_VALUE, format!("the update would make an array of {place} elements"))
}

/// The value of a field that is renamed, out of the document.
fn taken(document: &mut Document, path: &[Part]) -> Result<Option<Bson>> {
    let Some((Part::Name(first), rest)) = path.split_first() else { return Ok(None) };
    if rest.is_empty() {
        return Ok(document.remove(first));
    }
    match document.get_mut(first) {
        Some(Bson::Document(inner)) => taken(inner, rest),
        Some(inside) => {
            if is_there(inside, rest)? {
                Err(no_array(first))
            } else {
                Ok(None)
            }
        }
        None => Ok(None),
    }
}

/// Whether a path leads to a value, by way of an array; an error where it can't.
fn is_there(value: &Bson, path: &[Part]) -> Result<bool> {
    let Some((Part::Name(first), rest)) = path.split_first() else { return Ok(true) };
    let inside = match (value, index(first)) {
        (Bson::Document(inner), _) => inner.get(first),
        (Bson::Array(elements), Some(place)) => elements.get(place),
        (other, _) => {
            let message = format!("$rename finds no {first} in {other}, which is no document");
            return Err(failed(PATH_NOT_VIABLE, message));
        }
    };
    inside.map_or(Ok(false), |inside| is_there(inside, rest))
}

/// Refuses a new name in an array.
fn through_documents(document: &Document, path: &[Part]) -> Result<()> {
    let Some((Part::Name(first), rest)) = path.split_first() else { return Ok(()) };
    match document.get(first) {
        Some(Bson::Array(_)) if !rest.is_empty() => Err(no_array(first)),
        Some(Bson::Document(inner)) => through_documents(inner, rest),
        Some(_) | None => Ok(()),
    }
}

fn no_array(name: &str) -> Error {
    failed(BAD_VALUE, format!("$rename can't go through the array {name}"))
}
