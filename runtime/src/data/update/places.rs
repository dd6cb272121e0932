//! Which places of a document the positional operators mean, and whether two changes mean one place.

use std::cmp::Ordering;

use bson::{Bson, Document};

use super::parse::ArrayFilter;
use super::{BAD_VALUE, CONFLICTING_OPERATORS, Change, Part, failed, shown};
use crate::data::path::index;
use crate::error::Result;

/// The order in which MongoDB applies changes, and so of the fields that they add: numbers by value, then names as text.
pub(super) fn compare(left: &[Part], right: &[Part]) -> Ordering {
    let parts = left.iter().zip(right).map(|(left, right)| match (left, right) {
        (Part::Name(left), Part::Name(right)) => by_name(left, right),
        (Part::Name(_), _) => Ordering::Greater,
        (_, Part::Name(_)) => Ordering::Less,
        (left, right) => shown(std::slice::from_ref(left)).cmp(&shown(std::slice::from_ref(right))),
    });
    parts.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
}

fn by_name(left: &str, right: &str) -> Ordering {
    match (index(left), index(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}

/// A path with the number of the element that the filter matched in the place of `$`.
pub(super) fn resolved(path: &[Part], array_index: Option<usize>) -> Result<Vec<Part>> {
    let one = |part: &Part| match (part, array_index) {
        (Part::Matched, Some(place)) => Ok(Part::Name(place.to_string())),
        (Part::Matched, None) => Err(failed(
            BAD_VALUE,
            "the positional operator $ has no match to stand for: the filter must say something of the array",
        )),
        (other, _) => Ok(other.clone()),
    };
    path.iter().map(one).collect()
}

/// The changes with the names of all places that they mean, as the document is before any of them. What finds no array
/// stays as it is: the walk says what is wrong.
pub(super) fn expanded(changes: &[Change], filters: &[ArrayFilter], document: &Document) -> Result<Vec<Change>> {
    let mut all = Vec::with_capacity(changes.len());
    for change in changes {
        Places { filters, change, so_far: Vec::new(), all: &mut all }.in_document(document, &change.path)?;
    }
    all.sort_by(|left, right| compare(&left.path, &right.path));
    match all.windows(2).find(|pair| pair[1].path.starts_with(&pair[0].path)) {
        Some(pair) => {
            let message = format!("the update changes {} and {} at once", shown(&pair[0].path), shown(&pair[1].path));
            Err(failed(CONFLICTING_OPERATORS, message))
        }
        None => Ok(all),
    }
}

struct Places<'p> {
    filters: &'p [ArrayFilter],
    change: &'p Change,
    so_far: Vec<Part>,
    all: &'p mut Vec<Change>,
}

impl Places<'_> {
    fn in_document(&mut self, document: &Document, path: &[Part]) -> Result<()> {
        if let Some((Part::Name(name), rest)) = path.split_first() {
            return self.at(name.clone(), document.get(name), rest);
        }
        self.add(path);
        Ok(())
    }

    fn add(&mut self, rest: &[Part]) {
        let path = self.so_far.iter().chain(rest).cloned().collect();
        self.all.push(Change { path, operator: self.change.operator.clone() });
    }

    fn at(&mut self, name: String, value: Option<&Bson>, rest: &[Part]) -> Result<()> {
        self.so_far.push(Part::Name(name));
        match value {
            Some(Bson::Document(inner)) if !rest.is_empty() => self.in_document(inner, rest)?,
            Some(Bson::Array(elements)) if !rest.is_empty() => self.in_array(elements, rest)?,
            _ => self.add(rest),
        }
        self.so_far.pop();
        Ok(())
    }

    fn in_array(&mut self, elements: &[Bson], path: &[Part]) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let filter = match first {
            Part::Name(name) => {
                let element = index(name).and_then(|place| elements.get(place));
                return self.at(name.clone(), element, rest);
            }
            Part::Filtered(name) => self.filters.iter().find(|filter| filter.name == *name),
            Part::Each | Part::Matched => None,
        };
        for (place, element) in elements.iter().enumerate() {
            if filter.map_or(Ok(true), |filter| filter.matches(element))? {
                self.at(place.to_string(), Some(element), rest)?;
            }
        }
        Ok(())
    }
}
