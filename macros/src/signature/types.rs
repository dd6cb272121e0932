//! The types of a signature: what is recorded of an argument, and what can't be.
//!
//! Works on tokens below the top level: a flaw shows in them as well as in a tree, whatever stands around it.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Type, TypeReference};

use super::Reason;
use super::written::written;

/// How an argument is passed.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) recorded: Type,
    pub(super) borrowed: bool,
}

type Judged<T> = Result<T, (Span, Reason)>;

/// An argument of a durable function: owned, through and through.
pub(super) fn owned(ty: &Type) -> Judged<Passed> {
    if let Type::Reference(reference) = bare(ty) {
        let reason = match reference.mutability {
            Some(_) => Reason::MutableReference,
            None => Reason::Borrowed(owned_form(&reference.elem)),
        };
        return Err((reference.and_token.span, reason));
    }
    let ty = has_a_size(ty, owned_form)?;
    refuse(ty, |flaw| match flaw {
        Flaw::Reference { .. } => Some(Reason::Borrowed(None)),
        Flaw::Lifetime { of_static: true } => None,
        Flaw::Lifetime { of_static: false } => Some(Reason::LifetimeParameter),
        Flaw::ImplTrait => Some(Reason::ImplTrait),
        Flaw::SelfType => Some(Reason::SelfType),
        Flaw::Set => Some(Reason::Unordered),
    })?;
    Ok(Passed { recorded: ty.clone(), borrowed: false })
}

/// An argument of a step: owned or cloned, so a shared reference may stand in front of the whole type.
pub(super) fn cloned(ty: &Type) -> Judged<Passed> {
    let (recorded, borrowed) = match bare(ty) {
        Type::Reference(TypeReference { mutability: Some(mutability), .. }) => {
            return Err((mutability.span, Reason::MutableReference));
        }
        // Lives as long as any attempt: as good as owned.
        Type::Reference(TypeReference { lifetime: Some(lifetime), .. }) if lifetime.ident == "static" => (ty, false),
        Type::Reference(reference) => match bare(&reference.elem) {
            Type::TraitObject(object) => return Err((first(object.to_token_stream()), Reason::TraitObject)),
            referent => (referent, true),
        },
        _ => (has_a_size(ty, |ty| Some(format!("&{}", written(ty))))?, false),
    };
    refuse(recorded, |flaw| match flaw {
        Flaw::Reference { mutable: true, .. } => Some(Reason::MutableReference),
        // A set isn't recorded, perhaps, or nobody asks for its order.
        Flaw::Reference { of_static: true, .. } | Flaw::Lifetime { of_static: true } | Flaw::Set => None,
        Flaw::Reference { of_static: false, .. } => Some(Reason::InnerReference),
        Flaw::Lifetime { of_static: false } => Some(Reason::InnerLifetime),
        Flaw::ImplTrait => Some(Reason::ImplTrait),
        Flaw::SelfType => Some(Reason::SelfType),
    })?;
    Ok(Passed { recorded: recorded.clone(), borrowed })
}

/// Refuses what shows that it can't be passed by value.
fn has_a_size(ty: &Type, instead: impl Fn(&Type) -> Option<String>) -> Judged<&Type> {
    let sized = match bare(ty) {
        Type::TraitObject(_) => Some(format!("Box<{}>", written(ty))),
        Type::Slice(_) => instead(ty),
        Type::Path(path) if path.path.is_ident("str") => instead(ty),
        _ => None,
    };
    sized.map_or(Ok(ty), |sized| Err((first(ty.to_token_stream()), Reason::Unsized(sized))))
}

/// A result is read back, so it borrows nothing, not even for ever.
pub(super) fn result(ty: &Type) -> Judged<()> {
    refuse(ty, |flaw| match flaw {
        Flaw::Reference { .. } | Flaw::Lifetime { of_static: false } => Some(Reason::BorrowedResult),
        Flaw::Lifetime { of_static: true } | Flaw::Set => None,
        Flaw::ImplTrait => Some(Reason::ImplTrait),
        Flaw::SelfType => Some(Reason::SelfType),
    })
}

/// Without the brackets that a macro or its author put around it.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// What to write in place of a reference to this.
fn owned_form(referent: &Type) -> Option<String> {
    Some(match bare(referent) {
        Type::Slice(slice) => format!("Vec<{}>", written(&slice.elem)),
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Path(_) => written(referent),
        _ => return None,
    })
}

enum Flaw {
    Reference { of_static: bool, mutable: bool },
    Lifetime { of_static: bool },
    ImplTrait,
    SelfType,
    Set,
}

fn refuse(ty: &Type, judge: impl Fn(Flaw) -> Option<Reason>) -> Judged<()> {
    scan(ty.to_token_stream(), &judge)
}

fn scan(tokens: TokenStream, judge: &impl Fn(Flaw) -> Option<Reason>) -> Judged<()> {
    let tokens = tokens.into_iter().collect::<Vec<_>>();
    let word = |i: usize, word: &str| matches!(tokens.get(i), Some(TokenTree::Ident(ident)) if ident == word);
    let mut found = Ok(());
    let mut report = |place: Span, flaw: Flaw| {
        if let (Ok(()), Some(reason)) = (&found, judge(flaw)) {
            found = Err((place, reason));
        }
    };
    let mut nested = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                let lifetime = matches!(tokens.get(i + 1), Some(TokenTree::Punct(tick)) if tick.as_char() == '\'');
                let of_static = lifetime && word(i + 2, "static");
                let mutable = word(if lifetime { i + 3 } else { i + 1 }, "mut");
                report(punct.span(), Flaw::Reference { of_static, mutable });
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                report(punct.span(), Flaw::Lifetime { of_static: word(i + 1, "static") });
            }
            TokenTree::Ident(ident) if ident == "impl" => report(ident.span(), Flaw::ImplTrait),
            TokenTree::Ident(ident) if ident == "Self" => report(ident.span(), Flaw::SelfType),
            TokenTree::Ident(ident) if ident == "HashSet" => report(ident.span(), Flaw::Set),
            // `for<'a> Fn(&'a T)`: its lifetimes are its own.
            TokenTree::Ident(ident) if ident == "for" => break,
            // The parameters of `fn(&T)` and `Fn(&T)` are nobody's borrow.
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Parenthesis
                    && matches!(i.checked_sub(1).and_then(|i| tokens.get(i)), Some(TokenTree::Ident(_))) => {}
            TokenTree::Group(group) => nested.push(group.stream()),
            TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => {}
        }
    }
    found?;
    nested.into_iter().try_for_each(|tokens| scan(tokens, judge))
}

fn first(tokens: TokenStream) -> Span {
    tokens.into_iter().next().map_or_else(Span::call_site, |token| token.span())
}
