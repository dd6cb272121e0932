//! Counting as MongoDB does: the wider type of two wins, 32 bits that don't suffice become 64, 64 that don't are an error.

use bson::{Bson, Document};

use super::operator::refuse_decimal;
use super::{BAD_VALUE, TYPE_MISMATCH, failed};
use crate::error::{Error, Result};

/// A number to count with.
pub(super) fn operand(operator: &str, path: &str, operand: &Bson) -> Result<Bson> {
    match operand {
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => Ok(operand.clone()),
        Bson::Decimal128(_) => Err(refuse_decimal(operator)),
        _ => Err(failed(TYPE_MISMATCH, format!("{operator} of {path} needs a number, not {operand}"))),
    }
}

/// Two numbers of one type.
enum Pair {
    Int32(i32, i32),
    Int64(i64, i64),
    Double(f64, f64),
}

fn pair(before: &Bson, by: &Bson, operator: &str, path: &impl Fn() -> String) -> Result<Pair> {
    Ok(match (before, by) {
        (Bson::Int32(left), Bson::Int32(right)) => Pair::Int32(*left, *right),
        (Bson::Int32(left), Bson::Int64(right)) => Pair::Int64(i64::from(*left), *right),
        (Bson::Int64(left), Bson::Int32(right)) => Pair::Int64(*left, i64::from(*right)),
        (Bson::Int64(left), Bson::Int64(right)) => Pair::Int64(*left, *right),
        (Bson::Double(left), Bson::Double(right)) => Pair::Double(*left, *right),
        (Bson::Double(left), Bson::Int32(right)) => Pair::Double(*left, f64::from(*right)),
        (Bson::Double(left), Bson::Int64(right)) => Pair::Double(*left, *right as f64),
        (Bson::Int32(left), Bson::Double(right)) => Pair::Double(f64::from(*left), *right),
        (Bson::Int64(left), Bson::Double(right)) => Pair::Double(*left as f64, *right),
        (Bson::Decimal128(_), _) => return Err(refuse_decimal(operator)),
        (before, _) => {
            let message = format!("{operator} of {} needs a number there, and finds {before}", path());
            return Err(failed(TYPE_MISMATCH, message));
        }
    })
}

fn too_large(operator: &str, path: &impl Fn() -> String) -> Error {
    failed(BAD_VALUE, format!("{operator} of {} goes beyond 64 bits", path()))
}

pub(super) fn sum(before: &Bson, by: &Bson, path: impl Fn() -> String) -> Result<Bson> {
    Ok(match pair(before, by, "$inc", &path)? {
        Pair::Int32(left, right) => match left.checked_add(right) {
            Some(sum) => Bson::Int32(sum),
            None => Bson::Int64(i64::from(left) + i64::from(right)),
        },
        Pair::Int64(left, right) => Bson::Int64(left.checked_add(right).ok_or_else(|| too_large("$inc", &path))?),
        Pair::Double(left, right) => Bson::Double(left + right),
    })
}

/// Where nothing is, a 0 is multiplied: the product is 0 in the other number's type, if that is finite.
pub(super) fn product(before: Option<&Bson>, by: &Bson, path: impl Fn() -> String) -> Result<Bson> {
    let before = before.unwrap_or(&Bson::Int32(0));
    Ok(match pair(before, by, "$mul", &path)? {
        Pair::Int32(left, right) => match left.checked_mul(right) {
            Some(product) => Bson::Int32(product),
            None => Bson::Int64(i64::from(left) * i64::from(right)),
        },
        Pair::Int64(left, right) => Bson::Int64(left.checked_mul(right).ok_or_else(|| too_large("$mul", &path))?),
        Pair::Double(left, right) => Bson::Double(left * right),
    })
}

/// The operations of `$bit`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bits {
    And,
    Or,
    Xor,
}

pub(super) fn bits(path: &str, operand: &Bson) -> Result<Vec<(Bits, Bson)>> {
    let wrong = || failed(BAD_VALUE, format!("$bit of {path} needs \"and\", \"or\" or \"xor\" with whole numbers"));
    let operations: &Document = operand.as_document().filter(|all| !all.is_empty()).ok_or_else(wrong)?;
    let one = |(name, number): (&String, &Bson)| {
        let bits = match name.as_str() {
            "and" => Bits::And,
            "or" => Bits::Or,
            "xor" => Bits::Xor,
            _ => return Err(wrong()),
        };
        match number {
            Bson::Int32(_) | Bson::Int64(_) => Ok((bits, number.clone())),
            _ => Err(wrong()),
        }
    };
    operations.iter().map(one).collect()
}

pub(super) fn bit(before: Option<&Bson>, operations: &[(Bits, Bson)], path: impl Fn() -> String) -> Result<Bson> {
    let mut value = before.cloned().unwrap_or(Bson::Int32(0));
    for (bits, by) in operations {
        let pair = match (&value, by) {
            (Bson::Int32(_) | Bson::Int64(_), _) => pair(&value, by, "$bit", &path)?,
            (other, _) => {
                let message = format!("$bit of {} needs a whole number there, and finds {other}", path());
                return Err(failed(BAD_VALUE, message));
            }
        };
        value = match pair {
            Pair::Int32(left, right) => Bson::Int32(combined(*bits, i64::from(left), i64::from(right)) as i32),
            Pair::Int64(left, right) => Bson::Int64(combined(*bits, left, right)),
            Pair::Double(..) => value,
        };
    }
    Ok(value)
}

fn combined(bits: Bits, left: i64, right: i64) -> i64 {
    match bits {
        Bits::And => left & right,
        Bits::Or => left | right,
        Bits::Xor => left ^ right,
    }
}
