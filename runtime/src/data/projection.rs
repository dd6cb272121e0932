//! What is left of a document: some fields, or all but some. Source: MongoDB's manual, "Project Fields to Return".

use bson::{Bson, Document, RawDocument, RawDocumentBuf};

use super::filter::predicate::Element;
use super::filter::{Matched, integer};
use super::order;
use crate::error::{Error, ErrorKind, Result};

/// As deep as values are nested.
const DEEPEST: usize = 100;

/// What is left of documents.
#[derive(Debug)]
pub(crate) struct Projection {
    /// What is named stays; otherwise it goes.
    keeps: bool,
    keeps_id: bool,
    fields: Vec<Field>,
}

/// What is said of a field, and of those in it.
#[derive(Debug)]
struct Field {
    name: String,
    what: What,
}

#[derive(Debug)]
enum What {
    /// It is what is named.
    Named,
    /// Something in it is.
    Inside(Vec<Field>),
    /// Some of its elements: so many, from a place on.
    Slice { skip: Option<i64>, count: i64 },
    /// The first element that is so.
    First(Element),
    /// The element that the filter matched.
    Matched,
}

fn wrong(code: i32, message: String) -> Error {
    Error::of(ErrorKind::Invalid, message).with_code(code).into_terminal()
}

fn unsupported(path: &str, what: &str) -> Error {
    let message = format!(
        "the embedded store doesn't offer {what} in the projection of {path}: MongoDB's own driver does, on MongoDB"
    );
    Error::of(ErrorKind::Unsupported, message).with_code(2).into_terminal()
}

impl Projection {
    pub(crate) fn parse(projection: &Document) -> Result<Self> {
        let mut read = Read { keeps: None, keeps_id: None, positional: false, fields: Vec::new() };
        for (path, value) in projection {
            read.field(path, value, 0)?;
        }
        // A slice alone says nothing of other fields; `_id` does, if nothing else.
        let keeps = read.keeps.unwrap_or(read.keeps_id == Some(true));
        Ok(Self { keeps, keeps_id: read.keeps_id.unwrap_or(true), fields: read.fields })
    }

    pub(crate) fn apply(&self, document: &RawDocument, matched: &Matched) -> Result<RawDocumentBuf> {
        let whole = Document::try_from(document)?;
        let named = |name: &str| self.fields.iter().find(|field| field.name == name);
        let (mut left, mut last) = (Document::new(), Document::new());
        for (name, value) in whole {
            let kept = match named(&name) {
                Some(field) => self.field(value, &field.what, matched)?,
                None if name == "_id" => self.keeps_id.then_some(value),
                None => (!self.keeps).then_some(value),
            };
            // The element that is so comes behind the fields that are kept, wherever its array was.
            let behind = matches!(named(&name), Some(Field { what: What::First(_), .. }));
            if let Some(value) = kept {
                if behind { &mut last } else { &mut left }.insert(name, value);
            }
        }
        left.extend(last);
        Ok(RawDocumentBuf::try_from(&left)?)
    }

    fn document(&self, document: Document, fields: &[Field], matched: &Matched) -> Result<Document> {
        let mut left = Document::new();
        for (name, value) in document {
            match fields.iter().find(|field| field.name == name) {
                Some(field) => {
                    if let Some(value) = self.field(value, &field.what, matched)? {
                        left.insert(name, value);
                    }
                }
                None if self.keeps => (),
                None => drop(left.insert(name, value)),
            }
        }
        Ok(left)
    }

    fn field(&self, value: Bson, what: &What, matched: &Matched) -> Result<Option<Bson>> {
        Ok(match (what, value) {
            (What::Named, value) => self.keeps.then_some(value),
            (What::Inside(fields), Bson::Document(inner)) => Some(self.document(inner, fields, matched)?.into()),
            (What::Inside(_), Bson::Array(elements)) => {
                let mut left = Vec::with_capacity(elements.len());
                for element in elements {
                    left.extend(self.element(element, what, matched)?);
                }
                Some(left.into())
            }
            // There is nothing in it.
            (What::Inside(_), other) => (!self.keeps).then_some(other),
            (What::Slice { skip, count }, Bson::Array(elements)) => Some(sliced(elements, *skip, *count).into()),
            (What::First(wanted), Bson::Array(elements)) => {
                let mut found = None;
                for element in elements {
                    if wanted.is(order::raw(&element)?.as_raw_bson_ref()) {
                        found = Some(vec![element].into());
                        break;
                    }
                }
                found
            }
            (What::First(_), _) => None,
            (What::Matched, Bson::Array(mut elements)) => {
                let Some(place) = matched.array_index.filter(|place| *place < elements.len()) else {
                    return Err(wrong(
                        51_246,
                        "the positional projection $ needs an array that the filter says something of".into(),
                    ));
                };
                Some(vec![elements.swap_remove(place)].into())
            }
            (What::Slice { .. } | What::Matched, other) => Some(other),
        })
    }

