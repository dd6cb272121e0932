//! Many errors at once: every phase puts what it finds into one sink, each error at its own tokens.
//!
//! Must never stop at the first error, and never swallow the item: what could be written is written beside the errors.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// An error at one place.
    pub(crate) fn at(&mut self, place: Span, message: impl Display) {
        self.0.push(syn::Error::new(place, message));
    }

    /// An error that covers tokens from the first to the last.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// The value, or its error kept for later.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(error);
                None
            }
        }
    }

    /// The errors in the order in which they were found, behind the tokens that could be written.
    pub(crate) fn beside(self, mut written: TokenStream) -> TokenStream {
        written.extend(self.0.iter().map(syn::Error::to_compile_error));
        written
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// The candidate that was probably meant: few letters away, for the length of the word.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        // What was only begun is nearer than any other word.
        .map(|candidate| (if is_begun(word, candidate) { 0 } else { distance(word, candidate) }, candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn is_begun(word: &str, candidate: &str) -> bool {
    word.len() > 2 && candidate.starts_with(word)
}

/// Letters to insert, remove, replace or swap with their neighbour to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(letter != other);
            let mut least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *other && b[j - 1] == *letter {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn every_error_stands_behind_what_was_written() {
        let mut errors = Errors::default();
        errors.at(Span::call_site(), "one");
        errors.on(quote!(a b), "two");
        assert_eq!(errors.keep(Err::<(), _>(syn::Error::new(Span::call_site(), "three"))), None);
        assert_eq!(errors.messages(), ["one", "two", "three"]);
        let written = errors
            .beside(quote!(
                fn kept() {}
            ))
            .to_string();
        assert!(written.starts_with("fn kept"), "{written}");
        assert_eq!(written.matches("compile_error").count(), 3, "{written}");
    }

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let words = ["name", "retry", "timeout", "at_most_once"];
        for (typed, meant) in [
            ("timeuot", Some("timeout")),
            ("time_out", Some("timeout")),
            ("at_most_one", Some("at_most_once")),
            ("nmae", Some("name")),
            ("time", Some("timeout")),
            ("retries", None),
            ("concurrency", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
    }
}
