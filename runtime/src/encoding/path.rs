//! Why a value can't be recorded or read back, and where inside it. A path is written only while an error is on its
//! way out. Messages name kinds, never content: a value may be secret.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::form::{Cursor, Head};

/// Why a value can't be recorded or read back, with the path inside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct EncodingError {
    /// Where inside the value, such as `value.items[2].price`; `value` for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

const WHOLE: &str = "value";

impl EncodingError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { path: WHOLE.to_owned(), message: message.into() }
    }

    /// The same error, seen from one level further out.
    #[cold]
    pub(super) fn within(mut self, segment: Segment<'_>) -> Self {
        self.path.insert_str(WHOLE.len(), &segment.to_string());
        self
    }

    /// The same error with words in front of its message.
    pub(super) fn saying(mut self, words: &str) -> Self {
        self.message.insert_str(0, words);
        self
    }
}

/// One level of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Segment<'a> {
    /// The inside of a `Some`: no level for people.
    Inside,
    /// An element of a sequence.
    Index(usize),
    /// An element of a tuple.
    Position(usize),
    /// A field of a struct, or a variant.
    Field(&'a str),
    /// The encoded key of a map's entry.
    Key(&'a [u8]),
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside => Ok(()),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Position(index) => write!(f, ".{index}"),
            Self::Field(name) => named(f, name),
            Self::Key(bytes) => match Cursor::new(bytes).head() {
                Ok(Head::Text(text)) => named(f, text),
                Ok(head) => match super::view::scalar_text(head) {
                    Some(text) => write!(f, "[{text}]"),
                    None => f.write_str("[…]"),
                },
                Err(_) => f.write_str("[?]"),
            },
        }
    }
}

fn named(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$')) {
        write!(f, ".{name}")
    } else {
        write!(f, "[{name:?}]")
    }
}

impl serde::ser::Error for EncodingError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl serde::de::Error for EncodingError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} where {expected} is expected", kind(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} that doesn't fit: {expected} is expected", kind(&found)))
    }
}

/// What was found, without its content.
fn kind(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(_) => "a bool".to_owned(),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer".to_owned(),
        Unexpected::Float(_) => "a float".to_owned(),
        Unexpected::Char(_) => "a char".to_owned(),
        Unexpected::Str(_) => "text".to_owned(),
        Unexpected::Bytes(_) => "bytes".to_owned(),
        // serde's own words for a 128-bit integer hold the number.
        Unexpected::Other(words) if words.contains("128") => "a 128-bit integer".to_owned(),
        other => other.to_string(),
    }
}
