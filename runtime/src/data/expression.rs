//! Aggregation expressions, the few that filters (`$expr`) and updates by pipeline mostly use.
//!
//! Field paths, variables, values, documents and arrays of them, comparisons, logic, `$cond`, `$ifNull`, `$literal` and
//! `$setField`. Any other operator is an error that names it. Source: MongoDB's manual, "Aggregation Expressions".

use std::cmp::Ordering;

use bson::{Bson, Document};

use super::order;
use crate::error::{Error, ErrorKind, Result};

/// MongoDB's codes.
const FAILED_TO_PARSE: i32 = 9;
const UNKNOWN_EXPRESSION: i32 = 168;
const UNDEFINED_VARIABLE: i32 = 17_276;

/// As deep as MongoDB nests expressions.
const DEEPEST: usize = 100;

/// An expression that was understood whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// A value, as it is.
    Value(Bson),
    /// The whole document.
    Root,
    /// A path in the document.
    Field(Vec<String>),
    Document(Vec<(String, Expression)>),
    Array(Vec<Expression>),
    Compare(Comparison, Box<[Expression; 2]>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    /// If, then, else.
    Condition(Box<[Expression; 3]>),
    IfNull(Vec<Expression>),
    /// A document with a field set, whose name may have dots and dollars in it.
    SetField {
        field: String,
        input: Box<Expression>,
        value: Box<Expression>,
    },
}

/// What a comparison asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "$eq" => Self::Equal,
            "$ne" => Self::NotEqual,
            "$lt" => Self::Less,
            "$lte" => Self::LessOrEqual,
            "$gt" => Self::Greater,
            "$gte" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

fn wrong(code: i32, message: impl std::fmt::Display) -> Error {
    Error::of(ErrorKind::Invalid, message).with_code(code).into_terminal()
}

impl Expression {
    /// Reads an expression. `variables` are those of `let`.
    pub(crate) fn parse(expression: &Bson, variables: &Document) -> Result<Self> {
        parse(expression, variables, 0)
    }

    /// Its value for a document; `None` is "missing".
    pub(crate) fn value(&self, root: &Document) -> Result<Option<Bson>> {
        Ok(match self {
            Self::Value(value) => Some(value.clone()),
            Self::Root => Some(root.clone().into()),
            Self::Field(path) => at(root.get(&path[0]), &path[1..]),
            Self::Document(fields) => {
                let mut whole = Document::new();
                for (name, expression) in fields {
                    if let Some(value) = expression.value(root)? {
                        whole.insert(name.clone(), value);
                    }
                }
                Some(whole.into())
            }
            Self::Array(elements) => {
                let each = elements.iter().map(|element| Ok(element.value(root)?.unwrap_or(Bson::Null)));
                Some(Bson::Array(each.collect::<Result<_>>()?))
            }
            Self::Compare(comparison, both) => Some(comparison.holds(compared(&both[0], &both[1], root)?).into()),
            Self::And(all) => {
                let each = all.iter().map(|one| one.truth(root)).collect::<Result<Vec<_>>>()?;
                Some(each.into_iter().all(|truth| truth).into())
            }
            Self::Or(any) => {
                let each = any.iter().map(|one| one.truth(root)).collect::<Result<Vec<_>>>()?;
                Some(each.into_iter().any(|truth| truth).into())
            }
            Self::Not(one) => Some((!one.truth(root)?).into()),
            Self::Condition(parts) => parts[if parts[0].truth(root)? { 1 } else { 2 }].value(root)?,
            Self::IfNull(all) => {
                let mut value = None;
                for one in all {
                    value = one.value(root)?;
                    if !matches!(value, None | Some(Bson::Null | Bson::Undefined)) {
                        break;
                    }
                }
                value
            }
            Self::SetField { field, input, value } => match input.value(root)? {
                Some(Bson::Document(mut input)) => {
                    match value.value(root)? {
                        Some(value) => drop(input.insert(field.clone(), value)),
                        None => drop(input.remove(field)),
                    }
                    Some(input.into())
                }
                None | Some(Bson::Null | Bson::Undefined) => Some(Bson::Null),
                Some(other) => {
                    return Err(wrong(
                        4_161_105,
                        format!("$setField needs a document as its input, and finds {other}"),
                    ));
                }
            },
        })
    }

    /// Whether its value is none of `false`, 0, null, undefined and missing.
    pub(crate) fn truth(&self, root: &Document) -> Result<bool> {
        Ok(match self.value(root)? {
            None | Some(Bson::Null | Bson::Undefined) => false,
            Some(Bson::Boolean(truth)) => truth,
            Some(Bson::Int32(number)) => number != 0,
            Some(Bson::Int64(number)) => number != 0,
            Some(Bson::Double(number)) => number != 0.0,
            Some(number @ Bson::Decimal128(_)) => order::key_of(&number)? != order::key_of(&Bson::Int32(0))?,
            Some(_) => true,
        })
    }
}

fn compared(left: &Expression, right: &Expression, root: &Document) -> Result<Ordering> {
    // Undefined, which stands before null, as missing does.
    let key = |one: &Expression| order::key_of(&one.value(root)?.unwrap_or(Bson::Undefined));
    Ok(key(left)?.cmp(&key(right)?))
}

/// The value at a path; through an array, the array of what is found in its documents.
fn at(value: Option<&Bson>, path: &[String]) -> Option<Bson> {
    let Some((first, rest)) = path.split_first() else { return value.cloned() };
    match value? {
        Bson::Document(inner) => at(inner.get(first), rest),
        Bson::Array(elements) => {
            let inside = elements.iter().filter_map(|element| match element {
                Bson::Document(_) | Bson::Array(_) => at(Some(element), path),
                _ => None,
            });
            Some(Bson::Array(inside.collect()))
        }
        _ => None,
    }
}

