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
