//! What the tests set for their programs.

use std::path::Path;

/// The store: `STORE`, or a file in the test's directory.
pub(crate) fn store(directory: &Path) -> String {
    setting("STORE", &format!("sqlite://{}", directory.join("store.db").display()))
}

pub(crate) fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
