//! Where two encoded values in canonical form differ first. For checks that a value comes back, and for showing both
//! sides of a record that no longer fits its function.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::EncodingError;
use super::form::{Cursor, Head, MAX_WALK, tag, write_bytes, write_varint};
use super::path::Segment;
use super::view;

/// The first difference.
pub(super) struct Difference<'a> {
    path: EncodingError,
    left: Option<&'a [u8]>,
    right: Option<&'a [u8]>,
    /// Both sides are sequences of the same elements.
    order: bool,
}

/// Where a value stands inside another, and its bytes.
type Child<'a> = (Segment<'a>, &'a [u8]);

/// The first difference, if there is one. `order`: whether sequences differ whose elements come in another order.
pub(super) fn find<'a>(left: &'a [u8], right: &'a [u8], order: bool) -> Result<Option<Difference<'a>>, EncodingError> {
    for side in [left, right] {
        let mut cursor = Cursor::new(side);
        // Bounds the recursion below.
        cursor.skip(MAX_WALK)?;
        cursor.finish()?;
    }
    between(left, right, order)
}

fn between<'a>(left: &'a [u8], right: &'a [u8], order: bool) -> Result<Option<Difference<'a>>, EncodingError> {
    if left == right {
        return Ok(None);
    }
    let here =
        |order| Ok(Some(Difference { path: EncodingError::new(""), left: Some(left), right: Some(right), order }));
    let (mut left_cursor, mut right_cursor) = (Cursor::new(left), Cursor::new(right));
    let (left_head, right_head) = (left_cursor.head()?, right_cursor.head()?);
    let other_variant = matches!((left_head, right_head), (Head::Variant(left), Head::Variant(right)) if left != right);
    if other_variant || left_head.kind() != right_head.kind() {
        return here(false);
    }
    let left_children = children(left_head, &mut left_cursor)?;
    let right_children = children(right_head, &mut right_cursor)?;
    if let (Head::Sequence(_), Head::Sequence(_)) = (left_head, right_head)
        && unordered(left)? == unordered(right)?
    {
        if !order {
            return Ok(None);
        }
        if !pairwise_unordered(&left_children, &right_children)? {
            return here(true);
        }
    }
    let of_right: HashMap<_, _> = right_children.iter().copied().collect();
    for (segment, left) in &left_children {
        let found = match of_right.get(segment) {
            Some(right) => between(left, right, order)?,
            None => Some(Difference { path: EncodingError::new(""), left: Some(left), right: None, order: false }),
        };
        if let Some(found) = found {
            return Ok(Some(Difference { path: found.path.within(*segment), ..found }));
        }
    }
    let of_left: HashMap<_, _> = left_children.iter().copied().collect();
    if let Some((segment, right)) = right_children.iter().find(|(segment, _)| !of_left.contains_key(segment)) {
        let path = EncodingError::new("").within(*segment);
        return Ok(Some(Difference { path, left: None, right: Some(right), order: false }));
    }
    let segments = |children: &[Child<'a>]| children.iter().map(|(segment, _)| *segment).collect();
    let (left_order, right_order): (Vec<_>, Vec<_>) = (segments(&left_children), segments(&right_children));
    // Scalars, or structs whose fields come in another order; else the children differ only where order doesn't matter.
    if left_children.is_empty() || left_order != right_order { here(false) } else { Ok(None) }
}

/// What is inside a value, one level down.
fn children<'a>(head: Head<'a>, cursor: &mut Cursor<'a>) -> Result<Vec<Child<'a>>, EncodingError> {
    match head {
        Head::Some => Ok(vec![(Segment::Inside, cursor.rest())]),
        Head::Variant(name) => Ok(vec![(Segment::Field(name), cursor.rest())]),
        Head::Sequence(count) => (0..count).map(|at| Ok((Segment::Index(at), cursor.value(MAX_WALK)?))).collect(),
        Head::Tuple(count) => (0..count).map(|at| Ok((Segment::Position(at), cursor.value(MAX_WALK)?))).collect(),
        Head::Map(count) => {
            (0..count).map(|_| Ok((Segment::Key(cursor.value(MAX_WALK)?), cursor.value(MAX_WALK)?))).collect()
        }
        Head::Struct(count) => {
            (0..count).map(|_| Ok((Segment::Field(cursor.text()?), cursor.value(MAX_WALK)?))).collect()
        }
        Head::None
        | Head::Unit
        | Head::Bool(_)
        | Head::I8(_)
        | Head::I16(_)
        | Head::I32(_)
        | Head::I64(_)
        | Head::I128(_)
        | Head::U8(_)
        | Head::U16(_)
        | Head::U32(_)
        | Head::U64(_)
        | Head::U128(_)
        | Head::F32(_)
        | Head::F64(_)
        | Head::Char(_)
        | Head::Text(_)
        | Head::Bytes(_)
        | Head::UnitVariant(_)
        | Head::Sealed(_) => Ok(Vec::new()),
    }
}

/// Whether each element is its counterpart but for the order inside it.
fn pairwise_unordered(left: &[Child<'_>], right: &[Child<'_>]) -> Result<bool, EncodingError> {
    for ((_, left), (_, right)) in left.iter().zip(right) {
        if unordered(left)? != unordered(right)? {
            return Ok(false);
        }
    }
    Ok(left.len() == right.len())
}

/// The bytes of a value with the elements of every sequence in it sorted.
fn unordered(bytes: &[u8]) -> Result<Vec<u8>, EncodingError> {
    let mut cursor = Cursor::new(bytes);
    let head = cursor.head()?;
    let children = children(head, &mut cursor)?;
    let mut out = Vec::with_capacity(bytes.len());
    match head {
        Head::Sequence(count) => {
            let mut elements =
                children.into_iter().map(|(_, element)| unordered(element)).collect::<Result<Vec<_>, _>>()?;
            elements.sort_unstable();
            out.push(tag::SEQUENCE);
            write_varint(&mut out, count as u64);
            out.extend(elements.concat());
        }
        _ if children.is_empty() => out.extend_from_slice(bytes),
        _ => {
            out.push(bytes[0]);
            write_varint(&mut out, children.len() as u64);
            for (segment, value) in children {
                match segment {
                    Segment::Key(key) => out.extend_from_slice(key),
                    Segment::Field(name) => write_bytes(&mut out, name.as_bytes()),
                    Segment::Inside | Segment::Index(_) | Segment::Position(_) => {}
                }
                out.extend(unordered(value)?);
            }
        }
    }
    Ok(out)
}

impl Difference<'_> {
    /// The path, and both sides as JSON.
    pub(super) fn shown(&self) -> (String, Json, Json) {
        let (mut left, mut right) = (shown(self.left), shown(self.right));
        if left == right {
            // They differ in what JSON doesn't show.
            left = Json::from(format!("{left} ({})", kind(self.left)));
            right = Json::from(format!("{right} ({})", kind(self.right)));
        }
        (self.path.path.clone(), left, right)
    }

    /// Why the right side is not what the left was, without content: the value may be secret.
    pub(super) fn explained(self) -> EncodingError {
        let (was, is) = (kind(self.left), kind(self.right));
        let message = if self.order {
            "its elements come back in another order: a `HashSet` iterates in another order each time; use a \
             `BTreeSet` or a `Vec`"
                .to_owned()
        } else if self.right.is_none() {
            format!("{was} doesn't come back: its `Deserialize` must undo its `Serialize`")
        } else if self.left.is_none() {
            format!("{is} comes back that wasn't there: its `Deserialize` must undo its `Serialize`")
        } else if was == is {
            format!("{was} comes back with another content: its `Deserialize` must undo its `Serialize`")
        } else {
            format!(
                "comes back otherwise: {was} became {is}; an untagged enum takes the first variant that fits (give it \
                 a tag), any other type's `Deserialize` must undo its `Serialize`"
            )
        };
        EncodingError { path: self.path.path, message }
    }
}

fn shown(side: Option<&[u8]>) -> Json {
    side.map_or_else(|| Json::from("(missing)"), |bytes| view::whole(bytes).unwrap_or(Json::Null))
}

fn kind(side: Option<&[u8]>) -> &'static str {
    side.and_then(|bytes| Cursor::new(bytes).head().ok()).map_or("nothing", |head| head.kind())
}
