//! From an update's document to what it does.

use bson::{Bson, Document, RawDocumentBuf, doc};

use super::operator::Operator;
use super::places::compare;
use super::{BAD_VALUE, CONFLICTING_OPERATORS, Change, DOLLAR_PREFIXED_FIELD, FAILED_TO_PARSE, Part, failed, shown};
use crate::data::filter::Filter;
use crate::data::nesting::{DEEPEST, check_value};
use crate::error::Result;
use crate::hashing::FastMap;

/// What `$[name]` means.
#[derive(Debug)]
pub(super) struct ArrayFilter {
    pub(super) name: String,
    /// Of a document that has the element under this name.
    filter: Filter,
}

impl ArrayFilter {
    pub(super) fn matches(&self, element: &Bson) -> Result<bool> {
        let named = RawDocumentBuf::try_from(&doc! { &self.name: element })?;
        Ok(self.filter.matches(&named))
    }
}

/// Reads an update and its array filters.
pub(super) fn update(update: &Document, array_filters: &[Document]) -> Result<(Vec<Change>, Vec<ArrayFilter>)> {
    if update.is_empty() {
        return Err(failed(FAILED_TO_PARSE, "an update needs operators, such as $set"));
    }
    let mut changes = Vec::new();
    for (name, fields) in update {
        if !name.starts_with('$') {
            let message = format!(
                "an update is made of operators, and {name} is none: write {{ \"$set\": {{ \"{name}\": … }} }}"
            );
            return Err(failed(FAILED_TO_PARSE, message));
        }
        let fields = fields
            .as_document()
            .ok_or_else(|| failed(FAILED_TO_PARSE, format!("{name} needs a document of fields")))?;
        for (path, operand) in fields {
            check_value(operand)?;
            let parts = parts(name, path)?;
            if name == "$rename" {
                rename(path, parts, operand, &mut changes)?;
            } else {
                let operator = Operator::parse(name, path, operand)?;
                changes.push(Change { path: parts, operator });
            }
        }
    }
    changes.sort_by(|left, right| compare(&left.path, &right.path));
    for pair in changes.windows(2) {
        if pair[1].path.starts_with(&pair[0].path) {
            let message = format!("the update changes {} and {} at once", shown(&pair[0].path), shown(&pair[1].path));
            return Err(failed(CONFLICTING_OPERATORS, message));
        }
    }
    check_arrays(&changes)?;
    let filters = filters(array_filters, &changes)?;
    Ok((changes, filters))
}

/// Refuses `$[]` and `$[name]` beside fields of one name: what the path before them means can't be both.
fn check_arrays(changes: &[Change]) -> Result<()> {
    let mut kinds: FastMap<&[Part], bool> = FastMap::default();
    for change in changes {
        for (place, part) in change.path.iter().enumerate() {
            let array = matches!(part, Part::Each | Part::Filtered(_));
            let before = &change.path[..place];
            if *kinds.entry(before).or_insert(array) != array {
                let message =
                    format!("the update changes {} by $[] and by a name at once: write one of them", shown(before));
                return Err(failed(CONFLICTING_OPERATORS, message));
            }
        }
    }
    Ok(())
}

fn parts(operator: &str, path: &str) -> Result<Vec<Part>> {
    if path.split('.').count() > DEEPEST {
        return Err(failed(BAD_VALUE, format!("a path of {operator} has more than {DEEPEST} parts")));
    }
    let mut parts = Vec::new();
    for (place, part) in path.split('.').enumerate() {
        parts.push(match part {
            "" => return Err(failed(56, format!("the path {path:?} of {operator} has an empty name in it"))),
            "$" if place == 0 => {
                return Err(failed(BAD_VALUE, "the positional operator $ needs an array's name before it"));
            }
            "$" if parts.contains(&Part::Matched) => {
                return Err(failed(BAD_VALUE, format!("the path {path:?} of {operator} has more than one $")));
            }
            "$" => Part::Matched,
            "$[]" if place > 0 => Part::Each,
            part if part.starts_with("$[") && part.ends_with(']') && place > 0 => {
                Part::Filtered(part[2..part.len() - 1].to_owned())
            }
            // Within documents such names are allowed.
            part if part.starts_with('$') && place == 0 => {
                let message = format!("the name {part} in the path {path:?} of {operator} begins with a $");
                return Err(failed(DOLLAR_PREFIXED_FIELD, message));
            }
            part => Part::Name(part.to_owned()),
        });
    }
    Ok(parts)
}

