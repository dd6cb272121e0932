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
        let mut read = Read { keeps: None, keeps_id: None, fields: Vec::new() };
        for (path, value) in projection {
            read.field(path, value, 0)?;
        }
        let keeps = read.keeps.unwrap_or(read.keeps_id == Some(true) && read.fields.is_empty());
        Ok(Self { keeps, keeps_id: read.keeps_id.unwrap_or(true), fields: read.fields })
    }

    pub(crate) fn apply(&self, document: &RawDocument, matched: &Matched) -> Result<RawDocumentBuf> {
        let mut whole = Document::try_from(document)?;
        let id = whole.remove("_id").filter(|_| self.keeps_id);
        let mut left = Document::new();
        if let Some(id) = id {
            left.insert("_id", id);
        }
        left.extend(self.document(whole, &self.fields, matched)?);
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
        self.set_keeps(path, keeps)?;
        if let Some(array) = path.strip_suffix(".$") {
            return self.add(array, What::Matched);
        }
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
            Some(("$elemMatch", Bson::Document(condition))) => {
                let element = super::filter::element(&Bson::Document(condition.clone()))?;
                self.set_keeps(path, true)?;
                self.add(path, What::First(element))
            }
            Some((operator, _)) if operator.starts_with('$') => Err(unsupported(path, operator)),
            Some(_) => {
                inner.iter().try_for_each(|(name, value)| self.field(&format!("{path}.{name}"), value, depth + 1))
            }
            None => Err(wrong(2, format!("the projection of {path} says nothing"))),
        }
    }

    fn add(&mut self, path: &str, what: What) -> Result<()> {
        let mut fields = &mut self.fields;
        let mut parts = path.split('.').peekable();
        let collision = || wrong(31_249, format!("a projection names {path} and something in it"));
        while let Some(part) = parts.next() {
            if part.is_empty() || part.starts_with('$') {
                return Err(wrong(2, format!("a projection can't be of {path:?}")));
            }
            let place = fields.iter().position(|field| field.name == part);
            if parts.peek().is_none() {
                if place.is_some() {
                    return Err(collision());
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
                _ => return Err(collision()),
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
