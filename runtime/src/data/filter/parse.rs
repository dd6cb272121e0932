//! From a filter's document to what it means.

use bson::{Bson, Document, RawBsonRef};

use super::predicate::{Element, Operand, Predicate, Values, whole};
use super::regular::Regular;
use super::types::Types;
use super::{Clause, invalid, unsupported};
use crate::data::expression::Expression;
use crate::data::order;
use crate::data::path::Path;
use crate::error::Result;

/// As deep as filters are nested in each other.
const DEEPEST: usize = 100;

/// Operators of MongoDB's that stand where a field would.
const ELSEWHERE: &[&str] = &["$where", "$text", "$jsonSchema", "$sampleRate", "$alwaysTrue", "$alwaysFalse"];

/// Reads a whole filter. `variables` are those of `let`.
pub(super) fn filter(filter: &Document, variables: &Document) -> Result<Vec<Clause>> {
    clauses(filter, variables, 0)
}

/// What `$elemMatch` asks of an element, in a projection too.
pub(crate) fn element(condition: &Bson) -> Result<Element> {
    elem_match(condition, 0)
}

fn clauses(filter: &Document, variables: &Document, depth: usize) -> Result<Vec<Clause>> {
    if depth > DEEPEST {
        return Err(invalid(format!("the filter is nested deeper than {DEEPEST} levels")));
    }
    let mut all = Vec::with_capacity(filter.len());
    for (name, value) in filter {
        match name.as_str() {
            "$and" => all.push(Clause::And(list(name, value, variables, depth)?)),
            "$or" => all.push(Clause::Or(list(name, value, variables, depth)?)),
            "$nor" => all.push(Clause::Nor(list(name, value, variables, depth)?)),
            "$expr" => all.push(Clause::Expression(Expression::parse(value, variables)?)),
            "$comment" => (),
            name if ELSEWHERE.contains(&name) => return Err(unsupported(name)),
            name if name.starts_with('$') && name != "$id" && name != "$ref" && name != "$db" => {
                return Err(invalid(format!("unknown operator {name} in a filter")));
            }
            name => all.extend(field(name, value, depth)?),
        }
    }
    // What `$and` holds stands beside the rest: so plans see it.
    let mut flat = Vec::with_capacity(all.len());
    for clause in all {
        flatten(clause, &mut flat);
    }
    Ok(flat)
}

fn flatten(clause: Clause, flat: &mut Vec<Clause>) {
    match clause {
        Clause::And(all) => {
            for clause in all {
                flatten(clause, flat);
            }
        }
        other => flat.push(other),
    }
}

fn list(name: &str, value: &Bson, variables: &Document, depth: usize) -> Result<Vec<Clause>> {
    let parts = value.as_array().filter(|parts| !parts.is_empty());
    let parts = parts.ok_or_else(|| invalid(format!("{name} needs an array of filters that isn't empty")))?;
    let mut all = Vec::with_capacity(parts.len());
    for part in parts {
        let part = part.as_document().ok_or_else(|| invalid(format!("{name} needs an array of filters")))?;
        let mut inside = clauses(part, variables, depth + 1)?;
        all.push(if inside.len() == 1 { inside.remove(0) } else { Clause::And(inside) });
    }
    Ok(all)
}

fn field(name: &str, value: &Bson, depth: usize) -> Result<Vec<Clause>> {
    let predicates = match value {
        Bson::Document(operators) if is_operators(operators) => operators_of(name, operators, depth)?,
        Bson::RegularExpression(regex) => {
            vec![Predicate::Regular(Regular::new(regex.pattern.as_str(), regex.options.as_str())?)]
        }
        value => vec![Predicate::Equal(operand(name, value)?)],
    };
    let path = Path::new(name);
    Ok(predicates.into_iter().map(|predicate| Clause::Field(path.clone(), predicate)).collect())
}

/// Whether a document is made of operators; one of a reference's fields is a value.
pub(crate) fn is_operators(document: &Document) -> bool {
    document
        .keys()
        .next()
        .is_some_and(|first| first.starts_with('$') && !matches!(first.as_str(), "$ref" | "$id" | "$db"))
}

