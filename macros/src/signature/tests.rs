use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::*;

fn checked(kind: Kind, tokens: TokenStream) -> (Option<Function>, Vec<String>) {
    let mut errors = Errors::default();
    let function = check(crate::item::parse(tokens).unwrap(), kind, &mut errors);
    (function, errors.messages())
}

/// What each argument is recorded as, and whether it is borrowed.
fn passed(kind: Kind, arguments: TokenStream) -> Vec<(String, String, bool)> {
    let (function, errors) = checked(kind, quote!(async fn f<'a>(#arguments) -> Result<()> {}));
    assert!(errors.is_empty(), "{arguments}: {errors:?}");
    let arguments = function.unwrap().arguments.into_iter();
    arguments.map(|a| (a.recorded_name(), a.recorded.to_token_stream().to_string(), a.borrowed)).collect()
}

#[test]
fn a_step_takes_values_and_shared_references() {
    for (argument, name, recorded, borrowed) in [
        (quote!(order: Order), "order", "Order", false),
        (quote!(mut order: Order), "order", "Order", false),
        (quote!(r#type: u8), "type", "u8", false),
        (quote!(_unused: u8), "_unused", "u8", false),
        (quote!(order: &Order), "order", "Order", true),
        (quote!(order: &'a Order), "order", "Order", true),
        (quote!(mut order: (&'_ Order)), "order", "Order", true),
        (quote!(id: &str), "id", "str", true),
        (quote!(lines: &[Line]), "lines", "[Line]", true),
        (quote!(id: &'static str), "id", "& 'static str", false),
        (quote!(id: Option<&'static str>), "id", "Option < & 'static str >", false),
        (quote!(f: fn(&u8) -> u8), "f", "fn (& u8) -> u8", false),
        (quote!(f: Arc<dyn Fn(&u8) + Send>), "f", "Arc < dyn Fn (& u8) + Send >", false),
        (quote!(f: Arc<dyn for<'b> Get<'b>>), "f", "Arc < dyn for < 'b > Get < 'b > >", false),
    ] {
        let text = argument.to_string();
        let found = passed(Kind::Step, argument);
        assert_eq!(found, [(name.to_owned(), recorded.to_owned(), borrowed)], "{text}");
    }
}

fn refused(kind: Kind, tokens: TokenStream, reason: &Reason) {
    let text = tokens.to_string();
    let function: Ident = quote::format_ident!("f");
    let (found, errors) = checked(kind, tokens);
    assert!(found.is_none(), "{text}");
    assert_eq!(errors, [reason.message(kind, &function)], "{text}");
}

#[test]
fn what_a_step_cannot_keep_is_refused() {
    for (argument, reason) in [
        (quote!(a: &mut A), Reason::MutableReference),
        (quote!(a: Option<&mut A>), Reason::MutableReference),
        (quote!(a: Option<&'b mut A>), Reason::MutableReference),
        (quote!(a: Option<&A>), Reason::InnerReference),
        (quote!(a: &&A), Reason::InnerReference),
        (quote!(a: &[&A]), Reason::InnerReference),
        (quote!(a: (u8, &A)), Reason::InnerReference),
        (quote!(a: Cow<'_, A>), Reason::InnerLifetime),
        (quote!(a: Cow<'b, A>), Reason::InnerLifetime),
        (quote!(a: impl Clone), Reason::ImplTrait),
        (quote!(a: &impl Clone), Reason::ImplTrait),
        (quote!(a: Vec<Self>), Reason::SelfType),
        (quote!(a: &dyn A), Reason::TraitObject),
        (quote!(a: str), Reason::Unsized("&str".to_owned())),
        (quote!(a: [u8]), Reason::Unsized("&[u8]".to_owned())),
        (quote!((a, b): (A, B)), Reason::Destructured),
        (quote!(A { a }: A), Reason::Destructured),
        (quote!(a @ _: A), Reason::Destructured),
        (quote!(&a: &A), Reason::Destructured),
        (quote!(_: A), Reason::Unnamed),
        (quote!(ref a: A), Reason::RefPattern),
        (quote!(#[cfg(unix)] a: A), Reason::ConditionalArgument),
        (quote!(&self), Reason::Method),
        (quote!(self: Arc<Self>), Reason::Method),
    ] {
        refused(Kind::Step, quote!(async fn f(#argument) -> Result<()> {}), &reason);
        refused(Kind::Transaction, quote!(async fn f(#argument) -> Result<()> {}), &reason);
    }
}

#[test]
fn a_durable_function_owns_its_arguments() {
    let found = passed_durable(quote!(mut order: Order, lines: Vec<Cow<'static, str>>));
    assert_eq!(found, ["order: Order", "lines: Vec < Cow < 'static , str > >"]);
    for (argument, reason) in [
        (quote!(a: &str), Reason::Borrowed(Some("String".to_owned()))),
        (quote!(a: &'static str), Reason::Borrowed(Some("String".to_owned()))),
        (quote!(a: &[Line]), Reason::Borrowed(Some("Vec<Line>".to_owned()))),
        (quote!(a: &a::Order<u8>), Reason::Borrowed(Some("a::Order<u8>".to_owned()))),
        (quote!(a: &(A, B)), Reason::Borrowed(None)),
        (quote!(a: Option<&A>), Reason::Borrowed(None)),
        (quote!(a: &mut A), Reason::MutableReference),
        (quote!(a: Cow<'_, A>), Reason::LifetimeParameter),
        (quote!(a: str), Reason::Unsized("String".to_owned())),
        (quote!(a: [u8]), Reason::Unsized("Vec<u8>".to_owned())),
        (quote!(a: dyn A), Reason::Unsized("Box<dyn A>".to_owned())),
        (quote!(a: impl Clone), Reason::ImplTrait),
        (quote!(_: A), Reason::Unnamed),
    ] {
        refused(Kind::Durable, quote!(async fn f(#argument) -> Result<()> {}), &reason);
    }
}

fn passed_durable(arguments: TokenStream) -> Vec<String> {
    let (function, errors) = checked(Kind::Durable, quote!(async fn f(#arguments) -> Result<()> {}));
    assert!(errors.is_empty(), "{errors:?}");
    let arguments = function.unwrap().arguments.into_iter();
    arguments.map(|a| format!("{}: {}", a.recorded_name(), a.recorded.to_token_stream())).collect()
}

#[test]
fn heads_that_cannot_be_run_are_refused() {
    for (tokens, reason) in [
        (
            quote!(
                fn f() -> Result<()> {}
            ),
            Reason::NotAsync,
        ),
        (
            quote!(
                const async fn f() -> Result<()> {}
            ),
            Reason::Const,
        ),
        (
            quote!(
                async unsafe fn f() -> Result<()> {}
            ),
            Reason::Unsafe,
        ),
        (
            quote!(
                async extern "C" fn f() -> Result<()> {}
            ),
            Reason::Extern,
        ),
        (
            quote!(
                async fn f(...) -> Result<()> {}
            ),
            Reason::Variadic,
        ),
        (
            quote!(
                async fn f<T>() -> Result<()> {}
            ),
            Reason::Generic,
        ),
        (
            quote!(
                async fn f<const N: usize>() -> Result<()> {}
            ),
            Reason::Generic,
        ),
        (
            quote!(
                async fn f() -> Result<()>;
            ),
            Reason::NoBody,
        ),
        (
            quote!(
                async fn f() {}
            ),
            Reason::NoResult,
        ),
        (
            quote!(
                async fn f() -> Result<&u8> {}
            ),
            Reason::BorrowedResult,
        ),
        (
            quote!(
                async fn f() -> Result<&'static u8> {}
            ),
            Reason::BorrowedResult,
        ),
        (
            quote!(
                async fn f() -> Result<Cow<'_, u8>> {}
            ),
            Reason::BorrowedResult,
        ),
        (
            quote!(
                async fn f() -> impl Future {}
            ),
            Reason::ImplTrait,
        ),
        (
            quote!(
                async fn f() -> Result<Self> {}
            ),
            Reason::SelfType,
        ),
        (
            quote!(
                #[outlast::step]
                async fn f() -> Result<()> {}
            ),
            Reason::TwoAttributes,
        ),
        (
            quote!(
                #[durable(version = 1)]
                async fn f() -> Result<()> {}
            ),
            Reason::TwoAttributes,
        ),
    ] {
        refused(Kind::Step, tokens.clone(), &reason);
        refused(Kind::Durable, tokens, &reason);
    }
    refused(
        Kind::Durable,
        quote!(
            async fn f<'a>() -> Result<()> {}
        ),
        &Reason::LifetimeParameter,
    );
}

#[test]
fn attributes_of_others_are_none_of_our_business() {
    let (function, errors) = checked(
        Kind::Step,
        quote!(
            #[tracing::instrument]
            #[my::step]
            #[must_use]
            async fn f() -> Result<Cow<'static, str>> {}
        ),
    );
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(function.unwrap().attributes.len(), 3);
}

#[test]
fn main_has_a_name_and_no_arguments() {
    for result in [quote!(), quote!(-> Result<()>), quote!(-> Result<(), io::Error>)] {
        let (function, errors) = checked(Kind::Main, quote!(async fn main() #result {}));
        assert!(function.is_some() && errors.is_empty(), "{errors:?}");
    }
    refused(
        Kind::Main,
        quote!(
            async fn f() {}
        ),
        &Reason::NotMain,
    );
    let (_, errors) = checked(
        Kind::Main,
        quote!(
            fn main<T>(a: A, b: B) {}
        ),
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn every_flaw_is_named() {
    let (_, errors) = checked(
        Kind::Step,
        quote!(
            unsafe fn f<T>(_: A, (b, c): &mut B, d: Option<&D>);
        ),
    );
    assert_eq!(errors.len(), 9, "{errors:?}");
}

#[test]
fn no_message_is_longer_than_three_lines() {
    let function: Ident = quote::format_ident!("f");
    for kind in [Kind::Durable, Kind::Step, Kind::Transaction, Kind::Main] {
        for reason in [Reason::Generic, Reason::MutableReference, Reason::Borrowed(None), Reason::LifetimeParameter] {
            assert!(reason.message(kind, &function).lines().count() <= 3);
        }
    }
}
