//! Regular expressions: MongoDB's are PCRE, Rust's can less. What would mean something else here is refused by name.

use bson::RawBsonRef;
use regex::{Regex, RegexBuilder};

use super::{invalid, unsupported};
use crate::error::Result;

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
            if text.contains("look-around") || text.contains("backreference") {
                return unsupported(&format!("the regular expression {pattern:?} ({cause})"));
            }
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
        let literal = self.pattern.strip_prefix('^').or_else(|| self.pattern.strip_prefix("\\A"))?;
        let mut prefix = String::new();
        let mut letters = literal.chars().peekable();
        while let Some(letter) = letters.next() {
            if "\\.[]{}()*+?|^$".contains(letter) {
                // An alternative anywhere may begin otherwise.
                return if self.pattern.contains('|') {
                    None
                } else {
                    Some(prefix).filter(|prefix| !prefix.is_empty())
                };
            }
            // What may come not at all isn't certain.
            if letters.peek().is_some_and(|next| "*?{".contains(*next)) {
                return if self.pattern.contains('|') {
                    None
                } else {
                    Some(prefix).filter(|prefix| !prefix.is_empty())
                };
            }
            prefix.push(letter);
        }
        Some(prefix).filter(|prefix| !prefix.is_empty())
    }
}

/// What PCRE and Rust write otherwise, where they mean the same; what they don't is refused.
fn translated(pattern: &str) -> Result<String> {
    let mut whole = String::with_capacity(pattern.len());
    let mut letters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                // The end, or before a last line feed.
                Some('Z') => return Err(unsupported("\\Z in a regular expression (write \\z or $)")),
                Some(other @ ('h' | 'H' | 'R' | 'K' | 'G' | 'X' | 'C' | 'N' | 'Q' | 'E' | 'g' | 'k' | '1'..='9')) => {
                    return Err(unsupported(&format!("\\{other} in a regular expression")));
                }
                Some(other) => put_escaped(other, in_class, &mut whole),
                None => whole.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                whole.push(letter);
            }
            ']' => {
                in_class = false;
                whole.push(letter);
            }
            // In a class of Rust's these are operators.
            '&' | '~' | '-' if in_class && letters.peek() == Some(&letter) => whole.extend(['\\', letter]),
            '[' if in_class && letters.peek() != Some(&':') => whole.extend(['\\', '[']),
            // Without a line feed at the end of a text they are the same: `$` of PCRE matches before it, too.
            '$' if !in_class && letters.peek().is_none_or(|next| *next == ')' || *next == '|') => {
                whole.push_str("(?:\\n?$)");
            }
            other => whole.push(other),
        }
    }
    Ok(whole)
}

/// What stands behind a backslash. PCRE's classes are of ASCII alone, as MongoDB uses it.
fn put_escaped(letter: char, in_class: bool, whole: &mut String) {
    let class = match letter {
        'd' | 'D' => "0-9",
        'w' | 'W' => "A-Za-z0-9_",
        's' | 'S' => " \\t\\n\\x0B\\f\\r",
        'b' if !in_class => return whole.push_str("(?-u:\\b)"),
        'b' => return whole.push_str("\\x08"),
        other => return whole.extend(['\\', other]),
    };
    match (letter.is_ascii_uppercase(), in_class) {
        (true, _) => whole.extend(["[^", class, "]"]),
        (false, true) => whole.push_str(class),
        (false, false) => whole.extend(["[", class, "]"]),
    }
}
