//! The places in a document that an update's path means: made where they aren't there, unless there is nothing to put.

use bson::{Bson, Document};

use super::operator::{Operator, Outcome};
use super::parse::ArrayFilter;
use super::{Application, BAD_VALUE, PATH_NOT_VIABLE, Part, failed, shown};
use crate::data::path::index;
use crate::error::{Error, Result};

/// As far as an array is filled up with nulls.
const LONGEST_ARRAY: usize = 1_500_000;

/// The way of one path through one document.
pub(super) struct Walk<'w> {
    pub(super) how: &'w Application,
    pub(super) filters: &'w [ArrayFilter],
    pub(super) path: &'w [Part],
}

impl Walk<'_> {
    pub(super) fn apply(&self, document: &mut Document, operator: &Operator) -> Result<()> {
        if let Operator::Come { from } = operator {
            // The other half of a renaming takes the old one away after this; whichever is applied first.
            let Some(value) = taken(document, from)? else { return Ok(()) };
            return self.in_document(document, self.path, &Operator::Set(value));
        }
        if matches!(operator, Operator::Leave) {
            return Ok(());
        }
        self.in_document(document, self.path, operator)
    }

    fn in_document(&self, document: &mut Document, path: &[Part], operator: &Operator) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let Part::Name(name) = first else {
            let message = format!("{} of the update needs an array, and finds a document", shown(self.path));
            return Err(failed(BAD_VALUE, message));
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
            // There is nothing to remove behind a value.
            _ if operator.only_removes() && matches!(path.first(), Some(Part::Name(_))) => Ok(()),
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
        match first {
            Part::Name(name) => {
                let Some(place) = index(name) else {
                    if operator.only_removes() {
                        return Ok(());
                    }
                    return Err(failed(
                        PATH_NOT_VIABLE,
                        format!(
                            "the update can't make the field {name} of {} in an array: name an element by its number, or \
                             use $[]",
                            shown(self.path)
                        ),
                    ));
                };
                self.at(elements, place, rest, operator)
            }
            Part::Matched => {
                let Some(place) = self.how.array_index else {
                    return Err(failed(
                        BAD_VALUE,
                        "the positional operator $ did not find the match needed from the filter: name the array in it",
                    ));
                };
                self.at(elements, place, rest, operator)
            }
            Part::Each => (0..elements.len()).try_for_each(|place| self.at(elements, place, rest, operator)),
            Part::Filtered(name) => {
                let filter = self.filters.iter().find(|filter| filter.name == *name);
                for place in 0..elements.len() {
                    if let Some(filter) = filter
                        && filter.matches(&elements[place])?
                    {
                        self.at(elements, place, rest, operator)?;
                    }
                }
                Ok(())
            }
        }
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
            if operator.only_removes() {
                return Ok(None);
            }
            let message = format!("the path {} of the update must exist: there is no array", shown(self.path));
            return Err(failed(BAD_VALUE, message));
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
        Some(Bson::Array(_)) => Err(failed(BAD_VALUE, format!("$rename can't go through the array {first}"))),
        Some(_) | None => Ok(None),
    }
}
