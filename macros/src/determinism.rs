//! What must not stand in a durable body: what isn't in the record, and branches that are drawn by lot.
//!
//! Works on the body's tokens and changes one thing in them: every `tokio::select!` looks at its branches in written
//! order. Must refuse only what can't be right, by its path; the runtime finds the rest.

mod forbidden;
mod imports;
mod path;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::errors::Errors;
use imports::Imports;
use path::Path;

/// Judges a durable body and makes its `tokio::select!` biased.
pub(crate) fn check(body: &Group, errors: &mut Errors) -> Group {
    let mut walk = Walk { imports: Imports::default(), errors };
    walk.imports.collect(body.stream(), walk.errors);
    let stream = walk.tokens(body.stream(), Judged::Yes);
    with_stream(body, stream)
}

/// Are calls judged here? Not where a step may run them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Yes,
    No,
}

struct Walk<'a> {
    imports: Imports,
    errors: &'a mut Errors,
}

impl Walk<'_> {
    fn tokens(&mut self, tokens: TokenStream, judged: Judged) -> TokenStream {
        let tokens = tokens.into_iter().collect::<Vec<_>>();
        let mut written = Vec::with_capacity(tokens.len());
        // Until the end of a nested function or closure that a step may run.
        let mut spared = Spared::No;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let here = if spared == Spared::No { judged } else { Judged::No };
            let end = if let Some(end) = path::annotated_function(&tokens, at).or_else(|| path::import(&tokens, at)) {
                written.extend_from_slice(&tokens[at..end]);
                end
            } else if path::function(&tokens, at) {
                spared = Spared::UntilBody;
                written.push(token.clone());
                at + 1
            } else if let Some(closure) = path::async_closure(&tokens, at) {
                spared = if closure.braces { Spared::UntilBody } else { Spared::UntilComma };
                written.extend_from_slice(&tokens[at..closure.body]);
                closure.body
            } else if let Some(path) = path::at(&tokens, at) {
                self.path(&path, &tokens, here, &mut written)
            } else {
                written.push(match token {
                    TokenTree::Group(group) => TokenTree::Group(self.group(group, here)),
                    TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => token.clone(),
                });
                at + 1
            };
            spared = spared.after(token);
            at = end;
        }
        written.into_iter().collect()
    }

    fn group(&mut self, group: &Group, judged: Judged) -> Group {
        with_stream(group, self.tokens(group.stream(), judged))
    }

    /// Writes a path and, for a macro or an inline step, the group behind it; says where to go on.
    fn path(&mut self, path: &Path<'_>, tokens: &[TokenTree], judged: Judged, written: &mut Vec<TokenTree>) -> usize {
        written.extend_from_slice(&tokens[path.start..path.end]);
        let names = self.imports.resolve(path);
        let names = names.iter().map(String::as_str).collect::<Vec<_>>();
        if let Some(group) = path.macro_group(tokens) {
            let biased = self.is_biased(path.last, &names);
            let inside = self.tokens(group.stream(), judged);
            let inside = if biased { first_biased(path.last, inside) } else { inside };
            written.push(tokens[path.end].clone());
            written.push(TokenTree::Group(with_stream(group, inside)));
            return path.end + 2;
        }
        if let Some((group, at)) = path.call_group(tokens)
            && matches!(names.as_slice(), ["step"] | ["outlast", "step"])
        {
            written.extend_from_slice(&tokens[path.end..at]);
            written.push(TokenTree::Group(self.group(group, Judged::No)));
            return at + 1;
        }
        if judged == Judged::Yes
            && (path.names.len() > 1 || path.call_group(tokens).is_some())
            && let Some(instead) = forbidden::instead(&names)
        {
            self.errors.at(path.last.span(), instead);
        }
        path.end
    }

    /// Does this macro get `biased`? One that is drawn by lot and can't be is an error.
    fn is_biased(&mut self, name: &Ident, path: &[&str]) -> bool {
        match path {
            ["tokio", "select"] => true,
            ["select"] if !self.imports.refused("select") => {
                self.errors.at(name.span(), forbidden::BARE_SELECT);
                false
            }
            ["futures" | "futures_util", "select"] => {
                self.errors.at(name.span(), forbidden::FUTURES_SELECT);
                false
            }
            _ => false,
        }
    }
}

/// A stretch of tokens whose calls aren't judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spared {
    No,
    UntilBody,
    UntilComma,
}

impl Spared {
    fn after(self, token: &TokenTree) -> Self {
        let ends = match (self, token) {
            (Self::No, _) => true,
            (Self::UntilBody, TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
            (Self::UntilBody, TokenTree::Punct(punct)) => punct.as_char() == ';',
            (Self::UntilComma, TokenTree::Punct(punct)) => matches!(punct.as_char(), ',' | ';'),
            (Self::UntilBody | Self::UntilComma, _) => false,
        };
        if ends { Self::No } else { self }
    }
}

fn first_biased(select: &Ident, branches: TokenStream) -> TokenStream {
    let mut first = branches.clone().into_iter();
    if let (Some(TokenTree::Ident(word)), Some(TokenTree::Punct(end))) = (first.next(), first.next())
        && word == "biased"
        && end.as_char() == ';'
    {
        return branches;
    }
    let place = Span::call_site().located_at(select.span());
    let mut biased = quote::quote_spanned!(place=> biased;);
    biased.extend(branches);
    biased
}

/// The same brackets around other tokens.
fn with_stream(group: &Group, stream: TokenStream) -> Group {
    let mut changed = Group::new(group.delimiter(), stream);
    changed.set_span(group.span());
    changed
}

#[cfg(test)]
mod tests;