    fn element(&self, element: Bson, what: &What, matched: &Matched) -> Result<Option<Bson>> {
        match element {
            Bson::Document(_) | Bson::Array(_) => self.field(element, what, matched),
            other => Ok((!self.keeps).then_some(other)),
        }
    }
}

fn sliced(mut elements: Vec<Bson>, skip: Option<i64>, count: i64) -> Vec<Bson> {
    let length = elements.len() as i64;
    let (from, count) = match skip {
        None if count < 0 => ((length + count).max(0), length),
        None => (0, count),
        Some(skip) if skip < 0 => ((length + skip).max(0), count),
        Some(skip) => (skip.min(length), count),
    };
    elements.drain(..from as usize);
    elements.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    elements
}

/// A projection as it is read.
struct Read {
    keeps: Option<bool>,
    keeps_id: Option<bool>,
    positional: bool,
    fields: Vec<Field>,
}

impl Read {
    fn field(&mut self, path: &str, value: &Bson, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(wrong(2, format!("a projection is nested deeper than {DEEPEST} levels")));
        }
        let keeps = match value {
            Bson::Boolean(keeps) => *keeps,
            Bson::Int32(number) => *number != 0,
            Bson::Int64(number) => *number != 0,
            Bson::Double(number) => *number != 0.0,
            Bson::Document(inner) => return self.document(path, inner, depth),
            _ => return Err(unsupported(path, "expressions")),
        };
        if path == "_id" {
            self.keeps_id = Some(keeps);
            return Ok(());
        }
        if let Some(array) = path.strip_suffix(".$") {
            if !keeps || self.positional {
                let message =
                    format!("a projection keeps the element that matched of one array, and {path} is another");
                return Err(wrong(if keeps { 31_276 } else { 31_395 }, message));
            }
            self.positional = true;
            self.set_keeps(path, true)?;
            return self.add(array, What::Matched);
        }
        self.set_keeps(path, keeps)?;
        self.add(path, What::Named)
    }

    fn set_keeps(&mut self, path: &str, keeps: bool) -> Result<()> {
        if self.keeps.is_some_and(|other| other != keeps) {
            let code = if keeps { 31_253 } else { 31_254 };
            let message =
                format!("a projection either keeps fields or leaves some out, and {path} is of the other kind");
            return Err(wrong(code, message));
        }
        self.keeps = Some(keeps);
        Ok(())
    }

    fn document(&mut self, path: &str, inner: &Document, depth: usize) -> Result<()> {
        match inner.iter().next().map(|(name, value)| (name.as_str(), value)) {
            Some(("$slice", value)) => {
                let what = slice(path, value)?;
                self.add(path, what)
            }
            Some(("$elemMatch", condition)) => {
                if path.contains('.') {
                    return Err(wrong(
                        31_275,
                        format!("$elemMatch in a projection can't be of {path}: of a field alone"),
                    ));
                }
                let element = super::filter::element(condition)?;
                self.set_keeps(path, true)?;
                self.add(path, What::First(element))
            }
            Some((operator, _)) if operator.starts_with('$') => Err(unsupported(path, operator)),
            Some(_) => {
                inner.iter().try_for_each(|(name, value)| self.field(&format!("{path}.{name}"), value, depth + 1))
            }
            None => Err(wrong(51_270, format!("the projection of {path} says nothing"))),
        }
    }

    fn add(&mut self, path: &str, what: What) -> Result<()> {
        if path.split('.').count() > DEEPEST {
            return Err(wrong(2, format!("a projection's path has more than {DEEPEST} parts")));
        }
        let mut fields = &mut self.fields;
        let mut parts = path.split('.').peekable();
        let collision = |code| wrong(code, format!("a projection names {path} and something in it"));
        while let Some(part) = parts.next() {
            if part.is_empty() || part.starts_with('$') {
                return Err(wrong(2, format!("a projection can't be of {path:?}")));
            }
            let place = fields.iter().position(|field| field.name == part);
            if parts.peek().is_none() {
                if place.is_some() {
                    return Err(collision(31_250));
                }
                fields.push(Field { name: part.to_owned(), what });
                return Ok(());
            }
            let place = place.unwrap_or_else(|| {
                fields.push(Field { name: part.to_owned(), what: What::Inside(Vec::new()) });
                fields.len() - 1
            });
            match &mut fields[place].what {
                What::Inside(inner) => fields = inner,
                _ => return Err(collision(31_249)),
            }
        }
        Ok(())
    }
}

