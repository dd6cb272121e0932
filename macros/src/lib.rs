//! The attributes of the crate `outlast`.

use proc_macro::TokenStream;

/// Durable.
#[proc_macro_attribute]
pub fn durable(_options: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Step.
#[proc_macro_attribute]
pub fn step(_options: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Transaction.
#[proc_macro_attribute]
pub fn transaction(_options: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Main.
#[proc_macro_attribute]
pub fn main(_options: TokenStream, item: TokenStream) -> TokenStream {
    item
}
