//! The grammar of the brackets: `word`, `key = value`, `key(list)`, with commas between.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, Parser};

use crate::errors::Errors;

/// An option that exists: what it is called, and how it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
}

impl Known {
    pub(crate) const NAME: Self = Self { name: "name", usage: r#"name = "orders.ship""# };
    pub(crate) const VERSION: Self = Self { name: "version", usage: "version = 2" };
    pub(crate) const TIMEOUT: Self = Self { name: "timeout", usage: r#"timeout = "10s""# };
    pub(crate) const RETRY: Self = Self { name: "retry", usage: r#"retry(max_attempts = 5, initial = "200ms")"# };
    pub(crate) const AT_MOST_ONCE: Self = Self { name: "at_most_once", usage: "at_most_once" };
    pub(crate) const SKIP: Self = Self { name: "skip", usage: "skip(client)" };
    pub(crate) const SECRET: Self = Self { name: "secret", usage: "secret(card)" };
    pub(crate) const CRATE: Self = Self { name: "crate", usage: "crate = my_crate::outlast" };
    pub(crate) const WORKER_THREADS: Self = Self { name: "worker_threads", usage: "worker_threads = 4" };
}

/// One option as written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) form: Form,
}

/// What follows the key.
#[derive(Debug)]
pub(crate) enum Form {
    /// Nothing.
    Word,
    /// `= value`, and the place of the `=`.
    Value(Span, TokenStream),
    /// `(…)`.
    List(Group),
}

impl Entry {
    /// The key without `r#`.
    pub(crate) fn name(&self) -> String {
        self.key.unraw().to_string()
    }

    pub(crate) fn is(&self, known: &Known) -> bool {
        self.key.unraw() == known.name
    }

    /// The place of the value; of the key, where there is none.
    pub(crate) fn value_place(&self) -> Span {
        match &self.form {
            Form::Value(_, value) => value.clone().into_iter().next().map_or(self.key.span(), |token| token.span()),
            Form::List(group) => group.span_open(),
            Form::Word => self.key.span(),
        }
    }

    /// `key = value`, with a value that reads as `T`.
    pub(crate) fn value<T: Parse>(&self, known: &Known, what: &str, errors: &mut Errors) -> Option<T> {
        let Known { name, usage } = known;
        match &self.form {
            Form::Word => errors.at(self.key.span(), format!("`{name}` needs a value: write `{usage}`")),
            Form::List(group) => {
                errors.at(group.span_open(), format!("`{name}` takes a value, not a list: write `{usage}`"));
            }
            Form::Value(equals, value) if value.is_empty() => {
                errors.at(*equals, format!("`{name}` needs a value: write `{usage}`"));
            }
            Form::Value(_, value) => match T::parse.parse2(value.clone()) {
                Ok(value) => return Some(value),
                Err(_) => errors.on(value, format!("`{name}` takes {what}: write `{usage}`")),
            },
        }
        None
    }

    /// `key` alone.
    pub(crate) fn word(&self, known: &Known, errors: &mut Errors) -> bool {
        let Known { name, usage } = known;
        let place = match &self.form {
            Form::Word => return true,
            Form::Value(equals, _) => *equals,
            Form::List(group) => group.span_open(),
        };
        errors.at(place, format!("`{name}` takes no value: write `{usage}` alone"));
        false
    }

    /// `key(…)`, with something in it.
    pub(crate) fn list(&self, known: &Known, errors: &mut Errors) -> Vec<Self> {
        let Known { name, usage } = known;
        match &self.form {
            Form::List(group) if !group.stream().is_empty() => return entries(group.stream(), errors),
            Form::List(group) => errors.at(group.span_close(), format!("`{name}()` is empty: write `{usage}`")),
            Form::Word => errors.at(self.key.span(), format!("`{name}` needs a list: write `{usage}`")),
            Form::Value(equals, _) => errors.at(*equals, format!("`{name}` takes a list: write `{usage}`")),
        }
        Vec::new()
    }
}

/// Reads entries; what isn't one becomes an error, and the next comma is the way on.
pub(crate) fn entries(tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    let mut found = Vec::new();
    for (tokens, comma) in between_commas(tokens) {
        match (tokens.is_empty(), comma) {
            (true, Some(comma)) => errors.at(comma, "a comma too many: take it out"),
            (true, None) => {}
            (false, _) => found.extend(entry(tokens, errors)),
        }
    }
    found
}

/// The parts, each with the comma behind it. The commas of `path::<A, B>` don't count.
fn between_commas(tokens: TokenStream) -> Vec<(Vec<TokenTree>, Option<Span>)> {
    let mut parts = Vec::new();
    let mut part: Vec<TokenTree> = Vec::new();
    let mut depth = 0_usize;
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' && depth == 0 => {
                parts.push((std::mem::take(&mut part), Some(punct.span())));
                continue;
            }
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth = depth.saturating_sub(1),
            TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) | TokenTree::Group(_) => {}
        }
        part.push(token);
    }
    parts.push((part, None));
    parts
}

fn entry(tokens: Vec<TokenTree>, errors: &mut Errors) -> Option<Entry> {
    let mut tokens = tokens.into_iter();
    let key = match tokens.next()? {
        TokenTree::Ident(key) => key,
        TokenTree::Literal(literal) if literal.to_string().starts_with('"') => {
            errors.at(literal.span(), format!("a value needs the name of its option: write `name = {literal}`"));
            return None;
        }
        other => {
            errors.at(other.span(), "expected an option, such as `name = \"…\"`");
            return None;
        }
    };
    match tokens.next() {
        None => Some(Entry { key, form: Form::Word }),
        Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => {
            Some(Entry { key, form: Form::Value(punct.span(), tokens.collect()) })
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => match tokens.next() {
            None => Some(Entry { key, form: Form::List(group) }),
            Some(other) => {
                errors.at(other.span(), format!("expected a comma after `{key}(…)`"));
                None
            }
        },
        Some(other) => {
            errors.at(other.span(), format!("expected `=`, `(` or a comma after `{key}`"));
            None
        }
    }
}

/// Each option once; `secret` and `secret(…)` are two.
pub(crate) fn once(entries: Vec<Entry>, errors: &mut Errors) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        let same = |other: &Entry| {
            other.name() == entry.name()
                && (!entry.is(&Known::SECRET) || matches!(entry.form, Form::Word) == matches!(other.form, Form::Word))
        };
        if kept.iter().any(same) {
            errors.at(entry.key.span(), format!("`{}` is given twice: keep one", entry.name()));
        } else {
            kept.push(entry);
        }
    }
    kept
}