fn slice(path: &str, value: &Bson) -> Result<What> {
    let number =
        |value: &Bson| integer(value).ok_or_else(|| wrong(28_667, format!("$slice of {path} needs whole numbers")));
    match value {
        Bson::Array(both) if both.len() == 2 => {
            let (skip, count) = (number(&both[0])?, number(&both[1])?);
            if count <= 0 {
                return Err(wrong(28_724, format!("$slice of {path} needs a count above 0")));
            }
            Ok(What::Slice { skip: Some(skip), count })
        }
        Bson::Array(_) => Err(wrong(28_667, format!("$slice of {path} needs a count, or a place and a count"))),
        value => Ok(What::Slice { skip: None, count: number(value)? }),
    }
}

#[cfg(test)]
mod tests {
    use bson::{bson, doc};

    use super::*;

    fn project(projection: Document, document: Document) -> Document {
        let matched = Matched { array_index: Some(1) };
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        let left = Projection::parse(&projection).and_then(|projection| projection.apply(&raw, &matched));
        Document::try_from(left.unwrap_or_else(|error| panic!("{projection}: {error}"))).unwrap()
    }

    fn code(projection: Document) -> Option<i32> {
        Projection::parse(&projection).expect_err(&projection.to_string()).code()
    }

    #[test]
    fn fields_are_kept_or_left_out_in_the_documents_order() {
        let document =
            || doc! { "_id": 1, "b": 2, "a": { "x": 1, "y": 2 }, "c": [{ "x": 1, "y": 2 }, 5, [{ "x": 3 }]] };
        for (projection, expected) in [
            (doc! {}, document()),
            (doc! { "a": 1, "b": true }, doc! { "_id": 1, "b": 2, "a": { "x": 1, "y": 2 } }),
            (doc! { "b": 1, "_id": 0 }, doc! { "b": 2 }),
            (doc! { "_id": 1 }, doc! { "_id": 1 }),
            (doc! { "_id": 0 }, doc! { "b": 2, "a": { "x": 1, "y": 2 }, "c": [{ "x": 1, "y": 2 }, 5, [{ "x": 3 }]] }),
            (doc! { "a": 0, "c": 0.0 }, doc! { "_id": 1, "b": 2 }),
            (doc! { "a.x": 1 }, doc! { "_id": 1, "a": { "x": 1 } }),
            (doc! { "a": { "x": 1 } }, doc! { "_id": 1, "a": { "x": 1 } }),
            (doc! { "b.x": 1 }, doc! { "_id": 1 }),
            (doc! { "c.x": 1 }, doc! { "_id": 1, "c": [{ "x": 1 }, [{ "x": 3 }]] }),
            (doc! { "c.x": 0, "a": 0, "b": 0 }, doc! { "_id": 1, "c": [{ "y": 2 }, 5, [{}]] }),
            (doc! { "c.0": 1 }, doc! { "_id": 1, "c": [{}, [{}]] }),
        ] {
            assert_eq!(project(projection.clone(), document()), expected, "{projection}");
        }
        assert_eq!(
            project(doc! { "_id.a": 1 }, doc! { "_id": { "a": 1, "b": 2 }, "c": 1 }),
            doc! { "_id": { "a": 1 } }
        );
        let order: Vec<_> = project(doc! { "a": 1, "b": 1 }, document()).keys().cloned().collect();
        assert_eq!(order, ["_id", "b", "a"]);
    }

