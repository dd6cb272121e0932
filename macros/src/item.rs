//! The annotated item: its head is parsed, its body stays tokens, so that half-typed bodies still expand.
//!
//! Must never judge: what a function may look like is the business of `signature`.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Signature, Token, Visibility};

/// A function as its author wrote it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// `None` for a function that ends in `;`.
    pub(crate) body: Option<Group>,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        if !starts_a_function(input) {
            return Err(input.error("this attribute goes on a function: `async fn …`"));
        }
        let signature = input.parse()?;
        let body = body(input.parse()?)?;
        Ok(Self { attributes, visibility, signature, body })
    }
}

fn body(token: TokenTree) -> syn::Result<Option<Group>> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(Some(group)),
        // `$body:block` of a macro comes in brackets that aren't seen.
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => body(syn::parse2(group.stream())?),
        TokenTree::Punct(punct) if punct.as_char() == ';' => Ok(None),
        other => Err(syn::Error::new(other.span(), "expected the function's body")),
    }
}

fn starts_a_function(input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    while fork.peek(Token![const]) || fork.peek(Token![async]) || fork.peek(Token![unsafe]) || fork.peek(Token![extern])
    {
        if fork.parse::<TokenTree>().is_err() {
            return false;
        }
        // The name of an ABI.
        if fork.peek(syn::LitStr) && fork.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    fork.peek(Token![fn])
}

/// The first paragraph of a doc comment, on one line.
pub(crate) fn summary(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(doc_text).collect::<Vec<_>>();
    let lines = lines.iter().flat_map(|text| text.split('\n')).map(str::trim);
    lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        Meta::NameValue(_) | Meta::Path(_) | Meta::List(_) => None,
    }
}

/// The item, or nothing: then its tokens are given back as they came.
pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Item> {
    syn::parse2(tokens)
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn the_body_stays_tokens_however_broken() {
        let item = parse(quote! { #[inline] pub(crate) async fn f(a: A) -> R { let x = = a. } }).unwrap();
        assert_eq!(item.attributes.len(), 1);
        assert_eq!(item.signature.ident, "f");
        assert_eq!(item.body.unwrap().stream().to_string(), "let x = = a .");
    }

    #[test]
    fn the_body_of_a_macro_is_found_in_its_brackets() {
        let body = Group::new(Delimiter::None, quote!({ 1 }));
        let item = parse(quote!(async fn f() -> R #body)).unwrap();
        assert_eq!(item.body.unwrap().to_string(), "{ 1 }");
    }

    #[test]
    fn what_is_not_a_function_is_refused_where_it_begins() {
        for tokens in [
            quote!(
                pub struct S;
            ),
            quote!(
                mod m {}
            ),
            quote!(
                const X: u8 = 1;
            ),
            quote!(impl S {}),
        ] {
            let error = parse(tokens.clone()).unwrap_err().to_string();
            assert!(error.contains("goes on a function"), "{tokens}: {error}");
        }
    }

    #[test]
    fn odd_heads_are_functions() {
        for tokens in [
            quote!(
                fn f();
            ),
            quote!(
                const unsafe fn f() {}
            ),
            quote!(
                unsafe extern "C" fn f() {}
            ),
            quote!(
                extern "C" fn f() {}
            ),
        ] {
            assert!(parse(tokens.clone()).is_ok(), "{tokens}");
        }
    }

    #[test]
    fn the_summary_is_the_first_paragraph() {
        let item = parse(quote! {
            /// Ships the order
            /// to its owner.
            ///
            /// More.
            #[doc(hidden)]
            async fn ship() {}
        });
        assert_eq!(summary(&item.unwrap().attributes), "Ships the order to its owner.");
        let item = parse(quote! { #[doc = "\n  One.\n\n Two."] async fn ship() {} });
        assert_eq!(summary(&item.unwrap().attributes), "One.");
    }
}
