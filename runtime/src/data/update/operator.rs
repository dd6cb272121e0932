//! What becomes of one value.

use std::cmp::Ordering;

use bson::{Bson, Document};

use super::array::{Pull, Push};
use super::number::{self, Bits};
use super::{Application, BAD_VALUE, FAILED_TO_PARSE, Part, TYPE_MISMATCH, failed, shown, unsupported};
use crate::data::order;
use crate::error::Result;

/// What is done to a value.
#[derive(Debug, Clone)]
pub(super) enum Operator {
    Set(Bson),
    SetOnInsert(Bson),
    Unset,
    Increment(Bson),
    Multiply(Bson),
    Min(Bson),
    Max(Bson),
    /// The date, or a timestamp.
    CurrentDate {
        timestamp: bool,
    },
    Bit(Vec<(Bits, Bson)>),
    Push(Push),
    AddToSet(Vec<Bson>),
    Pull(Pull),
    /// The first, or the last.
    Pop {
        first: bool,
    },
    /// The old name of a renaming: what happens to it does so with the new one.
    Leave,
    /// The new name of a renaming.
    Come {
        from: Vec<Part>,
    },
}

/// What becomes of a value.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This stands there now.
    Put(Bson),
    /// Nothing does.
    Remove,
    /// As it was.
    Keep,
}

impl Operator {
    /// Reads an operator for a path.
    pub(super) fn parse(name: &str, path: &str, operand: &Bson) -> Result<Self> {
        Ok(match name {
            "$set" => Self::Set(operand.clone()),
            "$setOnInsert" => Self::SetOnInsert(operand.clone()),
            "$unset" => Self::Unset,
            "$inc" => Self::Increment(number::operand(name, path, operand)?),
            "$mul" => Self::Multiply(number::operand(name, path, operand)?),
            "$min" => Self::Min(operand.clone()),
            "$max" => Self::Max(operand.clone()),
            "$currentDate" => Self::CurrentDate { timestamp: is_timestamp(path, operand)? },
            "$bit" => Self::Bit(number::bits(path, operand)?),
            "$push" => Self::Push(Push::parse(path, operand)?),
            "$addToSet" => Self::AddToSet(super::array::members(path, operand)?),
            "$pull" => Self::Pull(Pull::parse(operand)?),
            "$pullAll" => match operand {
                Bson::Array(values) => Self::Pull(Pull::all(values)?),
                _ => return Err(failed(BAD_VALUE, format!("$pullAll of {path} needs an array"))),
            },
            "$pop" => Self::Pop { first: is_first(path, operand)? },
            name => return Err(failed(FAILED_TO_PARSE, format!("unknown operator {name} in an update"))),
        })
    }

    /// What becomes of the value at the path's end.
    pub(super) fn result(&self, before: Option<&Bson>, how: &Application, path: &[Part]) -> Result<Outcome> {
        let put = |value: &Bson| Ok(Outcome::Put(value.clone()));
        match (self, before) {
            (Self::SetOnInsert(value), _) => {
                Ok(if how.inserting { Outcome::Put(value.clone()) } else { Outcome::Keep })
            }
            (Self::Leave | Self::Come { .. }, _) | (Self::Unset, None) => Ok(Outcome::Keep),
            (Self::Unset, Some(_)) => Ok(Outcome::Remove),
            (Self::Increment(by), Some(before)) => number::sum(before, by, || shown(path)).map(Outcome::Put),
            (Self::Multiply(by), before) => number::product(before, by, || shown(path)).map(Outcome::Put),
            (Self::Set(value), _) | (Self::Increment(value) | Self::Min(value) | Self::Max(value), None) => put(value),
            (Self::Min(value), Some(before)) => Ok(replaced(before, value, Ordering::Less)?),
            (Self::Max(value), Some(before)) => Ok(replaced(before, value, Ordering::Greater)?),
            (Self::CurrentDate { timestamp: true }, _) => Ok(Outcome::Put(how.timestamp.into())),
            (Self::CurrentDate { timestamp: false }, _) => Ok(Outcome::Put(how.now.into())),
            (Self::Bit(operations), before) => number::bit(before, operations, || shown(path)).map(Outcome::Put),
            (Self::Push(push), before) => {
                let mut elements = elements(before, "$push", path)?.unwrap_or_default();
                push.apply(&mut elements)?;
                Ok(Outcome::Put(elements.into()))
            }
            (Self::AddToSet(values), before) => {
                let mut elements = elements(before, "$addToSet", path)?.unwrap_or_default();
                super::array::add_to_set(&mut elements, values)?;
                Ok(Outcome::Put(elements.into()))
            }
            (Self::Pull(pull), before) => match elements(before, "$pull", path)? {
                Some(mut elements) => {
                    pull.apply(&mut elements)?;
                    Ok(Outcome::Put(elements.into()))
                }
                None => Ok(Outcome::Keep),
            },
            (Self::Pop { first }, before) => match popped(before, path)? {
                Some(mut elements) if !elements.is_empty() => {
                    elements.remove(if *first { 0 } else { elements.len() - 1 });
                    Ok(Outcome::Put(elements.into()))
                }
                Some(_) | None => Ok(Outcome::Keep),
            },
        }
    }
}

/// The new value, if it stands before (or behind) the old one.
fn replaced(before: &Bson, value: &Bson, wanted: Ordering) -> Result<Outcome> {
    let (old, new) = (order::raw(before)?, order::raw(value)?);
    let wins = order::compare(new.as_raw_bson_ref(), old.as_raw_bson_ref()) == wanted;
    Ok(if wins { Outcome::Put(value.clone()) } else { Outcome::Keep })
}

fn elements(before: Option<&Bson>, operator: &str, path: &[Part]) -> Result<Option<Vec<Bson>>> {
    match before {
        None => Ok(None),
        Some(Bson::Array(elements)) => Ok(Some(elements.clone())),
        Some(other) => {
            let message = format!("{operator} of {} needs an array there, and finds {other}", shown(path));
            Err(failed(BAD_VALUE, message))
        }
    }
}

fn popped(before: Option<&Bson>, path: &[Part]) -> Result<Option<Vec<Bson>>> {
    match before {
        Some(Bson::Array(_)) | None => elements(before, "$pop", path),
        Some(other) => {
            Err(failed(TYPE_MISMATCH, format!("$pop of {} needs an array there, and finds {other}", shown(path))))
        }
    }
}

fn is_timestamp(path: &str, operand: &Bson) -> Result<bool> {
    let wrong = || {
        failed(BAD_VALUE, format!("$currentDate of {path} needs true or {{ \"$type\": \"date\" or \"timestamp\" }}"))
    };
    match operand {
        Bson::Boolean(_) => Ok(false),
        Bson::Document(wanted) => match (wanted.len(), wanted.get_str("$type")) {
            (1, Ok("date")) => Ok(false),
            (1, Ok("timestamp")) => Ok(true),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn is_first(path: &str, operand: &Bson) -> Result<bool> {
    match crate::data::filter::integer(operand) {
        Some(-1) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(failed(FAILED_TO_PARSE, format!("$pop of {path} needs 1 or -1"))),
    }
}

/// A modifier's document such as `{ "$each": … }`, if it is one.
pub(super) fn modifiers(operand: &Bson) -> Option<&Document> {
    operand.as_document().filter(|modifiers| modifiers.contains_key("$each"))
}

/// What isn't offered.
pub(super) fn refuse_decimal(what: &str) -> crate::Error {
    unsupported(&format!("{what} with a Decimal128"))
}
