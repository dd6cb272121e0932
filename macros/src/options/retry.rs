//! `retry(…)`: what may be tried again, how often and when.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Lit, Path};

use super::entry::{Entry, Known, once};
use super::{count, duration};
use crate::errors::{Errors, nearest};

const MAX_ATTEMPTS: Known = Known { name: "max_attempts", usage: "max_attempts = 5" };
const INITIAL: Known = Known { name: "initial", usage: r#"initial = "200ms""# };
const FACTOR: Known = Known { name: "factor", usage: "factor = 2.0" };
const MAX: Known = Known { name: "max", usage: r#"max = "30s""# };
const LIMIT: Known = Known { name: "limit", usage: r#"limit = "10m""# };
const WHEN: Known = Known { name: "when", usage: "when = is_transient" };
const ALL: [Known; 6] = [MAX_ATTEMPTS, INITIAL, FACTOR, MAX, LIMIT, WHEN];

/// What was given; the runtime has the rest.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    max_attempts: Option<u32>,
    initial: Option<Duration>,
    factor: Option<f64>,
    max: Option<Duration>,
    limit: Option<Duration>,
    /// `fn(&E) -> bool`
    pub(crate) when: Option<Path>,
}

impl Retry {
    /// Reads the list; what is wrong keeps its default.
    pub(crate) fn read(entry: &Entry, errors: &mut Errors) -> Self {
        let mut retry = Self::default();
        let mut max_place = None;
        for entry in once(entry.list(&Known::RETRY, errors), errors) {
            match entry.name().as_str() {
                "max_attempts" => retry.max_attempts = count(&entry, &MAX_ATTEMPTS, errors),
                "initial" => retry.initial = duration::read(&entry, &INITIAL, errors),
                "factor" => retry.factor = factor(&entry, errors),
                "max" => {
                    retry.max = duration::read(&entry, &MAX, errors);
                    max_place = Some(entry.value_place());
                }
                "limit" => retry.limit = duration::read_positive(&entry, &LIMIT, errors),
                "when" => retry.when = entry.value(&WHEN, "the path of a function `fn(&E) -> bool`", errors),
                other => errors.at(entry.key.span(), unknown(other)),
            }
        }
        if let (Some(initial), Some(max), Some(place)) = (retry.initial, retry.max, max_place)
            && initial > max
        {
            errors.at(place, "the longest wait is shorter than the first: `max` is at least `initial`");
        }
        retry
    }

    /// As a constant, if any of it was given.
    pub(crate) fn tokens(&self, private: &TokenStream) -> Option<TokenStream> {
        let Self { max_attempts, initial, factor, max, limit, when: _ } = self;
        let mut given = Vec::new();
        given.extend(max_attempts.map(|number| quote!(max_attempts: #number)));
        given.extend(factor.map(|number| quote!(factor: #number)));
        for (field, value) in [(quote!(initial), initial), (quote!(max), max), (quote!(limit), limit)] {
            given.extend(value.map(|value| {
                let value = duration::tokens(value);
                quote!(#field: #value)
            }));
        }
        let rest = (given.len() < 5).then(|| quote!(..#private::Retry::DEFAULT));
        (!given.is_empty()).then(|| quote!(#private::Retry { #(#given,)* #rest }))
    }
}

fn factor(entry: &Entry, errors: &mut Errors) -> Option<f64> {
    let literal: Lit = entry.value(&FACTOR, "a number", errors)?;
    let number = match &literal {
        Lit::Float(number) => number.base10_parse::<f64>().ok(),
        Lit::Int(number) => number.base10_parse::<f64>().ok(),
        _ => None,
    };
    match number {
        Some(number) if number.is_finite() && number >= 1.0 => Some(number),
        Some(_) => {
            errors.at(literal.span(), "`factor` is at least 1: each wait is as long as the one before, or longer");
            None
        }
        None => {
            errors.at(literal.span(), format!("`factor` takes a number: write `{}`", FACTOR.usage));
            None
        }
    }
}

fn unknown(name: &str) -> String {
    let names = ALL.iter().map(|known| known.name);
    match nearest(name, names.clone()) {
        Some(meant) => format!("`retry(…)` has no option `{name}`: did you mean `{meant}`?"),
        None => format!("`retry(…)` has no option `{name}`: {}", super::list(names)),
    }
}