    #[test]
    fn arrays_are_cut_by_place_or_by_what_matches() {
        let document = || doc! { "_id": 1, "a": [1, 2, 3, 4], "b": [{ "x": 1 }, { "x": 2 }], "c": 5 };
        for (slice, left) in [
            (bson!(2), bson!([1, 2])),
            (bson!(-1), bson!([4])),
            (bson!(0), bson!([])),
            (bson!(i64::MIN), bson!([1, 2, 3, 4])),
            (bson!([1, 2]), bson!([2, 3])),
            (bson!([-3, 2]), bson!([2, 3])),
            (bson!([-99, 1]), bson!([1])),
            (bson!([99, 1]), bson!([])),
        ] {
            let projected = project(doc! { "a": { "$slice": slice.clone() }, "b": 0 }, document());
            assert_eq!(projected, doc! { "_id": 1, "a": left, "c": 5 }, "{slice}");
        }
        assert_eq!(project(doc! { "c": 1, "a": { "$slice": 1 } }, document()), doc! { "_id": 1, "a": [1], "c": 5 });
        assert_eq!(project(doc! { "a": { "$slice": 1 } }, document()).len(), 4, "by itself it leaves nothing out");
        assert_eq!(project(doc! { "a": { "$slice": 1 }, "_id": 1 }, document()), doc! { "_id": 1, "a": [1] });
        let element = project(doc! { "b": { "$elemMatch": { "x": { "$gt": 1 } } }, "c": 1 }, document());
        assert_eq!(element.keys().collect::<Vec<_>>(), ["_id", "c", "b"]);
        assert_eq!(element, doc! { "_id": 1, "c": 5, "b": [{ "x": 2 }] });
        assert_eq!(project(doc! { "a": { "$elemMatch": { "$gt": 2 } } }, document()), doc! { "_id": 1, "a": [3] });
        assert_eq!(project(doc! { "a": { "$elemMatch": { "$gt": 9 } } }, document()), doc! { "_id": 1 });
        assert_eq!(project(doc! { "a.$": 1 }, document()), doc! { "_id": 1, "a": [2] });
        let raw = RawDocumentBuf::try_from(&document()).unwrap();
        let nothing = Projection::parse(&doc! { "a.$": 1 }).unwrap().apply(&raw, &Matched::default());
        assert_eq!(nothing.unwrap_err().code(), Some(51_246));
    }

    #[test]
    fn what_a_projection_cannot_be_is_named() {
        assert_eq!(code(doc! { "a": 1, "b": 0 }), Some(31_254));
        assert_eq!(code(doc! { "a": 0, "b": 1 }), Some(31_253));
        assert_eq!(code(doc! { "a": 1, "a.b": 1 }), Some(31_249));
        assert_eq!(code(doc! { "a.b": 1, "a": 1 }), Some(31_250));
        assert_eq!(code(doc! { "a": {} }), Some(51_270));
        assert_eq!(code(doc! { "a.$": 0 }), Some(31_395));
        assert_eq!(code(doc! { "a.$": 1, "b.$": 1 }), Some(31_276));
        assert_eq!(code(doc! { "a.b": { "$elemMatch": { "x": 1 } } }), Some(31_275));
        assert_eq!(code(doc! { "a": { "$elemMatch": 1 } }), Some(2));
        assert_eq!(code(doc! { "a": { "$slice": "x" } }), Some(28_667));
        assert_eq!(code(doc! { "a": { "$slice": [1, 0] } }), Some(28_724));
        for path in ["", "a..b", "$a", "a.$.b"] {
            assert_eq!(code(doc! { path: 1 }), Some(2), "{path}");
        }
        for value in [bson!("x"), bson!({ "$meta": "textScore" }), bson!({ "$add": [1, 2] }), bson!([1])] {
            let error = Projection::parse(&doc! { "a": value }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
        let deep = (0..400).fold(bson!(1), |inner, _| bson!({ "a": inner }));
        assert_eq!(code(doc! { "a": deep }), Some(2));
        assert_eq!(code(doc! { vec!["a"; 10_000].join("."): 1 }), Some(2));
    }
}
