//! Operators on arrays.

use bson::{Bson, Document, RawDocumentBuf, doc};

use super::operator::modifiers;
use super::{BAD_VALUE, TYPE_MISMATCH, failed};
use crate::data::filter::{Filter, integer, is_operators};
use crate::data::order;
use crate::data::sort::Sort;
use crate::error::Result;
use crate::hashing::FastSet;

/// `$push`: what comes in, where, and what is left afterwards.
#[derive(Debug, Clone)]
pub(super) struct Push {
    each: Vec<Bson>,
    position: Option<i64>,
    sort: Option<By>,
    slice: Option<i64>,
}

/// An order of elements.
#[derive(Debug, Clone)]
enum By {
    /// By the elements themselves.
    Value(order::Direction),
    /// By fields of theirs.
    Fields(Sort),
}

impl Push {
    pub(super) fn parse(path: &str, operand: &Bson) -> Result<Self> {
        let Some(modifiers) = modifiers(operand) else {
            return Ok(Self { each: vec![operand.clone()], position: None, sort: None, slice: None });
        };
        let mut push = Self { each: each(path, operand)?, position: None, sort: None, slice: None };
        for (name, value) in modifiers {
            let number = || {
                integer(value)
                    .ok_or_else(|| failed(BAD_VALUE, format!("{name} of $push of {path} needs a whole number")))
            };
            match name.as_str() {
                "$each" => (),
                "$position" => push.position = Some(number()?),
                "$slice" => push.slice = Some(number()?),
                "$sort" => push.sort = Some(by(path, value)?),
                other => {
                    return Err(failed(BAD_VALUE, format!("$push of {path} has no modifier {other}")));
                }
            }
        }
        Ok(push)
    }

    pub(super) fn apply(&self, elements: &mut Vec<Bson>) -> Result<()> {
        let length = elements.len() as i64;
        let place = match self.position {
            None => length,
            Some(position) if position < 0 => (length + position).max(0),
            Some(position) => position.min(length),
        };
        elements.splice(place as usize..place as usize, self.each.iter().cloned());
        if let Some(by) = &self.sort {
            sort(elements, by)?;
        }
        match self.slice {
            Some(slice) if slice >= 0 => elements.truncate(usize::try_from(slice).unwrap_or(usize::MAX)),
            Some(slice) => {
                let kept = usize::try_from(slice.unsigned_abs()).unwrap_or(usize::MAX);
                elements.drain(..elements.len().saturating_sub(kept));
            }
            None => (),
        }
        Ok(())
    }
}

fn by(path: &str, value: &Bson) -> Result<By> {
    let wrong = || failed(BAD_VALUE, format!("$sort of $push of {path} needs 1, -1, or fields with them"));
    match value {
        Bson::Document(fields) if !fields.is_empty() => Ok(By::Fields(Sort::parse(fields)?)),
        Bson::Document(_) => Err(wrong()),
        number if integer(number).is_some_and(|number| number.abs() == 1) => {
            order::Direction::of(number).map(By::Value).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn sort(elements: &mut [Bson], by: &By) -> Result<()> {
    let mut keyed = Vec::with_capacity(elements.len());
    for element in elements.iter_mut() {
        let raw = order::raw(element)?;
        let key = match by {
            By::Value(direction) => {
                let mut key = Vec::new();
                direction.put(&order::key(raw.as_raw_bson_ref()), &mut key);
                key
            }
            By::Fields(sort) => match raw.as_document() {
                Some(document) => sort.key(document)?,
                // What has no fields has none of these.
                None => sort.key(bson::RawDocumentBuf::new().as_ref())?,
            },
        };
        keyed.push((key, std::mem::replace(element, Bson::Null)));
    }
    keyed.sort_by(|left, right| left.0.cmp(&right.0));
    for (place, (_, element)) in keyed.into_iter().enumerate() {
        elements[place] = element;
    }
    Ok(())
}

/// The values of `$each`, or the one value.
fn each(path: &str, operand: &Bson) -> Result<Vec<Bson>> {
    match modifiers(operand) {
        None => Ok(vec![operand.clone()]),
        Some(modifiers) => match modifiers.get("$each") {
            Some(Bson::Array(values)) => Ok(values.clone()),
            _ => Err(failed(BAD_VALUE, format!("$each of {path} needs an array"))),
        },
    }
}

/// The values of `$addToSet`: the document is one of values if it begins with `$each`.
pub(super) fn members(path: &str, operand: &Bson) -> Result<Vec<Bson>> {
    let Some(listed) = operand.as_document().filter(|all| all.keys().next().is_some_and(|first| first == "$each"))
    else {
        return Ok(vec![operand.clone()]);
    };
    match (listed.len(), listed.get("$each")) {
        (1, Some(Bson::Array(values))) => Ok(values.clone()),
        (1, _) => Err(failed(TYPE_MISMATCH, format!("$each of {path} needs an array"))),
        _ => Err(failed(BAD_VALUE, format!("$addToSet of {path} has nothing but $each"))),
    }
}

/// Adds what isn't there yet.
pub(super) fn add_to_set(elements: &mut Vec<Bson>, values: &[Bson]) -> Result<()> {
    let mut keys = elements.iter().map(order::key_of).collect::<Result<FastSet<_>>>()?;
    for value in values {
        if keys.insert(order::key_of(value)?) {
            elements.push(value.clone());
        }
    }
    Ok(())
}

/// Which elements go.
#[derive(Debug, Clone)]
pub(super) enum Pull {
    /// Documents that match.
    Documents(Filter),
    /// Values that match, as the field without a name of a document.
    Values(Filter),
    /// Those with one of these keys.
    Equal(FastSet<Vec<u8>>),
}

impl Pull {
    pub(super) fn parse(operand: &Bson) -> Result<Self> {
        match operand {
            Bson::Document(condition) if !is_condition(condition) => Ok(Self::Documents(Filter::parse(condition)?)),
            Bson::Document(_) | Bson::RegularExpression(_) => Ok(Self::Values(Filter::parse(&doc! { "": operand })?)),
            value => Self::all(std::slice::from_ref(value)),
        }
    }

    pub(super) fn all(values: &[Bson]) -> Result<Self> {
        Ok(Self::Equal(values.iter().map(order::key_of).collect::<Result<_>>()?))
    }

    pub(super) fn apply(&self, elements: &mut Vec<Bson>) -> Result<()> {
        let mut kept = Vec::with_capacity(elements.len());
        for element in elements.drain(..) {
            let goes = match (self, &element) {
                (Self::Documents(wanted), Bson::Document(inner)) => {
                    wanted.matches(RawDocumentBuf::try_from(inner)?.as_ref())
                }
                (Self::Documents(_), _) => false,
                (Self::Values(wanted), value) => {
                    wanted.matches(RawDocumentBuf::try_from(&doc! { "": value })?.as_ref())
                }
                (Self::Equal(keys), value) => keys.contains(&order::key_of(value)?),
            };
            if !goes {
                kept.push(element);
            }
        }
        *elements = kept;
        Ok(())
    }
}

/// Whether it is of operators on a value, such as `$gt`; `$and` and the like are about fields.
fn is_condition(document: &Document) -> bool {
    is_operators(document)
        && !document.keys().next().is_some_and(|first| matches!(first.as_str(), "$and" | "$or" | "$nor" | "$comment"))
}
