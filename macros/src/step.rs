//! `#[step]`: recorded once, replayed ever after. A transaction is written by the same plan.

use std::time::Duration;

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Index, Type};

use crate::errors::Errors;
use crate::generated::{self, local};
use crate::item::{self, Item};
use crate::options::entry::{Entry, Known};
use crate::options::retry::Retry;
use crate::options::{self, Runtime, Secret, duration, name};
use crate::signature::{self, Argument, Function, Kind};

/// `#[step(options)] item`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    expand_as(Kind::Step, options, item)
}

/// A step or a transaction.
pub(crate) fn expand_as(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(kind, options, &mut errors);
    let plan = errors.keep(item::parse(item.clone())).and_then(|item| {
        let model = Model { kind, options, item };
        Plan::check(model, &mut errors)
    });
    let written = plan.map_or(item, |plan| plan.tokens());
    errors.beside(written)
}

/// As written.
struct Model {
    kind: Kind,
    options: Options,
    item: Item,
}

#[derive(Debug, Default)]
struct Options {
    runtime: Runtime,
    name: Option<String>,
    retry: Retry,
    timeout: Option<Duration>,
    at_most_once: bool,
    skip: Vec<Ident>,
    secret: Secret,
}

impl Options {
    fn read(kind: Kind, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let entries = options::read(kind, tokens, errors);
        for entry in &entries {
            match entry.name().as_str() {
                "crate" => options.runtime = Runtime::read(entry, errors),
                "name" => options.name = name::read(entry, errors),
                "retry" => options.retry = Retry::read(entry, errors),
                "timeout" => options.timeout = duration::read_positive(entry, &Known::TIMEOUT, errors),
                "at_most_once" => options.at_most_once = entry.word(&Known::AT_MOST_ONCE, errors),
                "skip" => options.skip = options::names(entry, &Known::SKIP, errors),
                "secret" => options.secret.add(entry, errors),
                // `options::read` lets nothing else through.
                _ => {}
            }
        }
        options.contradictions(&entries, errors);
        options
    }

    fn contradictions(&self, entries: &[Entry], errors: &mut Errors) {
        if self.at_most_once
            && let Some(retry) = entries.iter().find(|entry| entry.is(&Known::RETRY))
        {
            errors.at(retry.key.span(), "a step that is `at_most_once` is never tried again: take `retry(…)` out");
        }
    }
}

/// Checked: can be written.
#[derive(Debug)]
struct Plan {
    kind: Kind,
    runtime: Runtime,
    name: String,
    retry: Retry,
    timeout: Option<Duration>,
    at_most_once: bool,
    secret: Vec<String>,
    secret_result: bool,
    /// For each argument.
    skipped: Vec<bool>,
    function: Function,
}

impl Plan {
    fn check(model: Model, errors: &mut Errors) -> Option<Self> {
        let Model { kind, options, item } = model;
        let function = signature::check(item, kind, errors)?;
        let mut skipped = vec![false; function.arguments.len()];
        for (_, place) in options::known_arguments(&options.skip, &function, errors) {
            skipped[place] = true;
        }
        for name in &options.secret.arguments {
            if function.argument(name).is_some_and(|place| skipped[place]) {
                errors.at(name.span(), format!("`{name}` is skipped, so it isn't recorded: take it out of `secret`"));
            }
        }
        Some(Self {
            kind,
            name: name::or_own(options.name, &function, errors),
            retry: options.retry,
            timeout: options.timeout,
            at_most_once: options.at_most_once,
            secret: options.secret.checked(&function, errors),
            secret_result: options.secret.result,
            runtime: options.runtime,
            skipped,
            function,
        })
    }

