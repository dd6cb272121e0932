//! The different values of a field: of an array its elements, each value once.

use bson::{Bson, RawDocument};

use super::order;
use super::path::{AtEnd, Path};
use crate::error::Result;
use crate::hashing::FastSet;

/// Values found so far, in the order in which they came.
pub(crate) struct Distinct {
    path: Path,
    seen: FastSet<Vec<u8>>,
    values: Vec<Bson>,
}

impl Distinct {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: Path::new(path), seen: FastSet::default(), values: Vec::new() }
    }

    /// Takes the values of a document.
    pub(crate) fn add(&mut self, document: &RawDocument) -> Result<()> {
        let mut failed = None;
        self.path.any(document, AtEnd::Elements, &mut |reached| {
            if let Some(value) = reached.value.filter(|_| !reached.whole)
                && self.seen.insert(order::key(value))
            {
                match Bson::try_from(value) {
                    Ok(value) => self.values.push(value),
                    Err(error) => failed = Some(error),
                }
            }
            failed.is_some()
        });
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    pub(crate) fn into_values(self) -> Vec<Bson> {
        self.values
    }
}
