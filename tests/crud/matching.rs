//! Whether a value is as a test wants it, by the rules of the unified test format.

use bson::{Bson, Document};

/// Whether what came matches what was wanted. At the root a document may have more fields than are named.
pub(crate) fn matches(wanted: &Bson, came: Option<&Bson>, at_root: bool) -> Result<(), String> {
    if let Bson::Document(special) = wanted
        && let Some((name, operand)) = special.iter().next()
        && name.starts_with("$$")
    {
        return match (name.as_str(), came) {
            ("$$unsetOrMatches", None) => Ok(()),
            ("$$unsetOrMatches", came) => matches(operand, came, at_root),
            ("$$exists", came) if came.is_some() == (operand == &Bson::Boolean(true)) => Ok(()),
            ("$$type", Some(came)) if is_of_type(operand, came) => Ok(()),
            _ => Err(format!("{name} doesn't hold of {came:?}")),
        };
    }
    match (wanted, came) {
        (Bson::Document(wanted), Some(Bson::Document(came))) => documents(wanted, came, at_root),
        (Bson::Array(wanted), Some(Bson::Array(came))) => {
            if wanted.len() != came.len() {
                return Err(format!("{} values where {} are wanted: {came:?}", came.len(), wanted.len()));
            }
            // Each of the documents of a result is a root of its own.
            wanted.iter().zip(came).try_for_each(|(wanted, came)| matches(wanted, Some(came), at_root))
        }
        (wanted, Some(came)) if is_equal(wanted, came) => Ok(()),
        (wanted, came) => Err(format!("{came:?} where {wanted:?} is wanted")),
    }
}

fn documents(wanted: &Document, came: &Document, at_root: bool) -> Result<(), String> {
    for (name, value) in wanted {
        matches(value, came.get(name), false).map_err(|why| format!("{name}: {why}"))?;
    }
    match came.keys().find(|name| !wanted.contains_key(name.as_str())) {
        Some(more) if !at_root => Err(format!("{more} isn't wanted")),
        Some(_) | None => Ok(()),
    }
}

/// Numbers of different types are equal if their values are.
fn is_equal(wanted: &Bson, came: &Bson) -> bool {
    let number = |value: &Bson| match value {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => Some(*number as f64),
        Bson::Double(number) => Some(*number),
        _ => None,
    };
    match (number(wanted), number(came)) {
        (Some(wanted), Some(came)) => wanted.total_cmp(&came).is_eq() || wanted == came,
        _ => wanted == came,
    }
}

fn is_of_type(wanted: &Bson, came: &Bson) -> bool {
    let named = |name: &str| match name {
        "objectId" => matches!(came, Bson::ObjectId(_)),
        "int" => matches!(came, Bson::Int32(_)),
        "long" => matches!(came, Bson::Int64(_)),
        "string" => matches!(came, Bson::String(_)),
        "object" => matches!(came, Bson::Document(_)),
        other => panic!("the type {other} isn't known to these tests"),
    };
    match wanted {
        Bson::String(name) => named(name),
        Bson::Array(several) => several.iter().filter_map(Bson::as_str).any(named),
        _ => false,
    }
}
