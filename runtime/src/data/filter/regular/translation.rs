//! From PCRE's notation, which MongoDB has, to Rust's: what both write alike stays, what they write otherwise is
//! rewritten, and what Rust's can't do, or takes for something else, is refused by name.

use std::iter::Peekable;
use std::str::Chars;

use super::super::{invalid, unsupported};
use crate::error::{Error, Result};

/// Rewrites a whole pattern.
pub(super) fn translated(pattern: &str) -> Result<String> {
    let mut translation = Translation { left: pattern.chars().peekable(), whole: String::with_capacity(pattern.len()) };
    while let Some(letter) = translation.left.next() {
        translation.one(letter)?;
    }
    Ok(translation.whole)
}

struct Translation<'p> {
    left: Peekable<Chars<'p>>,
    whole: String,
}

fn refused(what: &str) -> Error {
    unsupported(&format!("{what} in a regular expression"))
}

impl Translation<'_> {
    fn one(&mut self, letter: char) -> Result<()> {
        match letter {
            '\\' => self.escaped(),
            '[' => self.class(),
            '(' => self.group(),
            '*' | '+' | '?' => {
                self.whole.push(letter);
                self.repeated()
            }
            '{' => self.brace(),
            // PCRE's end is before a last line feed, too.
            '$' => {
                self.whole.push_str("(?:\\n?$)");
                Ok(())
            }
            other => {
                self.whole.push(other);
                Ok(())
            }
        }
    }

    /// What stands behind a repetition: it may be lazy; two are a mistake, but for PCRE's one that never gives back.
    fn repeated(&mut self) -> Result<()> {
        if let Some(lazy) = self.left.next_if_eq(&'?') {
            self.whole.push(lazy);
        }
        match self.left.peek() {
            Some('+') => Err(refused("a possessive repetition, such as *+,")),
            Some('*' | '?') => Err(invalid("a regular expression repeats a repetition")),
            _ => Ok(()),
        }
    }

    /// A brace that counts nothing is itself.
    fn brace(&mut self) -> Result<()> {
        let rest: String = self.left.clone().take_while(|letter| *letter != '}').collect();
        let closed = self.left.clone().any(|letter| letter == '}');
        let (least, most) = rest.split_once(',').unwrap_or((&rest, ""));
        let counts = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !closed || least.is_empty() || !counts(least) || !counts(most) {
            self.whole.push_str("\\{");
            return Ok(());
        }
        self.whole.extend(["{", &rest, "}"]);
        self.left.nth(rest.len());
        self.repeated()
    }

    /// What a parenthesis opens. Of those with a question mark, Rust has groups with and without names, and options.
    fn group(&mut self) -> Result<()> {
        self.whole.push('(');
        let next: String = self.left.clone().take(4).collect();
        if next.starts_with('*') {
            return Err(refused("(*"));
        }
        let Some(kind) = next.strip_prefix('?') else { return Ok(()) };
        for wrong in ["=", "!", "<=", "<!", ">", "|", "#", "R", "&", "(", "C", "'", "P=", "P>", "^"] {
            if kind.starts_with(wrong) {
                return Err(refused(&format!("(?{wrong}")));
            }
        }
        if kind.starts_with([':', '<', 'P']) {
            return Ok(());
        }
        let options: String = self.left.clone().skip(1).take_while(|letter| !matches!(letter, ':' | ')')).collect();
        match options.chars().find(|option| !matches!(option, 'i' | 'm' | 's' | 'x' | '-')) {
            Some(other) => Err(refused(&format!("(?{other}"))),
            None => Ok(()),
        }
    }

    /// PCRE's classes are of ASCII alone, as MongoDB uses it.
    fn escaped(&mut self) -> Result<()> {
        let Some(letter) = self.left.next() else {
            return Err(invalid("a regular expression ends with a backslash"));
        };
        match letter {
            'd' | 'w' | 's' => self.whole.extend(["(?-i:[", ascii(letter), "])"]),
            'D' | 'W' | 'S' => self.whole.extend(["(?-i:[^", ascii(letter), "])"]),
            'b' => self.whole.push_str("(?-u:\\b)"),
            'Z' => self.whole.push_str("(?:\\n?\\z)"),
            'A' | 'z' => self.whole.extend(['\\', letter]),
            other => self.letter(other)?,
        }
        Ok(())
    }

    /// What means one letter, or a class by name, wherever it stands.
    fn letter(&mut self, letter: char) -> Result<()> {
        match letter {
            'n' | 'r' | 't' | 'f' | 'a' | 'x' | 'p' | 'P' => self.whole.extend(['\\', letter]),
            'e' => self.whole.push_str("\\x1B"),
            other if other.is_ascii_alphanumeric() => return Err(refused(&format!("\\{other}"))),
            other => self.literal(other),
        }
        Ok(())
    }

    fn literal(&mut self, letter: char) {
        self.whole.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
    }

    /// A class, to its end. Rust's has operators and classes inside, which are letters here.
    fn class(&mut self) -> Result<()> {
        self.whole.push('[');
        if let Some(not) = self.left.next_if_eq(&'^') {
            self.whole.push(not);
        }
        // First, it doesn't end the class.
        if self.left.next_if_eq(&']').is_some() {
            self.whole.push_str("\\]");
        }
        while let Some(letter) = self.left.next() {
            match (letter, self.left.peek()) {
                (']', _) => {
                    self.whole.push(letter);
                    return Ok(());
                }
                ('[', Some(':')) => self.named(),
                ('[', Some('.' | '=')) => return Err(refused("[. or [=")),
                ('-', Some('-')) => return Err(refused("-- in a class")),
                ('-', _) => self.whole.push('-'),
                ('\\', Some('d' | 'w' | 's' | 'D' | 'W' | 'S' | 'b')) => self.class_escaped(),
                ('\\', Some(_)) => {
                    let next = self.left.next().unwrap_or('\\');
                    self.letter(next)?;
                }
                // With the option x, Rust leaves these out of a class, too.
                (' ' | '#' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r', _) => {
                    self.whole.extend(["\\x", &format!("{:02X}", u32::from(letter))]);
                }
                (':' | '^', _) => self.whole.extend(['\\', letter]),
                (other, _) if other.is_ascii_punctuation() => self.literal(other),
                (other, _) => self.whole.push(other),
            }
        }
        Err(invalid("a regular expression has a class without an end"))
    }

    /// `[:alpha:]` is the same in both; without its end it is letters.
    fn named(&mut self) {
        let name: String =
            self.left.clone().skip(1).take_while(|letter| letter.is_ascii_lowercase() || *letter == '^').collect();
        let whole = format!(":{name}:]");
        if self.left.clone().take(whole.len()).eq(whole.chars()) {
            self.whole.extend(["[", &whole]);
            self.left.nth(whole.len() - 1);
        } else {
            self.whole.push_str("\\[");
        }
    }

    fn class_escaped(&mut self) {
        match self.left.next() {
            Some('b') => self.whole.push_str("\\x08"),
            Some(letter) if letter.is_ascii_uppercase() => self.whole.extend(["[^", ascii(letter), "]"]),
            Some(letter) => self.whole.push_str(ascii(letter)),
            None => (),
        }
    }
}

fn ascii(letter: char) -> &'static str {
    match letter.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "A-Za-z0-9_",
        _ => "\\x20\\t\\n\\x0B\\f\\r",
    }
}