fn operand(name: &str, value: &Bson) -> Result<Operand> {
    if matches!(value, Bson::Undefined) {
        return Err(invalid(format!("the filter on {name} compares with undefined")));
    }
    Operand::new(value)
}

fn operators_of(name: &str, operators: &Document, depth: usize) -> Result<Vec<Predicate>> {
    if depth > DEEPEST {
        return Err(invalid(format!("the filter is nested deeper than {DEEPEST} levels")));
    }
    let mut all = Vec::with_capacity(operators.len());
    for (operator, value) in operators {
        all.push(match operator.as_str() {
            // A regular expression means itself here, not what it matches.
            "$eq" => Predicate::Equal(operand(name, value)?),
            "$ne" => {
                if matches!(value, Bson::RegularExpression(_)) {
                    return Err(invalid("$ne can't have a regular expression: write $not"));
                }
                Predicate::Not(vec![Predicate::Equal(operand(name, value)?)])
            }
            "$gt" => Predicate::Greater(ordered(name, operator, value)?),
            "$gte" => Predicate::GreaterOrEqual(ordered(name, operator, value)?),
            "$lt" => Predicate::Less(ordered(name, operator, value)?),
            "$lte" => Predicate::LessOrEqual(ordered(name, operator, value)?),
            "$in" => Predicate::In(values(operator, value)?),
            "$nin" => Predicate::Not(vec![Predicate::In(values(operator, value)?)]),
            "$exists" => {
                if truth(value) {
                    Predicate::Exists
                } else {
                    Predicate::Not(vec![Predicate::Exists])
                }
            }
            "$type" => Predicate::Type(Types::parse(value)?),
            "$all" => Predicate::All(all_of(name, value, depth)?),
            "$elemMatch" => Predicate::ElemMatch(Box::new(elem_match(value, depth)?)),
            "$size" => Predicate::Size(size(value)?),
            "$regex" => Predicate::Regular(regular(value, operators.get("$options"))?),
            "$options" if operators.contains_key("$regex") => continue,
            "$options" => return Err(invalid("$options needs a $regex")),
            "$mod" => remainder(value)?,
            "$not" => Predicate::Not(negated(name, value, depth)?),
            other if other.starts_with('$') => {
                return Err(match other {
                    "$geoWithin" | "$geoIntersects" | "$near" | "$nearSphere" | "$within" | "$maxDistance"
                    | "$bitsAllSet" | "$bitsAllClear" | "$bitsAnySet" | "$bitsAnyClear" | "$expr" => unsupported(other),
                    other => invalid(format!("unknown operator {other} in the filter on {name}")),
                });
            }
            field => {
                return Err(invalid(format!(
                    "the filter on {name} mixes operators with the field {field}: write either operators or a value"
                )));
            }
        });
    }
    Ok(all)
}

fn ordered(name: &str, operator: &str, value: &Bson) -> Result<Operand> {
    if matches!(value, Bson::RegularExpression(_)) {
        return Err(invalid(format!("{operator} on {name} can't have a regular expression")));
    }
    operand(name, value)
}

fn values(operator: &str, value: &Bson) -> Result<Values> {
    let listed = value.as_array().ok_or_else(|| invalid(format!("{operator} needs an array")))?;
    let mut values = Values::default();
    for value in listed {
        match value {
            Bson::RegularExpression(regex) => {
                values.add_regular(Regular::new(regex.pattern.as_str(), regex.options.as_str())?);
            }
            Bson::Document(operators) if is_operators(operators) => {
                return Err(invalid(format!("{operator} can't have operators in its array")));
            }
            value => values.add(&operand(operator, value)?),
        }
    }
    Ok(values)
}

fn truth(value: &Bson) -> bool {
    match value {
        Bson::Boolean(truth) => *truth,
        Bson::Int32(number) => *number != 0,
        Bson::Int64(number) => *number != 0,
        Bson::Double(number) => *number != 0.0,
        Bson::Decimal128(number) => order::key(RawBsonRef::Decimal128(*number)) != order::key(RawBsonRef::Int32(0)),
        Bson::Null | Bson::Undefined => false,
        _ => true,
    }
}

