//! Updates by pipeline: stages that each make a new document of the one before.
//!
//! `$set` and `$addFields`, `$unset`, `$project`, `$replaceRoot` and `$replaceWith`, with the expressions of
//! `super::super::expression`; any other stage is an error that names it.

use bson::{Bson, Document, RawDocumentBuf};

use super::{FAILED_TO_PARSE, failed, unsupported};
use crate::data::expression::Expression;
use crate::data::filter::Matched;
use crate::data::nesting::{DEEPEST, too_deep};
use crate::data::projection::Projection;
use crate::error::Result;

/// A stage.
#[derive(Debug)]
pub(super) enum Stage {
    Set(Vec<(Vec<Box<str>>, Expression)>),
    Project(Projection),
    Replace(Expression),
}

/// Reads the stages. `variables` are those of `let`.
pub(super) fn stages(stages: &[Document], variables: &Document) -> Result<Vec<Stage>> {
    stages.iter().map(|stage| one(stage, variables)).collect()
}

fn one(stage: &Document, variables: &Document) -> Result<Stage> {
    let mut fields = stage.iter();
    let (Some((name, operand)), None) = (fields.next(), fields.next()) else {
        return Err(failed(40_323, "a stage of a pipeline is a document with one field"));
    };
    let document = || operand.as_document().ok_or_else(|| failed(40_272, format!("the stage {name} needs a document")));
    match name.as_str() {
        "$set" | "$addFields" => {
            let fields = document()?.iter().map(|(path, value)| {
                if path.split('.').any(|part| part.is_empty() || part.starts_with('$')) {
                    return Err(failed(FAILED_TO_PARSE, format!("the stage {name} can't set {path:?}")));
                }
                let parts: Vec<Box<str>> = path.split('.').map(Into::into).collect();
                if parts.len() > DEEPEST {
                    return Err(too_deep());
                }
                Ok((parts, Expression::parse(value, variables)?))
            });
            Ok(Stage::Set(fields.collect::<Result<_>>()?))
        }
        "$unset" => {
            let paths = match operand {
                Bson::String(path) => vec![path.as_str()],
                Bson::Array(paths) => paths.iter().filter_map(Bson::as_str).collect(),
                _ => return Err(failed(31_002, "the stage $unset needs names of fields")),
            };
            let left_out: Document = paths.into_iter().map(|path| (path.to_owned(), Bson::Int32(0))).collect();
            Ok(Stage::Project(Projection::parse(&left_out)?))
        }
        "$project" => Ok(Stage::Project(Projection::parse(document()?)?)),
        "$replaceRoot" => {
            let new = document()?.get("newRoot");
            let new = new.ok_or_else(|| failed(40_231, "the stage $replaceRoot needs a newRoot"))?;
            Ok(Stage::Replace(Expression::parse(new, variables)?))
        }
        "$replaceWith" => Ok(Stage::Replace(Expression::parse(operand, variables)?)),
        other if other.starts_with('$') => Err(unsupported(&format!("the stage {other}"))),
        other => Err(failed(40_324, format!("unrecognized pipeline stage name: {other}"))),
    }
}

impl Stage {
    pub(super) fn apply(&self, document: &mut Document) -> Result<()> {
        match self {
            Self::Set(fields) => {
                let before = document.clone();
                for (path, expression) in fields {
                    put(document, path, expression.value(&before)?.as_ref());
                }
            }
            Self::Project(projection) => {
                let left = projection.apply(&RawDocumentBuf::try_from(&*document)?, &Matched::default())?;
                *document = Document::try_from(left)?;
            }
            Self::Replace(expression) => match expression.value(document)? {
                Some(Bson::Document(new)) => *document = new,
                other => {
                    let message = format!("a document can't be replaced with {other:?}: that is no document");
                    return Err(failed(40_228, message));
                }
            },
        }
        Ok(())
    }
}

/// Sets a field; one whose new value is missing goes. Through an array each element gets it, and what is no document
/// on the way becomes one.
fn put(document: &mut Document, path: &[Box<str>], value: Option<&Bson>) {
    match (path, value) {
        ([], _) => (),
        ([last], Some(value)) => drop(document.insert(&**last, value)),
        ([last], None) => drop(document.remove(&**last)),
        ([first, rest @ ..], _) => {
            if !document.contains_key(&**first) {
                document.insert(&**first, Bson::Null);
            }
            if let Some(inside) = document.get_mut(&**first) {
                put_inside(inside, rest, value);
            }
        }
    }
}

fn put_inside(inside: &mut Bson, path: &[Box<str>], value: Option<&Bson>) {
    match inside {
        Bson::Document(inner) => put(inner, path, value),
        Bson::Array(elements) => elements.iter_mut().for_each(|element| put_inside(element, path, value)),
        other => {
            let mut inner = Document::new();
            put(&mut inner, path, value);
            *other = inner.into();
        }
    }
}