/// Two changes: the field that goes, and the one that comes.
fn rename(path: &str, from: Vec<Part>, to: &Bson, changes: &mut Vec<Change>) -> Result<()> {
    let to = to.as_str().ok_or_else(|| failed(BAD_VALUE, format!("$rename of {path} needs the new name, a text")))?;
    let target = parts("$rename", to)?;
    let plain = |parts: &[Part]| parts.iter().all(|part| matches!(part, Part::Name(_)));
    if !plain(&from) || !plain(&target) {
        return Err(failed(BAD_VALUE, "$rename can't go through arrays: its names have no positional operators"));
    }
    if from.starts_with(&target) || target.starts_with(&from) {
        return Err(failed(BAD_VALUE, format!("$rename can't move {path} to {to}: the two are on one path")));
    }
    changes.push(Change { path: from.clone(), operator: Operator::Leave });
    changes.push(Change { path: target, operator: Operator::Come { from } });
    Ok(())
}

/// One filter for each name that paths use.
fn filters(array_filters: &[Document], changes: &[Change]) -> Result<Vec<ArrayFilter>> {
    let mut all: Vec<ArrayFilter> = Vec::new();
    for filter in array_filters {
        let name = name_of(filter)?;
        if all.iter().any(|other| other.name == name) {
            return Err(failed(FAILED_TO_PARSE, format!("two array filters have the name {name}")));
        }
        let used = changes.iter().flat_map(|change| &change.path);
        if !used.into_iter().any(|part| *part == Part::Filtered(name.clone())) {
            return Err(failed(FAILED_TO_PARSE, format!("the array filter {name} isn't used in the update")));
        }
        all.push(ArrayFilter { name, filter: Filter::parse(filter)? });
    }
    for part in changes.iter().flat_map(|change| &change.path) {
        if let Part::Filtered(name) = part
            && !all.iter().any(|filter| filter.name == *name)
        {
            return Err(failed(BAD_VALUE, format!("$[{name}] has no array filter of that name")));
        }
    }
    Ok(all)
}

/// The first part of all paths of an array filter.
fn name_of(filter: &Document) -> Result<String> {
    let mut name: Option<String> = None;
    names(filter, &mut |path| {
        let first = path.split('.').next().unwrap_or_default().to_owned();
        match &name {
            Some(name) if *name != first => {
                Err(failed(FAILED_TO_PARSE, format!("an array filter is about one name, and has {name} and {first}")))
            }
            Some(_) => Ok(()),
            None => {
                name = Some(first);
                Ok(())
            }
        }
    })?;
    let name = name.ok_or_else(|| failed(FAILED_TO_PARSE, "an array filter needs a condition"))?;
    let fine = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric());
    if fine {
        Ok(name)
    } else {
        Err(failed(
            BAD_VALUE,
            format!("the name {name:?} of an array filter isn't of letters and digits, a small letter first"),
        ))
    }
}

fn names(filter: &Document, visit: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    for (name, value) in filter {
        match (name.as_str(), value) {
            ("$and" | "$or" | "$nor", Bson::Array(parts)) => {
                for part in parts.iter().filter_map(Bson::as_document) {
                    names(part, visit)?;
                }
            }
            (name, _) if name.starts_with('$') => (),
            (name, _) => visit(name)?,
        }
    }
    Ok(())
}
