//! Dotted paths: which values of a document they mean, through documents and arrays.
//!
//! A path goes through an array in two ways: into each document in it, and, where its next part is a number, into the
//! element of that number. At its end an array means its elements and itself. Where a branch leads nowhere, it means
//! "missing", which is what `null` matches, too.

use bson::{RawArray, RawBsonRef, RawDocument};

/// A path, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    parts: Box<[Box<str>]>,
}

/// A value that a path means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached<'d> {
    /// None where a branch leads nowhere.
    pub(crate) value: Option<RawBsonRef<'d>>,
    /// The place in the outermost array that the path went through, if it did.
    pub(crate) index: Option<usize>,
    /// It is the array at the path's end, whose elements have been visited before.
    pub(crate) whole: bool,
}

/// Whether the elements of an array at the path's end are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// They are, and then the array itself.
    Elements,
    /// The array alone is.
    Array,
}

/// A visitor; `true` ends the walk.
type Visit<'v, 'd> = &'v mut dyn FnMut(Reached<'d>) -> bool;

impl Path {
    pub(crate) fn new(path: &str) -> Self {
        Self { parts: path.split('.').map(Into::into).collect() }
    }

    pub(crate) fn parts(&self) -> &[Box<str>] {
        &self.parts
    }

    /// The only part, if it is one.
    pub(crate) fn only(&self) -> Option<&str> {
        match &*self.parts {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> String {
        self.parts.join(".")
    }

    /// Whether a part may mean an element's place.
    pub(crate) fn has_number(&self) -> bool {
        self.parts.iter().skip(1).any(|part| index(part).is_some())
    }

    /// Shows `visit` each value that the path means, until it says that it has seen enough: whether it did.
    pub(crate) fn any<'d>(&self, document: &'d RawDocument, at_end: AtEnd, visit: Visit<'_, 'd>) -> bool {
        in_document(document, &self.parts, at_end, None, visit)
    }
}

/// The number that a part of a path may stand for: no signs, no needless zeros.
pub(crate) fn index(part: &str) -> Option<usize> {
    let plain = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { part.parse().ok() } else { None }
}

fn in_document<'d>(
    document: &'d RawDocument,
    parts: &[Box<str>],
    at_end: AtEnd,
    outer: Option<usize>,
    visit: Visit<'_, 'd>,
) -> bool {
    let Some((first, rest)) = parts.split_first() else { return false };
    let value = document.get(&**first).ok().flatten();
    match value {
        Some(RawBsonRef::Document(inner)) if !rest.is_empty() => in_document(inner, rest, at_end, outer, visit),
        Some(RawBsonRef::Array(elements)) => in_array(elements, rest, at_end, outer, visit),
        Some(_) if !rest.is_empty() => visit(Reached { value: None, index: outer, whole: false }),
        value => visit(Reached { value, index: outer, whole: false }),
    }
}

fn in_array<'d>(
    elements: &'d RawArray,
    rest: &[Box<str>],
    at_end: AtEnd,
    outer: Option<usize>,
    visit: Visit<'_, 'd>,
) -> bool {
    let whole = |value| Reached { value: Some(value), index: outer, whole: true };
    let Some((first, after)) = rest.split_first() else {
        if at_end == AtEnd::Array {
            return visit(whole(RawBsonRef::Array(elements)));
        }
        for (place, element) in elements.into_iter().filter_map(Result::ok).enumerate() {
            if visit(Reached { value: Some(element), index: outer.or(Some(place)), whole: false }) {
                return true;
            }
        }
        return visit(whole(RawBsonRef::Array(elements)));
    };
    let wanted = index(first);
    for (place, element) in elements.into_iter().filter_map(Result::ok).enumerate() {
        let here = outer.or(Some(place));
        if let RawBsonRef::Document(inner) = element
            && in_document(inner, rest, at_end, here, visit)
        {
            return true;
        }
        // Who names an element's number knows it: such an array isn't one that the filter went through.
        if wanted == Some(place) && at_place(element, after, at_end, outer, visit) {
            return true;
        }
    }
    false
}

/// The element that a number names, or what the rest of the path means in it.
fn at_place<'d>(
    element: RawBsonRef<'d>,
    after: &[Box<str>],
    at_end: AtEnd,
    outer: Option<usize>,
    visit: Visit<'_, 'd>,
) -> bool {
    match element {
        // A number at the end means the element itself: an array there isn't looked into.
        element if after.is_empty() => visit(Reached { value: Some(element), index: outer, whole: false }),
        RawBsonRef::Document(inner) => in_document(inner, after, at_end, outer, visit),
        RawBsonRef::Array(inner) => in_array(inner, after, at_end, outer, visit),
        _ => false,
    }
}
