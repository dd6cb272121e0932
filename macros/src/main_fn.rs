//! `#[outlast::main]`: a tokio runtime around an async `main`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::errors::Errors;
use crate::generated;
use crate::item::{self, Item};
use crate::options::entry::Known;
use crate::options::{self, Runtime};
use crate::signature::{self, Function, Kind};

/// `#[outlast::main(options)] item`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(options, &mut errors);
    let Some(parsed) = errors.keep(item::parse(item.clone())) else { return errors.beside(item) };
    let given_back = given_back(&parsed).unwrap_or(item);
    let plan = Plan::check(Model { options, item: parsed }, &mut errors);
    errors.beside(plan.map_or(given_back, |plan| plan.tokens()))
}

/// An async `main` can't be given back as it was: the compiler would add an error of its own.
fn given_back(item: &Item) -> Option<TokenStream> {
    let Item { attributes, visibility, signature, body } = item;
    if signature.asyncness.is_none() || signature.ident != "main" {
        return None;
    }
    let mut signature = signature.clone();
    signature.ident = format_ident!("__main", span = signature.ident.span());
    Some(quote! {
        #[allow(dead_code)]
        #signature #body
        #(#attributes)*
        #visibility fn main() {}
    })
}

/// As written.
struct Model {
    options: Options,
    item: Item,
}

#[derive(Debug, Default)]
struct Options {
    runtime: Runtime,
    worker_threads: Option<u32>,
}

impl Options {
    fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for entry in &options::read(Kind::Main, tokens, errors) {
            match entry.name().as_str() {
                "crate" => options.runtime = Runtime::read(entry, errors),
                "worker_threads" => options.worker_threads = options::count(entry, &Known::WORKER_THREADS, errors),
                // `options::read` lets nothing else through.
                _ => {}
            }
        }
        options
    }
}

/// Checked: can be written.
#[derive(Debug)]
struct Plan {
    runtime: Runtime,
    worker_threads: Option<u32>,
    function: Function,
}

impl Plan {
    fn check(model: Model, errors: &mut Errors) -> Option<Self> {
        let Model { options, item } = model;
        let function = signature::check(item, Kind::Main, errors)?;
        Some(Self { runtime: options.runtime, worker_threads: options.worker_threads, function })
    }

    fn tokens(&self) -> TokenStream {
        let Function { attributes, visibility, signature, result, body, .. } = &self.function;
        let (fn_token, ident, where_clause) = (&signature.fn_token, &signature.ident, &signature.generics.where_clause);
        let inner = generated::inner(&self.function, body);
        let name = generated::inner_name(&self.function);
        // What the result isn't, the compiler says where its type stands.
        let place = result.as_ref().map_or_else(Span::call_site, Spanned::span);
        let private = self.runtime.private(place);
        let threads = if let Some(threads) = self.worker_threads {
            quote!(::core::option::Option::Some(#threads as ::core::primitive::usize))
        } else {
            quote!(::core::option::Option::None)
        };
        let run = if result.is_some() {
            quote_spanned!(place=> #private::main(#threads, #name))
        } else {
            quote! {
                async fn __run() -> #private::Result<()> {
                    #name().await;
                    #private::Ok(())
                }
                #private::main(#threads, __run)
            }
        };
        quote! {
            #(#attributes)*
            #visibility #fn_token #ident () -> ::std::process::ExitCode #where_clause {
                #inner
                #run
            }
        }
    }
}

#[cfg(test)]
mod tests;
