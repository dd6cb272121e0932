//! The corpus as it is published.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The documents of one type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    /// Of the file.
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) valid: Vec<Valid>,
    #[serde(default)]
    pub(crate) decode_errors: Vec<Broken>,
}

/// A document that is one.
#[derive(Debug, Deserialize)]
pub(crate) struct Valid {
    pub(crate) description: String,
    pub(crate) canonical_bson: String,
    /// The same document, written as it shouldn't be.
    pub(crate) degenerate_bson: Option<String>,
}

/// Bytes that are none.
#[derive(Debug, Deserialize)]
pub(crate) struct Broken {
    pub(crate) description: String,
    pub(crate) bson: String,
}

/// Bytes of their digits.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// All files, in order of their names.
pub(crate) fn files() -> Vec<File> {
    let there = "target/spec/pymongo-4.20.1/test/bson_corpus";
    let above = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(there));
    let named = std::env::var_os("OUTLAST_BSON_CORPUS").map(PathBuf::from);
    let folder = named.or_else(|| above().find(|folder| folder.is_dir())).unwrap_or_else(|| there.into());
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("{} can't be read ({error}): `./tests/run crud` downloads MongoDB's corpus", folder.display())
    });
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let file = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        File { name: path.file_stem().unwrap().to_string_lossy().into_owned(), ..file }
    };
    paths.iter().map(read).collect()
}
