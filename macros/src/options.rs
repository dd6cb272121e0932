//! What stands in an attribute's brackets: entries first, then each entry's value.
//!
//! Each option is read on its own, so that a wrong one hides no other and keeps its default. Must never stop the
//! function from being written.

pub(crate) mod duration;
pub(crate) mod entry;
pub(crate) mod name;
pub(crate) mod retry;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{LitInt, Path};

use crate::errors::{Errors, nearest};
use crate::signature::{Function, Kind};
use entry::{Entry, Form, Known, entries};

/// The options that an attribute has.
pub(crate) const fn of(kind: Kind) -> &'static [Known] {
    match kind {
        Kind::Durable => &[Known::NAME, Known::VERSION, Known::TIMEOUT, Known::SECRET, Known::CRATE],
        Kind::Step => {
            &[Known::NAME, Known::RETRY, Known::TIMEOUT, Known::AT_MOST_ONCE, Known::SKIP, Known::SECRET, Known::CRATE]
        }
        Kind::Transaction => &[Known::NAME, Known::RETRY, Known::SKIP, Known::SECRET, Known::CRATE],
        Kind::Main => &[Known::WORKER_THREADS, Known::CRATE],
    }
}

/// The entries of an attribute: those that it has, each once.
pub(crate) fn read(kind: Kind, tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    let entries = entries(tokens, errors).into_iter();
    let known = entries.filter(|entry| {
        let found = of(kind).iter().any(|known| entry.is(known));
        if !found {
            errors.at(entry.key.span(), unknown(kind, &entry.name()));
        }
        found
    });
    let known = known.collect();
    entry::once(known, errors)
}

fn unknown(kind: Kind, name: &str) -> String {
    let attribute = kind.attribute();
    match (kind, name) {
        (Kind::Transaction, "timeout") => {
            return "a transaction is short work in the store and has no `timeout`: do slow work in a step".to_owned();
        }
        (Kind::Transaction, "at_most_once") => {
            return "a transaction's writes happen exactly once: take `at_most_once` out".to_owned();
        }
        (Kind::Durable | Kind::Step | Kind::Transaction | Kind::Main, _) => {}
    }
    let others = [Kind::Durable, Kind::Step, Kind::Transaction].into_iter();
    let others = others.filter(|kind| of(*kind).iter().any(|known| known.name == name)).map(Kind::attribute);
    let others = others.collect::<Vec<_>>().join(" and ");
    let names = of(kind).iter().map(|known| known.name);
    if !others.is_empty() {
        return format!("`{name}` is an option of {others}, not of {attribute}: {}", list(names));
    }
    match nearest(name, names.clone()) {
        Some(meant) => format!("{attribute} has no option `{name}`: did you mean `{meant}`?"),
        None => format!("{attribute} has no option `{name}`: {}", list(names)),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("its options are {}", names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

/// Where generated code finds the runtime.
#[derive(Debug, Default)]
pub(crate) struct Runtime(Option<Path>);

impl Runtime {
    /// `crate = path`.
    pub(crate) fn read(entry: &Entry, errors: &mut Errors) -> Self {
        Self(entry.value(&Known::CRATE, "a path", errors))
    }

    /// The one path of generated code, at the place that an error in it should name.
    pub(crate) fn private(&self, place: Span) -> TokenStream {
        let Some(path) = &self.0 else { return quote_spanned!(place=> ::outlast::__private) };
        let path = located(quote!(#path), place);
        quote_spanned!(place=> #path::__private)
    }
}

/// The same path, shown at another place. `$crate` stays the crate that it was; all else counts as written by the
/// macro, so that lints on paths don't take it for the user's.
fn located(tokens: TokenStream, place: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            let names = if token.to_string() == "$crate" { token.span() } else { Span::call_site() };
            token.set_span(names.located_at(place));
            token
        })
        .collect()
}

/// `secret(a, b)` and `secret`.
#[derive(Debug, Default)]
pub(crate) struct Secret {
    pub(crate) arguments: Vec<Ident>,
    pub(crate) result: bool,
}

impl Secret {
    /// Adds one of the two forms.
    pub(crate) fn add(&mut self, entry: &Entry, errors: &mut Errors) {
        match &entry.form {
            Form::Word => self.result = true,
            Form::List(..) | Form::Value(..) => self.arguments.extend(names(entry, &Known::SECRET, errors)),
        }
    }

    /// The arguments' names, without those that the function doesn't have.
    pub(crate) fn checked(&self, function: &Function, errors: &mut Errors) -> Vec<String> {
        known_arguments(&self.arguments, function, errors).into_iter().map(|(name, _)| name).collect()
    }
}

/// `option(a, b)`: the names of arguments.
pub(crate) fn names(entry: &Entry, known: &Known, errors: &mut Errors) -> Vec<Ident> {
    let mut names: Vec<Ident> = Vec::new();
    for inner in entry.list(known, errors) {
        if !matches!(inner.form, Form::Word) {
            errors.at(inner.key.span(), format!("`{}` takes names of arguments: write `{}`", known.name, known.usage));
        } else if names.iter().any(|name| name.unraw() == inner.key.unraw()) {
            errors.at(inner.key.span(), format!("`{}` stands in `{}` twice", inner.key.unraw(), known.name));
        } else {
            names.push(inner.key);
        }
    }
    names
}

/// The names that are arguments, each with its place in the list; an error for the others.
pub(crate) fn known_arguments(names: &[Ident], function: &Function, errors: &mut Errors) -> Vec<(String, usize)> {
    let mut known = Vec::new();
    for name in names {
        match function.argument(name) {
            Some(place) => known.push((name.unraw().to_string(), place)),
            None => errors.at(name.span(), no_argument(&name.unraw().to_string(), function)),
        }
    }
    known
}

fn no_argument(name: &str, function: &Function) -> String {
    let names = function.argument_names();
    let names = names.iter().map(String::as_str);
    match nearest(name, names.clone()) {
        Some(meant) => format!("`{}` has no argument `{name}`: did you mean `{meant}`?", function.name()),
        None if names.len() == 0 => format!("`{}` has no arguments", function.name()),
        None => {
            let names = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("`{}` has no argument `{name}`, only {names}", function.name())
        }
    }
}

/// A whole number from 1 up.
pub(crate) fn count(entry: &Entry, known: &Known, errors: &mut Errors) -> Option<u32> {
    let literal: LitInt = entry.value(known, "a whole number", errors)?;
    match literal.base10_parse::<u32>() {
        Ok(0) => {
            errors.at(literal.span(), format!("`{}` is at least 1", known.name));
            None
        }
        Ok(number) => Some(number),
        Err(_) => {
            errors.at(
                literal.span(),
                format!("`{}` is a whole number between 1 and {}: write `{}`", known.name, u32::MAX, known.usage),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