fn all_of(name: &str, value: &Bson, depth: usize) -> Result<Vec<Predicate>> {
    let listed = value.as_array().ok_or_else(|| invalid("$all needs an array"))?;
    let is_match = |value: &Bson| {
        value.as_document().is_some_and(|document| document.keys().next().is_some_and(|first| first == "$elemMatch"))
    };
    let matches = listed.iter().filter(|value| is_match(value)).count();
    if matches > 0 && matches < listed.len() {
        return Err(invalid("$all needs either values or $elemMatch alone"));
    }
    let one = |value: &Bson| match value {
        Bson::Document(operators) if matches > 0 => {
            let inside = operators.get("$elemMatch").unwrap_or(&Bson::Null);
            Ok(Predicate::ElemMatch(Box::new(elem_match(inside, depth + 1)?)))
        }
        Bson::Document(operators) if is_operators(operators) => Err(invalid("$all can't have operators in its array")),
        Bson::RegularExpression(regex) => {
            Ok(Predicate::Regular(Regular::new(regex.pattern.as_str(), regex.options.as_str())?))
        }
        value => Ok(Predicate::Equal(operand(name, value)?)),
    };
    listed.iter().map(one).collect()
}

fn elem_match(value: &Bson, depth: usize) -> Result<Element> {
    let inside = value.as_document().ok_or_else(|| invalid("$elemMatch needs a document"))?;
    let first = inside.keys().next().map(String::as_str);
    let of_fields = first.is_none_or(|first| matches!(first, "$and" | "$or" | "$nor" | "$where" | "$expr"));
    if is_operators(inside) && !of_fields {
        return Ok(Element::Value(operators_of("an element", inside, depth + 1)?));
    }
    Ok(Element::Document(clauses(inside, &Document::new(), depth + 1)?))
}

fn size(value: &Bson) -> Result<i64> {
    let number = integer(value).ok_or_else(|| invalid("$size needs a whole number"))?;
    if number < 0 {
        return Err(invalid("$size needs a number that isn't negative"));
    }
    Ok(number)
}

/// A number without a fraction, of any type.
pub(crate) fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < 9.0e18 => Some(*number as i64),
        Bson::Decimal128(number) => {
            let whole = order::truncated(*number)?;
            (order::key(RawBsonRef::Decimal128(*number)) == order::key(RawBsonRef::Int64(whole))).then_some(whole)
        }
        _ => None,
    }
}

fn regular(value: &Bson, options: Option<&Bson>) -> Result<Regular> {
    let options = match options {
        None => None,
        Some(Bson::String(options)) => Some(options.as_str()),
        Some(_) => return Err(invalid("$options needs a text")),
    };
    match value {
        Bson::String(pattern) => Regular::new(pattern, options.unwrap_or_default()),
        Bson::RegularExpression(regex) => {
            let own = regex.options.as_str();
            if options.is_some() && !own.is_empty() {
                return Err(invalid("options are set in both $regex and $options"));
            }
            Regular::new(regex.pattern.as_str(), options.unwrap_or(own))
        }
        _ => Err(invalid("$regex needs a text or a regular expression")),
    }
}

fn remainder(value: &Bson) -> Result<Predicate> {
    let wrong = || invalid("$mod needs an array of two numbers: the divisor and the remainder");
    let Some([divisor, remainder]) = value.as_array().map(Vec::as_slice) else { return Err(wrong()) };
    let number = |value: &Bson| order::raw(value).map(|value| whole(value.as_raw_bson_ref()));
    let (divisor, remainder) = (number(divisor)?.ok_or_else(wrong)?, number(remainder)?.ok_or_else(wrong)?);
    if divisor == 0 {
        return Err(invalid("the divisor of $mod can't be 0"));
    }
    Ok(Predicate::Remainder { divisor, remainder })
}

fn negated(name: &str, value: &Bson, depth: usize) -> Result<Vec<Predicate>> {
    match value {
        Bson::RegularExpression(regex) => {
            Ok(vec![Predicate::Regular(Regular::new(regex.pattern.as_str(), regex.options.as_str())?)])
        }
        Bson::Document(operators) if is_operators(operators) => operators_of(name, operators, depth + 1),
        _ => Err(invalid(format!("$not on {name} needs operators or a regular expression"))),
    }
}
