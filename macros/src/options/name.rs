//! Names in the record: `[A-Za-z0-9_.:/-]{1,255}`.

use syn::LitStr;

use super::duration::inside;
use super::entry::{Entry, Known};
use crate::errors::Errors;
use crate::signature::Function;

const LONGEST: usize = 255;

/// `name = "…"`, checked.
pub(crate) fn read(entry: &Entry, errors: &mut Errors) -> Option<String> {
    let literal: LitStr = entry.value(&Known::NAME, "a name in quotes", errors)?;
    let name = literal.value();
    if name.is_empty() || name.len() > LONGEST {
        errors.at(literal.span(), format!("a name has 1 to {LONGEST} characters, this one has {}", name.len()));
        return None;
    }
    if let Some((at, wrong)) = name.char_indices().find(|(_, letter)| !allowed(*letter)) {
        let place = inside(&literal, at..at + wrong.len_utf8());
        errors.at(place, format!("a name can't have {wrong:?}: write letters, digits and `_ . : / -`"));
        return None;
    }
    Some(name)
}

/// The name that was given, or else the function's own.
pub(crate) fn or_own(given: Option<String>, function: &Function, errors: &mut Errors) -> String {
    given.unwrap_or_else(|| {
        let own = function.name();
        if own.len() > LONGEST || !own.chars().all(allowed) {
            errors.at(
                function.signature.ident.span(),
                format!("`{own}` can't be a name in the record: give one with `{}`", Known::NAME.usage),
            );
        }
        own
    })
}

fn allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_.:/-".contains(letter)
}
