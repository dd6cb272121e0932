//! What all attributes write alike: the inner function with the user's body, the witnesses, the place in the source.
//!
//! The user's tokens are written once, with their own spans. Everything else goes through one path, and a bound stands
//! once, where its type stands, so that the compiler's message is about the user's words.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use crate::options::Runtime;
use crate::signature::{Argument, Function};

/// Locals of generated code, which no user's name can meet.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The inner function's name. Not the user's own: a recursive call must reach the recorded function.
pub(crate) fn inner_name(function: &Function) -> Ident {
    format_ident!("__{}", function.name(), span = function.signature.ident.span())
}

/// The name of what begins a durable function's body. Longer than the inner function's, whatever the user's is called.
pub(crate) fn begin_name(function: &Function) -> Ident {
    format_ident!("{}_begin", inner_name(function))
}

/// The user's function under another name. It is async because its attribute asks for that.
pub(crate) fn inner(function: &Function, body: &Group) -> TokenStream {
    let mut signature = function.signature.clone();
    signature.ident = inner_name(function);
    quote! {
        #[allow(clippy::unused_async)]
        #signature #body
    }
}

/// The outer function's block, in the braces of the user's: to the compiler it is the user's function, so that it is
/// reported if nothing calls it.
pub(crate) fn block(function: &Function, tokens: TokenStream) -> Group {
    let mut block = Group::new(Delimiter::Brace, tokens);
    block.set_span(function.body.span());
    block
}

/// For a statement that uses an argument: its author wrote `_` because the body doesn't.
pub(crate) fn allow_underscore(argument: &Argument) -> Option<TokenStream> {
    argument.recorded_name().starts_with('_').then(|| quote!(#[allow(clippy::used_underscore_binding)]))
}

/// The outer function's arguments: names and types, without `mut`.
pub(crate) fn outer_arguments(function: &Function) -> TokenStream {
    let arguments = function.arguments.iter().map(|argument| {
        let (name, written) = (&argument.name, &argument.written);
        quote!(#name: #written)
    });
    quote!(#(#arguments),*)
}

/// The witness of the result: its bound, once, where the type stands.
pub(crate) fn result_witness(runtime: &Runtime, result: &syn::Type, again: Option<&Path>) -> TokenStream {
    let place = result.span();
    let private = runtime.private(place);
    let when = again.map(|when| {
        let private = runtime.private(when.span());
        quote_spanned!(when.span()=> .retry_when(|__result| match __result {
            #private::Err(__error) => #when(__error),
            #private::Ok(_) => false,
        }))
    });
    quote_spanned! {place=>
        #[allow(clippy::type_complexity)]
        const __RESULT: #private::Codec<#result> = #private::codec::<#result>() #when;
    }
}

/// `file!()`, `line!()` and `module_path!()` of the user's function.
pub(crate) fn place(function: &Function, private: &TokenStream) -> TokenStream {
    let line = quote_spanned!(function.signature.ident.span()=> ::core::line!());
    quote!(#private::Place { file: ::core::file!(), line: #line, module: ::core::module_path!() })
}

/// The secret field, if anything is.
pub(crate) fn secret(private: &TokenStream, arguments: &[String], result: bool) -> Option<TokenStream> {
    (result || !arguments.is_empty())
        .then(|| quote!(secret: #private::Secret { arguments: &[#(#arguments),*], result: #result },))
}

/// The timeout field, if there is one.
pub(crate) fn timeout(timeout: Option<std::time::Duration>) -> Option<TokenStream> {
    timeout
        .map(crate::options::duration::tokens)
        .map(|timeout| quote!(timeout: ::core::option::Option::Some(#timeout),))
}
