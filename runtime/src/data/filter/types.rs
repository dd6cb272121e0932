//! `$type`: kinds of values by their names and numbers.

use bson::spec::ElementType;
use bson::{Bson, RawBsonRef};

use super::invalid;
use crate::error::Result;

/// Some kinds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Types(Vec<ElementType>);

const NUMBERS: [ElementType; 4] =
    [ElementType::Double, ElementType::Int32, ElementType::Int64, ElementType::Decimal128];

impl Types {
    /// One, or an array of them.
    pub(super) fn parse(operand: &Bson) -> Result<Self> {
        let mut types = Vec::new();
        match operand {
            Bson::Array(several) if several.is_empty() => {
                return Err(invalid("$type needs at least one type"));
            }
            Bson::Array(several) => several.iter().try_for_each(|one| add(one, &mut types))?,
            one => add(one, &mut types)?,
        }
        Ok(Self(types))
    }

    pub(super) fn have(&self, value: RawBsonRef<'_>) -> bool {
        self.0.contains(&value.element_type())
    }
}

fn add(one: &Bson, types: &mut Vec<ElementType>) -> Result<()> {
    let unknown = || invalid(format!("$type doesn't know the type {one}"));
    let number = match one {
        Bson::String(name) if name == "number" => {
            types.extend(NUMBERS);
            return Ok(());
        }
        Bson::String(name) => {
            types.push(named(name).ok_or_else(unknown)?);
            return Ok(());
        }
        Bson::Int32(number) => f64::from(*number),
        Bson::Int64(number) => *number as f64,
        Bson::Double(number) => *number,
        _ => return Err(unknown()),
    };
    let byte = match number {
        -1.0 => 0xFF,
        number if number.fract() == 0.0 && (1.0..=127.0).contains(&number) => number as u8,
        _ => return Err(unknown()),
    };
    types.push(ElementType::from(byte).ok_or_else(unknown)?);
    Ok(())
}

fn named(name: &str) -> Option<ElementType> {
    Some(match name {
        "double" => ElementType::Double,
        "string" => ElementType::String,
        "object" => ElementType::EmbeddedDocument,
        "array" => ElementType::Array,
        "binData" => ElementType::Binary,
        "undefined" => ElementType::Undefined,
        "objectId" => ElementType::ObjectId,
        "bool" => ElementType::Boolean,
        "date" => ElementType::DateTime,
        "null" => ElementType::Null,
        "regex" => ElementType::RegularExpression,
        "dbPointer" => ElementType::DbPointer,
        "javascript" => ElementType::JavaScriptCode,
        "symbol" => ElementType::Symbol,
        "javascriptWithScope" => ElementType::JavaScriptCodeWithScope,
        "int" => ElementType::Int32,
        "timestamp" => ElementType::Timestamp,
        "long" => ElementType::Int64,
        "decimal" => ElementType::Decimal128,
        "minKey" => ElementType::MinKey,
        "maxKey" => ElementType::MaxKey,
        _ => return None,
    })
}
