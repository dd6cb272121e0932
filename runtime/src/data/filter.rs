//! Which documents a filter means, with MongoDB's results, for the operators that the embedded store has.
//!
//! An operator that isn't here is an error that names it, never a filter that matches too much.

pub(crate) mod order;

use bson::{Bson, Document};

use crate::error::{Error, ErrorKind, Result};

/// A filter that was understood whole.
#[derive(Debug)]
pub(crate) struct Filter {
    /// All must hold.
    conditions: Vec<Equality>,
}

/// A field that must equal a value, or be an array that holds it.
#[derive(Debug)]
struct Equality {
    path: Vec<String>,
    /// The value as bytes that are equal if and only if MongoDB calls the values equal.
    key: Vec<u8>,
    /// `null` also means "missing".
    is_null: bool,
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn parse(filter: &Document) -> Result<Self> {
        let mut conditions = Vec::new();
        read(filter, &mut conditions)?;
        Ok(Self { conditions })
    }

    /// The key of the one document that can match, if the filter says its `_id`.
    pub(crate) fn id(&self) -> Option<&[u8]> {
        let on_id = self.conditions.iter().find(|condition| condition.path.len() == 1 && condition.path[0] == "_id");
        on_id.map(|condition| condition.key.as_slice())
    }

    /// Whether it means every document.
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether a document is meant.
    pub(crate) fn matches(&self, document: &Document) -> bool {
        self.conditions.iter().all(|condition| condition.in_document(document, &condition.path))
    }
}

fn unsupported(what: &str) -> Error {
    Error::of(
        ErrorKind::Unsupported,
        format!("the embedded store doesn't offer {what} in a filter; it has equality, $eq and $and"),
    )
}

fn invalid(message: String) -> Error {
    Error::of(ErrorKind::Invalid, message)
}

fn read(filter: &Document, conditions: &mut Vec<Equality>) -> Result<()> {
    for (name, value) in filter {
        if name == "$and" {
            read_and(value, conditions)?;
        } else if name.starts_with('$') {
            return Err(unsupported(name));
        } else {
            read_field(name, value, conditions)?;
        }
    }
    Ok(())
}

fn read_and(value: &Bson, conditions: &mut Vec<Equality>) -> Result<()> {
    let parts = value.as_array().filter(|parts| !parts.is_empty());
    let parts = parts.ok_or_else(|| invalid("$and needs an array of filters that isn't empty".into()))?;
    for part in parts {
        let part = part.as_document().ok_or_else(|| invalid("$and needs an array of filters".into()))?;
        read(part, conditions)?;
    }
    Ok(())
}

fn read_field(name: &str, value: &Bson, conditions: &mut Vec<Equality>) -> Result<()> {
    match value {
        Bson::Document(operators) if operators.keys().next().is_some_and(|first| first.starts_with('$')) => {
            for (operator, operand) in operators {
                match operator.as_str() {
                    "$eq" => conditions.push(equality(name, operand)?),
                    operator if operator.starts_with('$') => return Err(unsupported(operator)),
                    field => {
                        return Err(invalid(format!(
                            "the filter on {name} mixes operators with the field {field}: write either operators or a value"
                        )));
                    }
                }
            }
            Ok(())
        }
        Bson::RegularExpression(_) => Err(unsupported("a regular expression")),
        _ => {
            conditions.push(equality(name, value)?);
            Ok(())
        }
    }
}

fn equality(name: &str, value: &Bson) -> Result<Equality> {
    if matches!(value, Bson::Undefined) {
        return Err(invalid(format!("the filter on {name} compares with undefined")));
    }
    Ok(Equality {
        path: name.split('.').map(str::to_owned).collect(),
        key: order::key(value),
        is_null: matches!(value, Bson::Null),
    })
}

impl Equality {
    fn in_document(&self, document: &Document, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        let value = document.get(first);
        if rest.is_empty() {
            return self.at_end(value);
        }
        match value {
            Some(Bson::Document(inner)) => self.in_document(inner, rest),
            Some(Bson::Array(elements)) => self.in_array(elements, rest),
            Some(_) | None => self.is_null,
        }
    }

    /// A path goes through an array in two ways: into each document in it, and into the element of a number.
    fn in_array(&self, elements: &[Bson], path: &[String]) -> bool {
        let into_documents =
            elements.iter().filter_map(Bson::as_document).any(|document| self.in_document(document, path));
        if into_documents {
            return true;
        }
        let Some((first, rest)) = path.split_first() else { return false };
        let Some(element) = index(first).and_then(|index| elements.get(index)) else { return false };
        match element {
            // An element that is named by its number isn't looked into.
            _ if rest.is_empty() => order::key(element) == self.key,
            Bson::Document(inner) => self.in_document(inner, rest),
            Bson::Array(inner) => self.in_array(inner, rest),
            _ => false,
        }
    }

    fn at_end(&self, value: Option<&Bson>) -> bool {
        match value {
            None => self.is_null,
            Some(value) if order::key(value) == self.key => true,
            Some(Bson::Array(elements)) => elements.iter().any(|element| order::key(element) == self.key),
            Some(_) => false,
        }
    }
}

