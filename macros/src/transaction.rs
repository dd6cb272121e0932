//! `#[transaction]`: a step that runs in the store; its writes and its record commit together.

use proc_macro2::TokenStream;

use crate::signature::Kind;
use crate::step;

/// `#[transaction(options)] item`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    step::expand_as(Kind::Transaction, options, item)
}

#[cfg(test)]
mod tests;
