//! Which documents a filter means, with MongoDB's results, for the operators that the embedded store has.
//!
//! A filter is understood whole before it is used; an operator that isn't here is an error that names it, never a filter
//! that matches too much. Documents are looked at as they are stored, without being decoded.
//!
//! [`parse`] reads a filter, [`predicate`] says what one value must be, [`bounds`] what an index must be asked for.
//! Source: MongoDB's manual, "Query Predicates"; the walk through arrays is `super::path`.

use bson::{Bson, Document, RawDocument};

use super::expression::Expression;
use super::order;
use super::path::{AtEnd, Path};
use crate::error::{Error, ErrorKind, Result};

mod bounds;
mod parse;
pub(crate) mod predicate;
mod regular;
#[cfg(test)]
pub(crate) mod tests;
mod types;

pub(crate) use bounds::Interval;
pub(crate) use parse::{element, integer, is_operators};
use predicate::Predicate;

/// MongoDB's codes.
pub(super) const BAD_VALUE: i32 = 2;
const NOT_SINGLE_VALUE_FIELD: i32 = 54;

/// A filter that was understood whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    /// All must hold.
    all: Vec<Clause>,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Clause {
    /// What a field must be.
    Field(Path, Predicate),
    And(Vec<Clause>),
    Or(Vec<Clause>),
    Nor(Vec<Clause>),
    /// `$expr`: an expression is true.
    Expression(Expression),
}

/// How a document matched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Matched {
    /// The place in an array that matched: what `$` means.
    pub(crate) array_index: Option<usize>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for one that makes no sense, [`ErrorKind::Unsupported`] for an operator that isn't here.
    pub(crate) fn parse(filter: &Document) -> Result<Self> {
        Self::with_variables(filter, None)
    }

    /// Reads a filter that may use variables of `let`.
    pub(crate) fn with_variables(filter: &Document, variables: Option<&Document>) -> Result<Self> {
        Ok(Self { all: parse::filter(filter, variables.unwrap_or(&Document::new()))? })
    }

    /// Whether it means every document.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a document is meant.
    pub(crate) fn matches(&self, document: &RawDocument) -> bool {
        self.matched(document).is_some()
    }

    /// Whether a document is meant, and where in it.
    pub(crate) fn matched(&self, document: &RawDocument) -> Option<Matched> {
        let mut matched = Matched::default();
        self.all.iter().all(|clause| clause.holds(document, &mut matched)).then_some(matched)
    }

    /// The keys of the documents that alone can match, if the filter says their `_id`s.
    pub(crate) fn ids(&self) -> Option<Vec<Vec<u8>>> {
        self.all.iter().find_map(|clause| match clause {
            Clause::Field(path, Predicate::Equal(value)) if path.only() == Some("_id") => {
                Some(vec![value.key().to_vec()])
            }
            Clause::Field(path, Predicate::In(values)) if path.only() == Some("_id") => values.keys(),
            _ => None,
        })
    }

    /// What an upsert takes into the new document: the fields that the filter says the value of.
    pub(crate) fn equalities(&self) -> Result<Vec<(Vec<Box<str>>, Bson)>> {
        let mut found: Vec<(Vec<Box<str>>, Bson)> = Vec::new();
        for clause in &self.all {
            clause.equalities(&mut found)?;
        }
        // In the order of their paths, whatever that of the filter.
        found.sort_by_cached_key(|(path, _)| path.join("."));
        Ok(found)
    }
}

impl Clause {
    fn holds(&self, document: &RawDocument, matched: &mut Matched) -> bool {
        match self {
            Self::Field(path, predicate) => predicate.holds(path, document, matched),
            Self::And(clauses) => clauses.iter().all(|clause| clause.holds(document, matched)),
            Self::Or(clauses) => clauses.iter().any(|clause| {
                // What doesn't hold has no say in where the document matched.
                let mut own = *matched;
                let holds = clause.holds(document, &mut own);
                if holds {
                    *matched = own;
                }
                holds
            }),
            Self::Nor(clauses) => !clauses.iter().any(|clause| clause.holds(document, &mut Matched::default())),
            // An expression that fails on a document isn't true of it.
            Self::Expression(expression) => {
                Document::try_from(document).is_ok_and(|document| expression.truth(&document).unwrap_or_default())
            }
        }
    }

    fn equalities(&self, found: &mut Vec<(Vec<Box<str>>, Bson)>) -> Result<()> {
        match self {
            Self::Field(path, Predicate::All(all)) => {
                let one = |predicate: &Predicate| Self::Field(path.clone(), predicate.clone()).equalities(found);
                all.iter().try_for_each(one)
            }
            Self::Field(path, predicate) => {
                let Predicate::Equal(value) = predicate else { return Ok(()) };
                let own = path.parts();
                if found.iter().any(|(other, _)| own.starts_with(other) || other.starts_with(own)) {
                    let message = format!("the filter of an upsert says two values of {}", path.text());
                    return Err(Error::of(ErrorKind::Invalid, message)
                        .with_code(NOT_SINGLE_VALUE_FIELD)
                        .into_terminal());
                }
                found.push((path.parts().to_vec(), value.value().clone().try_into()?));
                Ok(())
            }
            Self::And(clauses) => clauses.iter().try_for_each(|clause| clause.equalities(found)),
            Self::Or(clauses) if clauses.len() == 1 => clauses[0].equalities(found),
            Self::Or(_) | Self::Nor(_) | Self::Expression(_) => Ok(()),
        }
    }
}

impl Predicate {
    /// Whether any value that the path means is as it must be.
    fn holds(&self, path: &Path, document: &RawDocument, matched: &mut Matched) -> bool {
        match self {
            Self::Not(all) => !all.iter().all(|one| one.holds(path, document, &mut Matched::default())),
            Self::All(all) => !all.is_empty() && all.iter().all(|one| one.holds(path, document, matched)),
            Self::Exists => path.any(document, AtEnd::Array, &mut |reached| {
                if reached.value.is_some() && reached.index.is_some() {
                    matched.array_index = reached.index;
                }
                reached.value.is_some()
            }),
            Self::Size(_) | Self::ElemMatch(_) => path.any(document, AtEnd::Array, &mut |reached| {
                let mut place = None;
                let holds = self.in_array(reached.value, &mut place);
                // The array's own element, unless another array was gone through before.
                if holds && let Some(place) = reached.index.or(place) {
                    matched.array_index = Some(place);
                }
                holds
            }),
            _ => path.any(document, AtEnd::Elements, &mut |reached| {
                let holds = self.single(reached.value);
                if holds && reached.index.is_some() {
                    matched.array_index = reached.index;
                }
                holds
            }),
        }
    }
}

fn invalid(message: impl std::fmt::Display) -> Error {
    Error::of(ErrorKind::Invalid, message).with_code(BAD_VALUE).into_terminal()
}

fn unsupported(what: &str) -> Error {
    Error::of(
        ErrorKind::Unsupported,
        format!("the embedded store doesn't offer {what} in a filter: MongoDB's own driver does, on MongoDB"),
    )
    .with_code(BAD_VALUE)
    .into_terminal()
}
