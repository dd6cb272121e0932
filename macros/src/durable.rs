//! `#[durable]`: a function whose calls are executions.

use std::time::Duration;

use proc_macro2::{Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::determinism;
use crate::errors::Errors;
use crate::generated::{self, local};
use crate::item::{self, Item};
use crate::options::entry::Known;
use crate::options::{self, Runtime, Secret, duration, name};
use crate::signature::{self, Argument, Function, Kind};

/// `#[durable(options)] item`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(options, &mut errors);
    let plan =
        errors.keep(item::parse(item.clone())).and_then(|item| Plan::check(Model { options, item }, &mut errors));
    let written = plan.map_or(item, |plan| plan.tokens());
    errors.beside(written)
}

/// As written.
struct Model {
    options: Options,
    item: Item,
}

#[derive(Debug, Default)]
struct Options {
    runtime: Runtime,
    name: Option<String>,
    version: Option<u32>,
    timeout: Option<Duration>,
    secret: Secret,
}

impl Options {
    fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for entry in &options::read(Kind::Durable, tokens, errors) {
            match entry.name().as_str() {
                "crate" => options.runtime = Runtime::read(entry, errors),
                "name" => options.name = name::read(entry, errors),
                "version" => options.version = options::count(entry, &Known::VERSION, errors),
                "timeout" => options.timeout = duration::read_positive(entry, &Known::TIMEOUT, errors),
                "secret" => options.secret.add(entry, errors),
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
    name: String,
    version: Option<u32>,
    timeout: Option<Duration>,
    secret: Vec<String>,
    secret_result: bool,
    summary: String,
    /// With its `select!` biased.
    body: Group,
    function: Function,
}

impl Plan {
    fn check(model: Model, errors: &mut Errors) -> Option<Self> {
        let Model { options, item } = model;
        let function = signature::check(item, Kind::Durable, errors)?;
        Some(Self {
            name: name::or_own(options.name, &function, errors),
            version: options.version,
            timeout: options.timeout,
            secret: options.secret.checked(&function, errors),
            secret_result: options.secret.result,
            summary: item::summary(&function.attributes),
            body: determinism::check(&function.body, errors),
            runtime: options.runtime,
            function,
        })
    }

    fn tokens(&self) -> TokenStream {
        let Function { attributes, visibility, signature, result, .. } = &self.function;
        // A plan is made of a function with a result.
        let Some(result) = result else { return TokenStream::new() };
        let (fn_token, ident) = (&signature.fn_token, &signature.ident);
        let where_clause = &signature.generics.where_clause;
        let arguments = generated::outer_arguments(&self.function);
        let private = self.runtime.private(result.span());
        let returns = quote_spanned!(result.span()=> -> #private::Call<#result>);
        let items = self.items(result);
        let call = self.call();
        let block = generated::block(&self.function, quote!(#items #call));
        // Called by name from outside the program, if from nowhere in it.
        let allow = quote_spanned!(fn_token.span=> #[allow(dead_code, clippy::too_many_arguments)]);
        quote! {
            #(#attributes)*
            #allow
            #visibility #fn_token #ident (#arguments) #returns #where_clause #block
        }
    }

    fn items(&self, result: &Type) -> TokenStream {
        let private = &self.runtime.private(Span::call_site());
        let inner = generated::inner(&self.function, &self.body);
        let begin = self.begin(result);
        let signature = self.signature(result);
        let function = self.function();
        quote! {
            #inner
            #begin
            #signature
            #function
            #private::inventory::submit! { #private::Registered(&__FUNCTION) }
        }
    }

    /// The body's future, boxed: `Send` is asked for once, at the function's name.
    fn begin(&self, result: &Type) -> TokenStream {
        let types = list(self.function.arguments.iter().map(|argument| argument.recorded.to_token_stream()));
        let names = (0..self.function.arguments.len()).map(|place| local(&format!("__value_{place}")));
        let names = &names.collect::<Vec<_>>();
        let values = list(names.iter().map(ToTokens::to_token_stream));
        let inner = generated::inner_name(&self.function);
        let begin = generated::begin_name(&self.function);
        let span = self.function.signature.ident.span();
        let private = self.runtime.private(span);
        quote_spanned! {span=>
            #[allow(clippy::type_complexity)]
            fn #begin(#values: #types) -> #private::Begun<#result> {
                ::std::boxed::Box::pin(#inner(#(#names),*))
            }
        }
    }

    /// The witnesses of the types, each at its type.
    fn signature(&self, result: &Type) -> TokenStream {
        let private = &self.runtime.private(Span::call_site());
        let begin = generated::begin_name(&self.function);
        let each = |write: fn(&TokenStream, &Type) -> TokenStream| {
            list(self.function.arguments.iter().map(|argument| {
                let ty = &argument.recorded;
                write(&self.runtime.private(ty.span()), ty)
            }))
        };
        let types = each(|private, ty| quote_spanned!(ty.span()=> #private::DurableArgument<#ty>));
        let arguments = each(|private, ty| quote_spanned!(ty.span()=> #private::durable_argument::<#ty>()));
        let at_result = self.runtime.private(result.span());
        let codec = quote_spanned!(result.span()=> #at_result::codec::<#result>());
        quote! {
            #[allow(clippy::type_complexity)]
            static __SIGNATURE: #private::Signature<#types, #result> =
                #private::Signature { arguments: #arguments, result: #codec, begin: #begin };
        }
    }

    fn function(&self) -> TokenStream {
        let private = &self.runtime.private(Span::call_site());
        let (name, input) = (&self.name, local("__input"));
        let place = generated::place(&self.function, private);
        let version = self.version.map(|version| quote!(version: #version,));
        let summary = (!self.summary.is_empty()).then(|| {
            let summary = &self.summary;
            quote!(summary: #summary,)
        });
        let timeout = generated::timeout(self.timeout);
        let secret = generated::secret(private, &self.secret, self.secret_result);
        let arguments = (!self.function.arguments.is_empty()).then(|| {
            let names = self.function.argument_names();
            let types = self.function.arguments.iter().map(Argument::written_type);
            quote!(arguments: &[#(#private::Argument { name: #names, rust_type: #types }),*],)
        });
        let all = arguments.is_some()
            && !self.summary.is_empty()
            && [version.is_some(), timeout.is_some(), secret.is_some()].iter().all(|given| *given);
        let rest = (!all).then(|| quote!(..#private::Function::DURABLE));
        quote! {
            static __FUNCTION: #private::Function = #private::Function {
                name: #name,
                #version
                place: #place,
                #summary
                #timeout
                #secret
                #arguments
                normalise: |#input| #private::normalise(&__FUNCTION, &__SIGNATURE, #input),
                start: |#input| #private::start(&__FUNCTION, &__SIGNATURE, #input),
                #rest
            };
        }
    }

    fn call(&self) -> TokenStream {
        let private = &self.runtime.private(Span::call_site());
        let all = list(self.function.arguments.iter().map(|argument| argument.name.to_token_stream()));
        if self.function.arguments.is_empty() {
            return quote!(#private::call(&__FUNCTION, &__SIGNATURE, #all));
        }
        let values = local("__values");
        let allow = self.function.arguments.iter().find_map(generated::allow_underscore);
        quote! {
            #allow
            let #values = #all;
            #private::call(&__FUNCTION, &__SIGNATURE, #values)
        }
    }
}

/// `(first, (second, ()))`: types and values of any number of arguments are lists to the runtime.
fn list(all: impl DoubleEndedIterator<Item = TokenStream>) -> TokenStream {
    all.rev().fold(quote!(()), |rest, first| quote!((#first, #rest)))
}

#[cfg(test)]
mod tests;
