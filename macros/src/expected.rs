//! Compares what an attribute writes with a file in `macros/expected/`.
//!
//! After a change: `OUTLAST_EXPECTED=overwrite cargo test -p outlast-macros`, then read the difference.

use std::fs;
use std::path::PathBuf;

use proc_macro2::TokenStream;

/// Panics with both texts if they differ.
pub(crate) fn compare(case: &str, written: TokenStream) {
    let file: syn::File = syn::parse2(written.clone()).unwrap_or_else(|error| panic!("{case}: {error}: {written}"));
    let written = prettyplease::unparse(&file);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("expected").join(format!("{case}.rs"));
    if std::env::var_os("OUTLAST_EXPECTED").is_some_and(|mode| mode == "overwrite") {
        fs::write(&path, &written).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == written, "{case} is written as\n{written}\nbut {} has\n{expected}", path.display());
}
