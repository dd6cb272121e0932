//! Types as their author would write them: tokens alone print with a space around each.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Type;

/// For people: in messages and in the list of a function's arguments.
pub(crate) fn written(ty: &Type) -> String {
    let mut text = String::new();
    write(ty.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut before: Option<TokenTree> = None;
    let mut lifetime = false;
    for token in tokens {
        if let Some(before) = &before
            && spaced(before, &token, lifetime)
        {
            text.push(' ');
        }
        lifetime = matches!(&before, Some(TokenTree::Punct(punct)) if punct.as_char() == '\'');
        match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => text.push_str(&token.to_string()),
        }
        before = Some(token);
    }
}

/// Does a space stand between these two? `lifetime` says that the first is the name of one.
fn spaced(before: &TokenTree, after: &TokenTree, lifetime: bool) -> bool {
    match (before, after) {
        (TokenTree::Punct(punct), _) if punct.spacing() == Spacing::Joint => false,
        (TokenTree::Punct(punct), _) if ",;+=".contains(punct.as_char()) => true,
        (_, TokenTree::Punct(punct)) if "+=-".contains(punct.as_char()) => true,
        // `for<'a> Fn`, `-> u8`
        (TokenTree::Punct(punct), after) => punct.as_char() == '>' && !matches!(after, TokenTree::Punct(_)),
        (TokenTree::Ident(_) | TokenTree::Literal(_), TokenTree::Ident(_) | TokenTree::Literal(_)) => true,
        (TokenTree::Ident(_), TokenTree::Punct(punct)) if punct.as_char() == '\'' => true,
        (TokenTree::Ident(word), TokenTree::Group(_)) => lifetime || word == "mut" || word == "dyn" || word == "const",
        (TokenTree::Ident(_) | TokenTree::Group(_) | TokenTree::Literal(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_look_as_they_do_in_sources() {
        for text in [
            "u8",
            "()",
            "(u8,)",
            "Option<String>",
            "std::collections::BTreeMap<String, Vec<Option<(u8, String)>>>",
            "::std::string::String",
            "[u8; 4]",
            "&[Line]",
            "&'a [Line]",
            "&'static str",
            "&mut [u8]",
            "Box<dyn Fn(&u8) -> Result<u8> + Send + 'static>",
            "Box<dyn for<'a> Get<'a, Out = u8>>",
            "fn(u8, &str) -> u8",
            "*const u8",
            "<A as B>::C",
            "Cow<'static, str>",
        ] {
            assert_eq!(written(&syn::parse_str(text).unwrap()), text);
        }
    }
}