/// The index that a part of a path names in an array.
pub(crate) fn index(part: &str) -> Option<usize> {
    let canonical = part == "0" || !part.starts_with('0');
    if canonical && part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use bson::{Decimal128, doc};

    use super::*;

    fn matches(filter: Document, document: Document) -> bool {
        Filter::parse(&filter).unwrap().matches(&document)
    }

    #[test]
    fn equality_compares_numbers_over_their_types() {
        assert!(matches(doc! { "a": 1 }, doc! { "a": 1_i64 }));
        assert!(matches(doc! { "a": 1.0 }, doc! { "a": 1 }));
        assert!(matches(doc! { "a": "1.0".parse::<Decimal128>().unwrap() }, doc! { "a": 1 }));
        assert!(!matches(doc! { "a": (1_i64 << 53) + 1 }, doc! { "a": 9_007_199_254_740_992.0 }));
        assert!(!matches(doc! { "a": 1 }, doc! { "a": "1" }));
        assert!(!matches(doc! { "a": 1 }, doc! { "a": true }));
        assert!(matches(doc! { "a": { "b": 1 } }, doc! { "a": { "b": 1.0 } }));
        assert!(!matches(doc! { "a": { "b": 1, "c": 2 } }, doc! { "a": { "c": 2, "b": 1 } }));
    }

    #[test]
    fn arrays_match_as_a_whole_or_by_an_element() {
        assert!(matches(doc! { "a": 2 }, doc! { "a": [1, 2] }));
        assert!(matches(doc! { "a": [1, 2] }, doc! { "a": [1, 2] }));
        assert!(matches(doc! { "a": [1, 2] }, doc! { "a": [[1, 2], 3] }));
        assert!(!matches(doc! { "a": [2, 1] }, doc! { "a": [1, 2] }));
        assert!(matches(doc! { "a.b": 2 }, doc! { "a": [{ "b": 1 }, { "b": [3, 2] }] }));
        assert!(matches(doc! { "a.1.b": 2 }, doc! { "a": [{ "b": 1 }, { "b": 2 }] }));
        assert!(!matches(doc! { "a.0.b": 2 }, doc! { "a": [{ "b": 1 }, { "b": 2 }] }));
        assert!(matches(doc! { "a.0": 1 }, doc! { "a": [1, 2] }));
        assert!(!matches(doc! { "a.0": 2 }, doc! { "a": [1, 2] }));
    }

    #[test]
    fn null_matches_what_is_missing() {
        for document in [doc! {}, doc! { "a": null }, doc! { "a": [1, null] }] {
            assert!(matches(doc! { "a": null }, document));
        }
        for document in [doc! { "a": 0 }, doc! { "a": [] }, doc! { "a": {} }] {
            assert!(!matches(doc! { "a": null }, document));
        }
        let b_is_null = || doc! { "a.b": null };
        for document in [doc! {}, doc! { "a": 4 }, doc! { "a": null }, doc! { "a": {} }, doc! { "a": [{ "b": 3 }, {}] }]
        {
            assert!(matches(b_is_null(), document));
        }
        for document in [doc! { "a": [] }, doc! { "a": [[]] }, doc! { "a": [null] }, doc! { "a": [{ "b": 1 }] }] {
            assert!(!matches(b_is_null(), document));
        }
    }

    #[test]
    fn conditions_add_up() {
        let filter = || doc! { "$and": [{ "a": 1 }, { "b": { "$eq": 2 } }], "c": 3 };
        assert!(matches(filter(), doc! { "a": 1, "b": 2, "c": 3 }));
        for missing in ["a", "b", "c"] {
            let mut document = doc! { "a": 1, "b": 2, "c": 3 };
            document.insert(missing, 9);
            assert!(!matches(filter(), document), "{missing} doesn't count");
        }
        assert!(matches(doc! {}, doc! { "a": 1 }));
    }

    #[test]
    fn what_is_not_offered_is_named() {
        for (filter, named) in [
            (doc! { "a": { "$gt": 1 } }, "$gt"),
            (doc! { "$or": [{ "a": 1 }] }, "$or"),
            (doc! { "a": { "$eq": 1, "$in": [1] } }, "$in"),
            (doc! { "$and": [{ "a": { "$exists": true } }] }, "$exists"),
            (
                doc! { "a": bson::Regex { pattern: "x".try_into().unwrap(), options: "".try_into().unwrap() } },
                "regular",
            ),
        ] {
            let error = Filter::parse(&filter).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{filter}");
            assert!(error.to_string().contains(named), "{error}");
        }
        for filter in [doc! { "$and": [] }, doc! { "$and": 1 }, doc! { "a": { "$eq": 1, "b": 2 } }] {
            assert_eq!(Filter::parse(&filter).unwrap_err().kind(), ErrorKind::Invalid, "{filter}");
        }
    }

    #[test]
    fn a_filter_that_says_the_id_knows_its_key() {
        assert_eq!(Filter::parse(&doc! { "_id": 7 }).unwrap().id(), Some(order::key(&Bson::Int64(7)).as_slice()));
        assert_eq!(Filter::parse(&doc! { "_id.a": 7 }).unwrap().id(), None);
        assert_eq!(Filter::parse(&doc! { "a": 7 }).unwrap().id(), None);
    }
}