    fn tokens(&self) -> TokenStream {
        let Function { attributes, visibility, signature, result, body, .. } = &self.function;
        // A plan is made of a function with a result.
        let Some(result) = result else { return TokenStream::new() };
        let (fn_token, ident, generics) = (&signature.fn_token, &signature.ident, &signature.generics);
        let where_clause = &generics.where_clause;
        let arguments = generated::outer_arguments(&self.function);
        let private = self.runtime.private(result.span());
        let returns = quote_spanned!(result.span()=> -> #private::Step<#result>);
        let items = self.items(result, body);
        let operation = self.operation();
        let block = generated::block(&self.function, quote!(#items #operation));
        let allow = quote_spanned!(fn_token.span=> #[allow(clippy::too_many_arguments)]);
        quote! {
            #(#attributes)*
            #allow
            #visibility #fn_token #ident #generics (#arguments) #returns #where_clause #block
        }
    }

    fn items(&self, result: &Type, body: &Group) -> TokenStream {
        let inner = generated::inner(&self.function, body);
        let result = generated::result_witness(&self.runtime, result, self.retry.when.as_ref());
        let spec = self.spec();
        quote! {
            #inner
            #result
            #spec
        }
    }

    fn spec(&self) -> TokenStream {
        let private = &self.runtime.private(Span::call_site());
        let name = &self.name;
        let place = generated::place(&self.function, private);
        let retry = self.retry.tokens(private).map(|retry| quote!(retry: #retry,));
        let timeout = generated::timeout(self.timeout);
        let at_most_once = self.at_most_once.then(|| quote!(at_most_once: true,));
        let secret = generated::secret(private, &self.secret, self.secret_result);
        let base = match self.kind {
            Kind::Transaction => quote!(TRANSACTION),
            Kind::Step | Kind::Durable | Kind::Main => quote!(STEP),
        };
        quote! {
            static __SPEC: #private::StepSpec = #private::StepSpec {
                name: #name,
                place: #place,
                #retry
                #timeout
                #at_most_once
                #secret
                ..#private::StepSpec::#base
            };
        }
    }

    /// Records the arguments, keeps them for further attempts, and hands the body over.
    fn operation(&self) -> TokenStream {
        let private = &self.runtime.private(Span::call_site());
        let inner = generated::inner_name(&self.function);
        let arguments = local("__arguments");
        // What isn't `Send` in the body is reported at the function's name.
        let name = self.function.signature.ident.span();
        let step = self.runtime.private(name);
        let step = quote_spanned!(name=> #step::step);
        if self.function.arguments.is_empty() {
            return quote_spanned! {name=>
                #step(&__SPEC, #private::Arguments::new(&__SPEC.secret), &__RESULT, || #inner)
            };
        }
        let kept = local("__kept");
        let list = || self.function.arguments.iter().enumerate();
        let witnesses = list().map(|(place, argument)| self.witness(place, argument));
        let mutable = self.skipped.contains(&false).then(|| quote!(mut));
        let recorded = list().filter(|(place, _)| !self.skipped[*place]).map(|(place, argument)| {
            let (name, recorded_name) = (&argument.name, argument.recorded_name());
            let (witness, borrow) = (witness_name(place), (!argument.borrowed).then(|| quote!(&)));
            let allow = generated::allow_underscore(argument);
            quote!(#allow #arguments.step(#recorded_name, #borrow #name, &#witness);)
        });
        let allow = self.function.arguments.iter().find_map(generated::allow_underscore);
        let owned = list().map(|(place, argument)| {
            let (name, witness) = (&argument.name, witness_name(place));
            if argument.borrowed { quote!(#witness.own(#name)) } else { quote!(#name) }
        });
        let passed = list().map(|(place, argument)| {
            let (witness, field) = (witness_name(place), Index::from(place));
            if argument.borrowed { quote!(&#kept.#field) } else { quote!(#witness.own(&#kept.#field)) }
        });
        // Made only where the body may run: not for an outcome that is recorded.
        let operation = quote_spanned! {name=>
            #step(&__SPEC, #arguments, &__RESULT, move || {
                #allow
                let #kept = ::std::sync::Arc::new((#(#owned,)*));
                move || {
                    let #kept = ::core::clone::Clone::clone(&#kept);
                    async move { #inner(#(#passed),*).await }
                }
            })
        };
        quote! {
            #(#witnesses)*
            let #mutable #arguments = #private::Arguments::new(&__SPEC.secret);
            #(#recorded)*
            #operation
        }
    }

    /// The bounds of an argument, once, where its type stands.
    fn witness(&self, place: usize, argument: &Argument) -> TokenStream {
        let (name, recorded) = (witness_name(place), &argument.recorded);
        let private = self.runtime.private(recorded.span());
        let made = if self.skipped[place] { quote!(skipped_argument) } else { quote!(step_argument) };
        quote_spanned!(recorded.span()=> let #name = #private::#made::<#recorded, _>();)
    }
}

fn witness_name(place: usize) -> Ident {
    local(&format!("__argument_{place}"))
}

#[cfg(test)]
mod tests;
