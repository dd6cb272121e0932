//! The order of documents by their fields: each document's place as bytes.
//!
//! Of an array the least element counts where the order ascends, the greatest where it descends; a missing value is
//! `null`. Source: MongoDB's manual, "Comparison/Sort Order".

use bson::{Document, RawDocument};

use super::filter::integer;
use super::keys;
use super::order::Direction;
use super::path::Path;
use crate::error::{Error, ErrorKind, Result};

/// As many fields as MongoDB sorts by.
const MOST: usize = 32;

/// An order.
#[derive(Debug, Clone)]
pub(crate) struct Sort {
    fields: Vec<(Path, Direction)>,
}

impl Sort {
    /// Fields with 1 or -1.
    pub(crate) fn parse(sort: &Document) -> Result<Self> {
        let wrong = |message: String| Error::of(ErrorKind::Invalid, message).with_code(2).into_terminal();
        if sort.len() > MOST {
            return Err(wrong(format!("a sort has at most {MOST} fields")));
        }
        let mut fields = Vec::with_capacity(sort.len());
        for (path, value) in sort {
            if let Some(meta) = value.as_document() {
                let what = meta.keys().next().map_or("an expression", String::as_str);
                let message = format!("the embedded store doesn't offer {what} in a sort: MongoDB's own driver does");
                return Err(Error::of(ErrorKind::Unsupported, message).with_code(2).into_terminal());
            }
            let direction = Direction::of(value).filter(|_| integer(value).is_some_and(|number| number.abs() == 1));
            let direction = direction.ok_or_else(|| wrong(format!("the sort by {path} needs 1 or -1, not {value}")))?;
            if path.is_empty() || path.split('.').any(str::is_empty) || path.starts_with('$') {
                return Err(wrong(format!("a sort can't be by {path:?}")));
            }
            fields.push((Path::new(path), direction));
        }
        Ok(Self { fields })
    }

    /// The place of a document: bytes that sort as documents do. Of several that an array gives it is the first.
    pub(crate) fn key(&self, document: &RawDocument) -> Result<Vec<u8>> {
        Ok(keys::of(document, &self.fields)?.into_iter().min().unwrap_or_default())
    }

    /// The paths with their directions.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (String, Direction)> {
        self.fields.iter().map(|(path, direction)| (path.text(), *direction))
    }

    /// The direction of `_id`, if that alone decides.
    pub(crate) fn of_id(&self) -> Option<Direction> {
        let (path, direction) = self.fields.first()?;
        (path.only() == Some("_id")).then_some(*direction)
    }
}

#[cfg(test)]
mod tests {
    use bson::{Bson, RawDocumentBuf, bson, doc};

    use super::*;

    fn sorted(sort: &Document, values: &[Bson]) -> Vec<Bson> {
        let sort = Sort::parse(sort).unwrap();
        let key = |value: &Bson| sort.key(&RawDocumentBuf::try_from(&doc! { "a": value }).unwrap()).unwrap();
        let mut values = values.to_vec();
        values.sort_by_key(key);
        values
    }

    #[test]
    fn an_array_sorts_by_its_least_or_its_greatest_element_and_an_empty_one_before_null() {
        let values = [bson!([3, 9]), bson!(5), Bson::Null, bson!([]), bson!("x"), bson!([[1]])];
        let up = [bson!([]), Bson::Null, bson!([3, 9]), bson!(5), bson!("x"), bson!([[1]])];
        let down = [bson!([[1]]), bson!("x"), bson!([3, 9]), bson!(5), Bson::Null, bson!([])];
        assert_eq!(sorted(&doc! { "a": 1 }, &values), up);
        assert_eq!(sorted(&doc! { "a": -1.0 }, &values), down);
    }

    #[test]
    fn paths_through_one_array_are_compared_element_by_element() {
        let values =
            [bson!([{ "b": 1, "c": 9 }, { "b": 2, "c": 0 }]), bson!([{ "b": 1, "c": 5 }]), bson!([1, { "b": 5 }])];
        let expected = [values[2].clone(), values[1].clone(), values[0].clone()];
        assert_eq!(sorted(&doc! { "a.b": 1, "a.c": 1 }, &values), expected, "what is no document has no b");
        let raw = RawDocumentBuf::try_from(&doc! { "a": [1], "b": [1] }).unwrap();
        assert!(Sort::parse(&doc! { "a": 1, "b": 1 }).unwrap().key(&raw).is_err(), "arrays beside each other");
    }

    #[test]
    fn what_is_no_order_is_refused() {
        let many: Document = (0..33).map(|number| (format!("f{number}"), 1.into())).collect();
        for sort in [
            many,
            doc! { "a": 2 },
            doc! { "a": 0 },
            doc! { "a": "x" },
            doc! { "a": true },
            doc! { "": 1 },
            doc! { "a..b": 1 },
            doc! { "$a": 1 },
        ] {
            assert_eq!(Sort::parse(&sort).unwrap_err().code(), Some(2), "{sort}");
        }
        let error = Sort::parse(&doc! { "a": { "$meta": "textScore" } }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
