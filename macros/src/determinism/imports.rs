//! What the `use` items of a body make of its paths.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::{ItemUse, UseTree};

use super::{Path, forbidden, path};
use crate::errors::Errors;

/// Names that the body imports, each with its whole path.
#[derive(Debug, Default)]
pub(super) struct Imports {
    paths: BTreeMap<String, Vec<String>>,
    /// Names whose import is an error already.
    refused: BTreeSet<String>,
}

impl Imports {
    /// Reads all imports, at any depth; an import of a `select!` that is drawn by lot is an error.
    pub(super) fn collect(&mut self, tokens: TokenStream, errors: &mut Errors) {
        let tokens = tokens.into_iter().collect::<Vec<_>>();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if let Some(end) = path::annotated_function(&tokens, at) {
                at = end;
            } else if let Some(end) = path::import(&tokens, at) {
                // What doesn't parse is the compiler's to report.
                if let Ok(item) = syn::parse2::<ItemUse>(tokens[at..end].iter().cloned().collect()) {
                    self.tree(&item.tree, &mut Vec::new(), errors);
                }
                at = end;
            } else {
                if let TokenTree::Group(group) = token {
                    self.collect(group.stream(), errors);
                }
                at += 1;
            }
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>, errors: &mut Errors) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.unraw().to_string());
                self.tree(&path.tree, before, errors);
                before.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before, errors);
                }
            }
            UseTree::Name(name) => self.leaf(&name.ident, &name.ident, before, errors),
            UseTree::Rename(rename) => self.leaf(&rename.ident, &rename.rename, before, errors),
            UseTree::Glob(_) => {}
        }
    }

    fn leaf(&mut self, name: &Ident, called: &Ident, before: &[String], errors: &mut Errors) {
        let mut path = before.to_vec();
        // `a::{self}` is `a`.
        if name != "self" {
            path.push(name.unraw().to_string());
        }
        let called =
            if called == "self" { path.last().cloned().unwrap_or_default() } else { called.unraw().to_string() };
        let names = path.iter().map(String::as_str).collect::<Vec<_>>();
        let refused = match names.as_slice() {
            ["tokio", "select"] => Some(forbidden::IMPORTED_SELECT),
            ["futures" | "futures_util", "select"] => Some(forbidden::FUTURES_SELECT),
            _ => None,
        };
        if let Some(message) = refused {
            errors.at(name.span(), message);
            self.refused.insert(called);
        } else {
            self.paths.insert(called, path);
        }
    }

    /// The whole path, as far as the body says.
    pub(super) fn resolve(&self, path: &Path<'_>) -> Vec<String> {
        let mut names = path.names.iter();
        match names.next().and_then(|first| self.paths.get(first)) {
            Some(whole) if !path.global => whole.iter().chain(names).cloned().collect(),
            Some(_) | None => path.names.clone(),
        }
    }

    /// Is the import of this name an error already?
    pub(super) fn refused(&self, name: &str) -> bool {
        self.refused.contains(name)
    }
}
