//! Regular expressions: MongoDB's are PCRE, Rust's can less. What would mean something else here is refused by name.

use bson::RawBsonRef;
use regex::{Regex, RegexBuilder};

use self::translation::translated;
use super::invalid;
use crate::error::Result;

mod translation;

/// The compiled form of an expression takes at most so many bytes.
const LARGEST: usize = 1 << 20;

/// A regular expression.
#[derive(Debug, Clone)]
pub(crate) struct Regular {
    regex: Regex,
    pattern: String,
    options: String,
}

impl PartialEq for Regular {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, &self.options) == (&other.pattern, &other.options)
    }
}

impl Regular {
    /// From a pattern and the letters of its options.
    pub(super) fn new(pattern: &str, options: &str) -> Result<Self> {
        if pattern.contains('\0') {
            return Err(invalid("a regular expression can't have a zero byte in it"));
        }
        let mut builder = RegexBuilder::new(&translated(pattern)?);
        builder.size_limit(LARGEST).nest_limit(100);
        for option in options.chars() {
            match option {
                'i' => builder.case_insensitive(true),
                'm' => builder.multi_line(true),
                's' => builder.dot_matches_new_line(true),
                'x' => builder.ignore_whitespace(true),
                // MongoDB always matches Unicode.
                'u' => &mut builder,
                other => {
                    return Err(invalid(format!("a regular expression has no option {other}: there are i, m, s, x")));
                }
            };
        }
        let regex = builder.build().map_err(|error| {
            let text = error.to_string();
            let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            invalid(format!("the regular expression {pattern:?} can't be used here: {cause}"))
        })?;
        Ok(Self { regex, pattern: pattern.to_owned(), options: options.to_owned() })
    }

    /// Whether it matches a text, or is the same expression.
    pub(super) fn matches(&self, value: RawBsonRef<'_>) -> bool {
        match value {
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => self.regex.is_match(text),
            RawBsonRef::RegularExpression(other) => {
                other.pattern.as_str() == self.pattern && other.options.as_str() == self.options
            }
            _ => false,
        }
    }

    /// What every text that matches begins with, where that is certain.
    pub(super) fn prefix(&self) -> Option<String> {
        if !self.options.is_empty() {
            return None;
        }
        // An alternative anywhere may begin otherwise.
        if self.pattern.contains('|') {
            return None;
        }
        let literal = self.pattern.strip_prefix('^').or_else(|| self.pattern.strip_prefix("\\A"))?;
        let mut prefix = String::new();
        let mut letters = literal.chars().peekable();
        while let Some(letter) = letters.next() {
            // What may come not at all isn't certain.
            let optional = letters.peek().is_some_and(|next| "*?{".contains(*next));
            if optional || "\\.[]{}()*+?|^$".contains(letter) {
                break;
            }
            prefix.push(letter);
        }
        Some(prefix).filter(|prefix| !prefix.is_empty())
    }
}