fn parse(expression: &Bson, variables: &Document, depth: usize) -> Result<Expression> {
    if depth > DEEPEST {
        return Err(wrong(FAILED_TO_PARSE, format!("an expression is nested deeper than {DEEPEST} levels")));
    }
    match expression {
        Bson::String(text) => match (text.strip_prefix("$$"), text.strip_prefix('$')) {
            (Some(variable), _) => variable_of(variable, variables),
            (None, Some(path)) => Ok(Expression::Field(parts(path)?)),
            (None, None) => Ok(Expression::Value(expression.clone())),
        },
        Bson::Array(elements) => {
            let each = elements.iter().map(|element| parse(element, variables, depth + 1));
            Ok(Expression::Array(each.collect::<Result<_>>()?))
        }
        Bson::Document(document) => match document.iter().next() {
            Some((name, operand)) if name.starts_with('$') => {
                if document.len() > 1 {
                    return Err(wrong(15_983, format!("an expression has one operator, and {name} isn't alone")));
                }
                operator(name, operand, variables, depth + 1)
            }
            _ => {
                let each = document.iter().map(|(name, value)| {
                    if name.contains('.') {
                        return Err(wrong(16_412, format!("a field of an expression has no dots in its name: {name}")));
                    }
                    Ok((name.clone(), parse(value, variables, depth + 1)?))
                });
                Ok(Expression::Document(each.collect::<Result<_>>()?))
            }
        },
        value => Ok(Expression::Value(value.clone())),
    }
}

fn parts(path: &str) -> Result<Vec<String>> {
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    if parts.iter().any(|part| part.is_empty() || part.starts_with('$')) {
        return Err(wrong(FAILED_TO_PARSE, format!("${path} is no path of a field")));
    }
    Ok(parts)
}

fn variable_of(text: &str, variables: &Document) -> Result<Expression> {
    let (name, rest) = text.split_once('.').map_or((text, None), |(name, rest)| (name, Some(rest)));
    if matches!(name, "ROOT" | "CURRENT") {
        return rest.map_or(Ok(Expression::Root), |rest| Ok(Expression::Field(parts(rest)?)));
    }
    let value = variables.get(name).ok_or_else(|| {
        wrong(UNDEFINED_VARIABLE, format!("use of undefined variable: {name}; `let_vars` defines variables"))
    })?;
    let path = rest.map(parts).transpose()?.unwrap_or_default();
    // Its value is an expression itself, one that needs no document.
    let value = parse(value, &Document::new(), 0)?.value(&Document::new())?;
    Ok(Expression::Value(at(value.as_ref(), &path).unwrap_or(Bson::Undefined)))
}

fn operator(name: &str, operand: &Bson, variables: &Document, depth: usize) -> Result<Expression> {
    let each = |operand: &Bson| match operand {
        Bson::Array(all) => all.iter().map(|one| parse(one, variables, depth)).collect::<Result<Vec<_>>>(),
        one => Ok(vec![parse(one, variables, depth)?]),
    };
    let needs = |count: &str| wrong(16_020, format!("the expression {name} needs {count}"));
    if let Some(comparison) = Comparison::named(name) {
        let both: Box<[Expression; 2]> = each(operand)?.try_into().map_err(|_| needs("two values"))?;
        return Ok(Expression::Compare(comparison, both));
    }
    match name {
        "$literal" => Ok(Expression::Value(operand.clone())),
        "$and" => Ok(Expression::And(each(operand)?)),
        "$or" => Ok(Expression::Or(each(operand)?)),
        "$not" => {
            let [one]: [Expression; 1] = each(operand)?.try_into().map_err(|_| needs("one value"))?;
            Ok(Expression::Not(Box::new(one)))
        }
        "$cond" => {
            let parts = match operand {
                Bson::Document(named) => {
                    let part = |name: &str| named.get(name).ok_or_else(|| needs("`if`, `then` and `else`"));
                    let parts = [part("if")?, part("then")?, part("else")?];
                    parts.into_iter().map(|part| parse(part, variables, depth)).collect::<Result<Vec<_>>>()?
                }
                other => each(other)?,
            };
            let parts: Box<[Expression; 3]> = parts.try_into().map_err(|_| needs("three values"))?;
            Ok(Expression::Condition(parts))
        }
        "$ifNull" => {
            let all = each(operand)?;
            if all.len() < 2 { Err(needs("at least two values")) } else { Ok(Expression::IfNull(all)) }
        }
        "$setField" => {
            let named = operand.as_document().ok_or_else(|| needs("`field`, `input` and `value`"))?;
            let part = |name: &str| {
                let part = named.get(name).ok_or_else(|| needs("`field`, `input` and `value`"))?;
                parse(part, variables, depth)
            };
            let Expression::Value(Bson::String(field)) = part("field")? else {
                return Err(needs("a text as its `field`"));
            };
            let (input, value) = (Box::new(part("input")?), Box::new(part("value")?));
            Ok(Expression::SetField { field, input, value })
        }
        other => {
            let message = format!(
                "the embedded store doesn't offer {other} in an expression: MongoDB's own driver does, on MongoDB"
            );
            Err(Error::of(ErrorKind::Unsupported, message).with_code(UNKNOWN_EXPRESSION).into_terminal())
        }
    }
}
