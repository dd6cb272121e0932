//! What an annotated function must look like, and the one list of reasons why not.
//!
//! Must never write code. A [`Function`] can't be made of a signature with a flaw.

mod reason;
mod types;
mod written;

use proc_macro2::{Group, Ident, Span};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, GenericParam, Pat, PatType, ReturnType, Safety, Signature, Type, Visibility};

use crate::errors::Errors;
use crate::item::Item;
pub(crate) use reason::Reason;

/// Which attribute stands on the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Durable,
    Step,
    Transaction,
    Main,
}

impl Kind {
    /// As it is written, for messages.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Durable => "`#[durable]`",
            Self::Step => "`#[step]`",
            Self::Transaction => "`#[transaction]`",
            Self::Main => "`#[outlast::main]`",
        }
    }

    /// What the function is.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Durable => "a durable function",
            Self::Step => "a step",
            Self::Transaction => "a transaction",
            Self::Main => "`main`",
        }
    }
}

/// A function without a flaw.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    /// As written; the inner function gets it whole.
    pub(crate) signature: Signature,
    pub(crate) arguments: Vec<Argument>,
    /// `None` only for a `main` that returns nothing.
    pub(crate) result: Option<Type>,
    pub(crate) body: Group,
}

impl Function {
    /// The name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.signature.ident.unraw().to_string()
    }

    /// The argument of this name.
    pub(crate) fn argument(&self, name: &Ident) -> Option<usize> {
        self.arguments.iter().position(|argument| argument.name.unraw() == name.unraw())
    }

    /// The arguments' names without `r#`.
    pub(crate) fn argument_names(&self) -> Vec<String> {
        self.arguments.iter().map(Argument::recorded_name).collect()
    }
}

/// One argument.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: Ident,
    /// As written.
    pub(crate) written: Type,
    /// What is recorded and kept: the referent of a top-level reference.
    pub(crate) recorded: Type,
    pub(crate) borrowed: bool,
}

impl Argument {
    /// The type as its author would write it.
    pub(crate) fn written_type(&self) -> String {
        written::written(&self.recorded)
    }

    /// The name in the record.
    pub(crate) fn recorded_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Judges a parsed item; every flaw becomes an error of its own.
pub(crate) fn check(item: Item, kind: Kind, errors: &mut Errors) -> Option<Function> {
    let mut flaws = Flaws { kind, function: item.signature.ident.clone(), errors, found: false };
    flaws.qualifiers(&item.signature);
    flaws.generics(&item.signature);
    let arguments = flaws.arguments(&item.signature);
    let result = flaws.result(&item.signature);
    flaws.attributes(&item.attributes);
    if item.body.is_none() {
        flaws.found(item.signature.ident.span(), Reason::NoBody);
    }
    let found = flaws.found;
    match item.body {
        Some(body) if !found => Some(Function {
            attributes: item.attributes,
            visibility: item.visibility,
            signature: item.signature,
            arguments,
            result,
            body,
        }),
        Some(_) | None => None,
    }
}

struct Flaws<'a> {
    kind: Kind,
    function: Ident,
    errors: &'a mut Errors,
    found: bool,
}

impl Flaws<'_> {
    fn found(&mut self, place: Span, reason: Reason) {
        self.found = true;
        self.errors.at(place, reason.message(self.kind, &self.function));
    }

    fn qualifiers(&mut self, signature: &Signature) {
        if let Some(token) = &signature.constness {
            self.found(token.span, Reason::Const);
        }
        match &signature.safety {
            Safety::Unsafe(token) => self.found(token.span, Reason::Unsafe),
            Safety::Safe(token) => self.found(token.span, Reason::Unsafe),
            Safety::Default => {}
        }
        if let Some(abi) = &signature.abi {
            self.found(abi.extern_token.span, Reason::Extern);
        }
        if signature.asyncness.is_none() {
            self.found(signature.fn_token.span, Reason::NotAsync);
        }
        if let Some(variadic) = &signature.variadic {
            self.found(variadic.dots.spans[0], Reason::Variadic);
        }
        if self.kind == Kind::Main && signature.ident != "main" {
            self.found(signature.ident.span(), Reason::NotMain);
        }
    }

    fn generics(&mut self, signature: &Signature) {
        for parameter in &signature.generics.params {
            match (parameter, self.kind) {
                (GenericParam::Lifetime(_), Kind::Step | Kind::Transaction) => {}
                (GenericParam::Lifetime(parameter), Kind::Durable | Kind::Main) => {
                    self.found(parameter.lifetime.span(), Reason::LifetimeParameter);
                }
                (GenericParam::Type(parameter), _) => self.found(parameter.ident.span(), Reason::Generic),
                (GenericParam::Const(parameter), _) => self.found(parameter.ident.span(), Reason::Generic),
            }
        }
    }

    fn arguments(&mut self, signature: &Signature) -> Vec<Argument> {
        let mut arguments = Vec::new();
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(receiver) => self.found(receiver.self_token.span, Reason::Method),
                FnArg::Typed(typed) if self.kind == Kind::Main => {
                    self.found(typed.pat.span(), Reason::MainArgument);
                }
                FnArg::Typed(typed) => arguments.extend(self.argument(typed)),
            }
        }
        arguments
    }

    fn argument(&mut self, typed: &PatType) -> Option<Argument> {
        for attribute in &typed.attrs {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                self.found(attribute.path().span(), Reason::ConditionalArgument);
            }
        }
        let name = self.argument_name(&typed.pat);
        let passed = match self.kind {
            Kind::Durable => types::owned(&typed.ty),
            Kind::Step | Kind::Transaction | Kind::Main => types::cloned(&typed.ty),
        };
        match passed {
            Ok(passed) => Some(Argument {
                name: name?,
                written: (*typed.ty).clone(),
                recorded: passed.recorded,
                borrowed: passed.borrowed,
            }),
            Err((place, reason)) => {
                self.found(place, reason);
                None
            }
        }
    }

    fn argument_name(&mut self, pattern: &Pat) -> Option<Ident> {
        match pattern {
            Pat::Ident(pattern) => {
                if let Some(token) = &pattern.by_ref {
                    self.found(token.span, Reason::RefPattern);
                    return None;
                }
                if let Some((at, _)) = &pattern.subpat {
                    self.found(at.span(), Reason::Destructured);
                    return None;
                }
                Some(pattern.ident.clone())
            }
            Pat::Wild(pattern) => {
                self.found(pattern.underscore_token.span(), Reason::Unnamed);
                None
            }
            pattern => {
                self.found = true;
                self.errors.on(pattern, Reason::Destructured.message(self.kind, &self.function));
                None
            }
        }
    }

    fn result(&mut self, signature: &Signature) -> Option<Type> {
        match &signature.output {
            ReturnType::Default if self.kind == Kind::Main => None,
            ReturnType::Default => {
                self.found(signature.paren_token.span.close(), Reason::NoResult);
                None
            }
            ReturnType::Type(_, result) => {
                if let Err((place, reason)) = types::result(result) {
                    self.found(place, reason);
                }
                Some((**result).clone())
            }
        }
    }

    /// A second attribute of ours would get what the first one wrote.
    fn attributes(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            let Some(last) = attribute.path().segments.last() else { continue };
            let ours = ["durable", "step", "transaction"].iter().any(|name| last.ident == name);
            if ours && attribute.path().segments.iter().rev().skip(1).all(|segment| segment.ident == "outlast") {
                self.found(last.ident.span(), Reason::TwoAttributes);
            }
        }
    }
}

#[cfg(test)]
mod tests;
