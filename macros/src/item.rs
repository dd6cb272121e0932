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
        let body = match input.parse::<TokenTree>()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            TokenTree::Punct(punct) if punct.as_char() == ';' => None,
            other => return Err(syn::Error::new(other.span(), "expected the function's body")),
        };
        Ok(Self { attributes, visibility, signature, body })
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
