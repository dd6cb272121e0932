//! The tests as they are published.

use std::path::{Path, PathBuf};

use bson::{Bson, Document};
use serde::Deserialize;

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    pub(crate) description: String,
    pub(crate) create_entities: Vec<Document>,
    #[serde(default)]
    pub(crate) initial_data: Vec<Data>,
    #[serde(default)]
    pub(crate) run_on_requirements: Vec<Document>,
    pub(crate) tests: Vec<Test>,
}

/// What a collection holds, before or after.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data {
    pub(crate) collection_name: String,
    pub(crate) documents: Vec<Document>,
}

/// A test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Test {
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) run_on_requirements: Vec<Document>,
    pub(crate) operations: Vec<Operation>,
    #[serde(default)]
    pub(crate) outcome: Vec<Data>,
}

/// An operation with what it is to give.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) object: String,
    #[serde(default)]
    pub(crate) arguments: Document,
    pub(crate) expect_result: Option<Bson>,
    pub(crate) expect_error: Option<Document>,
}

/// Where `./tests/run` has put them.
fn folder() -> PathBuf {
    let named = std::env::var_os("OUTLAST_CRUD_TESTS").map(PathBuf::from);
    let there = "target/spec/pymongo-4.20.1/test/crud/unified";
    let above = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(there));
    named.or_else(|| above().find(|folder| folder.is_dir())).unwrap_or_else(|| there.into())
}

/// All files, in order of their names.
pub(crate) fn files() -> Vec<File> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("{} can't be read ({error}): `./tests/run crud` downloads MongoDB's tests", folder.display())
    });
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        // Extended JSON, whose fields keep their order.
        let whole: Bson = serde_json::from_str(&text).unwrap();
        bson::deserialize_from_bson(whole).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}
