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

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, bson, doc};

    use super::*;

    #[test]
    fn each_value_comes_once_and_arrays_are_taken_apart() {
        let documents = [
            doc! { "a": 1 },
            doc! { "a": [1.0, 2, [3], null] },
            doc! {},
            doc! { "a": [] },
            doc! { "a": [{ "b": [7, 8] }, { "b": 7_i64 }, 9] },
        ];
        let values = |path: &str| {
            let mut distinct = Distinct::new(path);
            for document in &documents {
                distinct.add(&RawDocumentBuf::try_from(document).unwrap()).unwrap();
            }
            distinct.into_values()
        };
        let b = bson!({ "b": [7, 8] });
        assert_eq!(values("a"), [1.into(), 2.into(), bson!([3]), Bson::Null, b, bson!({ "b": 7_i64 }), 9.into()]);
        assert_eq!(values("a.b"), [7.into(), 8.into()]);
        assert_eq!(values("a.1"), [2.into(), bson!({ "b": 7_i64 })]);
        assert_eq!(values("x"), []);
    }
}
