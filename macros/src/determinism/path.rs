//! Paths, imports, functions and closures in bare tokens.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenTree};
use syn::ext::IdentExt;

/// A path such as `tokio::time::sleep`, without generics.
#[derive(Debug)]
pub(super) struct Path<'a> {
    pub(super) names: Vec<String>,
    pub(super) last: &'a Ident,
    /// Begins with `::`, so an import doesn't change what it means.
    pub(super) global: bool,
    /// The place of the first name.
    pub(super) start: usize,
    /// The place behind the last one.
    pub(super) end: usize,
}

impl Path<'_> {
    /// The brackets of `path! { … }`.
    pub(super) fn macro_group<'t>(&self, tokens: &'t [TokenTree]) -> Option<&'t Group> {
        match (tokens.get(self.end), tokens.get(self.end + 1)) {
            (Some(TokenTree::Punct(punct)), Some(TokenTree::Group(group))) if punct.as_char() == '!' => Some(group),
            _ => None,
        }
    }

    /// The brackets of `path(…)` or `path::<T>(…)`, and their place.
    pub(super) fn call_group<'t>(&self, tokens: &'t [TokenTree]) -> Option<(&'t Group, usize)> {
        let mut at = self.end;
        if colons(tokens, at) {
            let mut depth = 0_usize;
            at += 2;
            while let Some(token) = tokens.get(at) {
                depth = match token {
                    TokenTree::Punct(punct) if punct.as_char() == '<' => depth + 1,
                    TokenTree::Punct(punct) if punct.as_char() == '>' => depth.saturating_sub(1),
                    _ => depth,
                };
                at += 1;
                if depth == 0 {
                    break;
                }
            }
        }
        match tokens.get(at) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => Some((group, at)),
            _ => None,
        }
    }
}

/// The path that begins here, if one does: not in the middle of another, not a field, method or lifetime.
pub(super) fn at(tokens: &[TokenTree], start: usize) -> Option<Path<'_>> {
    let mut last = ident(tokens, start).filter(|ident| !is_keyword(ident))?;
    let before = start.checked_sub(1).and_then(|before| tokens.get(before));
    if let Some(TokenTree::Punct(punct)) = before
        && (punct.as_char() == '\'' || (punct.as_char() == '.' && !ends_a_range(tokens, start)))
    {
        return None;
    }
    let global = start >= 2 && colons(tokens, start - 2);
    if global && start.checked_sub(3).and_then(|before| tokens.get(before)).is_some_and(continues) {
        return None;
    }
    let mut names = vec![last.unraw().to_string()];
    let mut end = start + 1;
    while colons(tokens, end)
        && let Some(next) = ident(tokens, end + 2)
    {
        names.push(next.unraw().to_string());
        last = next;
        end += 3;
    }
    Some(Path { names, last, global, start, end })
}

/// Does a `::` after this token belong to the path in front of it? (`return ::path` begins one.)
fn continues(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(ident) => !is_keyword(ident),
        TokenTree::Punct(punct) => punct.as_char() == '>',
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    }
}

fn is_keyword(ident: &Ident) -> bool {
    const KEYWORDS: &[&str] = &[
        "return", "break", "in", "match", "if", "while", "for", "loop", "else", "await", "move", "mut", "as", "let",
        "dyn", "impl", "where", "ref", "unsafe", "async", "pub", "const", "static",
    ];
    KEYWORDS.iter().any(|word| ident == word)
}

/// `a..b` and `..=b`: what follows is no method.
fn ends_a_range(tokens: &[TokenTree], start: usize) -> bool {
    start >= 2 && joint(tokens, start - 2, '.')
}

fn ident(tokens: &[TokenTree], at: usize) -> Option<&Ident> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident),
        _ => None,
    }
}

fn word(tokens: &[TokenTree], at: usize, word: &str) -> bool {
    ident(tokens, at).is_some_and(|ident| ident == word)
}

fn punct(tokens: &[TokenTree], at: usize, letter: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == letter)
}

/// Half of an operator: the next letter belongs to it.
fn joint(tokens: &[TokenTree], at: usize, letter: char) -> bool {
    punct(tokens, at, letter) && matches!(&tokens[at], TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint)
}

fn colons(tokens: &[TokenTree], at: usize) -> bool {
    joint(tokens, at, ':') && punct(tokens, at + 1, ':')
}

/// `use …;`: the place behind it.
pub(super) fn import(tokens: &[TokenTree], at: usize) -> Option<usize> {
    if !word(tokens, at, "use") {
        return None;
    }
    (at..tokens.len()).find(|at| punct(tokens, *at, ';')).map(|end| end + 1)
}

/// `fn name`: a function of its own, that a step may call.
pub(super) fn function(tokens: &[TokenTree], at: usize) -> bool {
    word(tokens, at, "fn") && ident(tokens, at + 1).is_some()
}

/// `#[step] … fn … { … }`: the place behind it. Its own attribute judges it.
pub(super) fn annotated_function(tokens: &[TokenTree], at: usize) -> Option<usize> {
    if !punct(tokens, at, '#') {
        return None;
    }
    let TokenTree::Group(attribute) = tokens.get(at + 1)? else { return None };
    let inside = attribute.stream().into_iter().collect::<Vec<_>>();
    let path = self::at(&inside, usize::from(colons(&inside, 0)) * 2)?;
    let names = path.names.iter().map(String::as_str).collect::<Vec<_>>();
    let ours = matches!(
        names.as_slice(),
        ["step" | "transaction" | "durable"] | ["outlast", "step" | "transaction" | "durable"]
    );
    if !ours {
        return None;
    }
    let body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let end = tokens[at + 2..].iter().position(body)?;
    Some(at + 2 + end + 1)
}

/// A closure whose body a step may run.
pub(super) struct AsyncClosure {
    /// The place behind the parameters.
    pub(super) body: usize,
    /// Does the body end with its braces? (It does if a result type is written, too.)
    pub(super) braces: bool,
}

/// `async move |…|` or `|| async`.
pub(super) fn async_closure(tokens: &[TokenTree], at: usize) -> Option<AsyncClosure> {
    if punct(tokens, at, '|') && punct(tokens, at + 1, '|') && word(tokens, at + 2, "async") {
        return Some(AsyncClosure { body: at + 2, braces: true });
    }
    if !word(tokens, at, "async") {
        return None;
    }
    let open = if word(tokens, at + 1, "move") { at + 2 } else { at + 1 };
    if !punct(tokens, open, '|') {
        return None;
    }
    let body = (open + 1..tokens.len()).find(|at| punct(tokens, *at, '|'))? + 1;
    let block = matches!(tokens.get(body), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace);
    Some(AsyncClosure { body, braces: block || (punct(tokens, body, '-') && punct(tokens, body + 1, '>')) })
}
