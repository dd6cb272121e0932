//! Actions that write.

use bson::{Document, RawDocumentBuf};
use serde::de::DeserializeOwned;

use super::{action, unexpected};
use crate::Result;
use crate::data::cursor::typed;
use crate::data::models::{Hint, ReturnDocument};
use crate::data::operation::{Reply, Target, Verb, Write};
use crate::data::results::{BulkWriteResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult};

action! {
    /// An insertion: see [`Collection::insert_one`](crate::Collection::insert_one).
    pub struct InsertOne asks Result<RawDocumentBuf>, gives InsertOneResult;
    verb(document) document.map(|document| Verb::Insert { documents: vec![document], ordered: true, single: true });
    read(reply) match reply {
        Reply::Inserted(ids) => match ids.into_iter().next() {
            Some(inserted_id) => Ok(InsertOneResult { inserted_id }),
            None => Err(unexpected(&Reply::Inserted(Vec::new()))),
        },
        other => Err(unexpected(&other)),
    };
}

/// Documents on their way in.
pub(in crate::data) struct Insertion {
    pub(in crate::data) documents: Result<Vec<RawDocumentBuf>>,
    pub(in crate::data) ordered: bool,
}

action! {
    /// An insertion of several: see [`Collection::insert_many`](crate::Collection::insert_many).
    pub struct InsertMany asks Insertion, gives InsertManyResult;
    verb(asked) asked.documents.map(|documents| Verb::Insert { documents, ordered: asked.ordered, single: false });
    read(reply) match reply {
        Reply::Inserted(ids) => Ok(InsertManyResult { inserted_ids: ids.into_iter().enumerate().collect() }),
        other => Err(unexpected(&other)),
    };
}

action! {
    /// A change of documents: see [`Collection::update_one`](crate::Collection::update_one).
    pub struct Update asks Write, gives UpdateResult;
    verb(write) Ok(Verb::Write(write));
    read(reply) wrote(reply).map(Into::into);
}

action! {
    /// A replacement: see [`Collection::replace_one`](crate::Collection::replace_one).
    pub struct Replace asks Result<Write>, gives UpdateResult;
    verb(write) write.map(Verb::Write);
    read(reply) wrote(reply).map(Into::into);
}

action! {
    /// A removal: see [`Collection::delete_one`](crate::Collection::delete_one).
    pub struct Delete asks Write, gives DeleteResult;
    verb(write) Ok(Verb::Write(write));
    read(reply) wrote(reply).map(Into::into);
}

/// Several writes on their way.
pub(in crate::data) struct Writes {
    pub(in crate::data) writes: Result<Vec<Write>>,
    pub(in crate::data) ordered: bool,
}

action! {
    /// Several writes: see [`Collection::bulk_write`](crate::Collection::bulk_write).
    pub struct BulkWrite asks Writes, gives BulkWriteResult;
    verb(asked) asked.writes.map(|writes| Verb::Bulk { writes, ordered: asked.ordered });
    read(reply) wrote(reply).map(Into::into);
}

/// A write of one document that is also given.
pub(in crate::data) struct Modification {
    pub(in crate::data) write: Result<Write>,
    pub(in crate::data) returned: ReturnDocument,
    pub(in crate::data) projection: Option<Document>,
}

impl Modification {
    pub(in crate::data) fn new(write: Result<Write>) -> Self {
        Self { write, returned: ReturnDocument::Before, projection: None }
    }

    fn verb(self) -> Result<Verb> {
        let (write, returned, projection) = (self.write?, self.returned, self.projection);
        Ok(Verb::FindAndModify { write, returned, projection })
    }

    fn target(&mut self) -> Option<&mut Target> {
        target(self.write.as_mut().ok()?)
    }
}

fn target(write: &mut Write) -> Option<&mut Target> {
    match write {
        Write::Insert(_) => None,
        Write::Update { target, .. } | Write::Replace { target, .. } | Write::Delete { target, .. } => Some(target),
    }
}

action! {
    /// A change that gives the document: see [`Collection::find_one_and_update`](crate::Collection::find_one_and_update).
    pub struct FindOneAndUpdate<T: DeserializeOwned> asks Modification, gives Option<T>;
    verb(asked) asked.verb();
    read(reply) one(reply);
}

action! {
    /// A replacement that gives the document: see
    /// [`Collection::find_one_and_replace`](crate::Collection::find_one_and_replace).
    pub struct FindOneAndReplace<T: DeserializeOwned> asks Modification, gives Option<T>;
    verb(asked) asked.verb();
    read(reply) one(reply);
}

action! {
    /// A removal that gives the document: see [`Collection::find_one_and_delete`](crate::Collection::find_one_and_delete).
    pub struct FindOneAndDelete<T: DeserializeOwned> asks Modification, gives Option<T>;
    verb(asked) asked.verb();
    read(reply) one(reply);
}

fn wrote(reply: Reply) -> Result<crate::error::Partial> {
    match reply {
        Reply::Wrote(done) => Ok(done),
        other => Err(unexpected(&other)),
    }
}

fn one<T: DeserializeOwned + Send>(reply: Reply) -> Result<Option<T>> {
    match reply {
        Reply::Document(found) => found.map(typed).transpose(),
        other => Err(unexpected(&other)),
    }
}

/// An option that a server with rules for documents knows.
macro_rules! validation_option {
    ($($name:ident $(<$type:ident>)?),+) => {
        $(impl $(<$type: DeserializeOwned + Send + 'static>)? $name $(<$type>)? {
            /// Whether a server's rules for the collection's documents are passed over. The embedded store has none.
            pub fn bypass_document_validation(self, bypass: bool) -> Self {
                self.bypass(bypass)
            }
        })+
    };
}
validation_option!(InsertOne, InsertMany, Update, Replace, BulkWrite, FindOneAndUpdate<T>, FindOneAndReplace<T>);

impl InsertMany {
    /// Whether the first document that can't be inserted ends it (the default), or the others are tried all the same.
    pub fn ordered(self, ordered: bool) -> Self {
        self.with(|ask| ask.ordered = ordered)
    }
}

impl BulkWrite {
    /// Variables that expressions in filters and pipelines may use, as `$$name`.
    pub fn let_vars(self, variables: Document) -> Self {
        self.with(|ask| {
            for write in ask.writes.iter_mut().flatten() {
                set_target(write, |target| target.variables = Some(variables.clone()));
            }
        })
    }

    /// Whether the first write that fails ends it (the default), or the others are tried all the same.
    pub fn ordered(self, ordered: bool) -> Self {
        self.with(|ask| ask.ordered = ordered)
    }
}

impl Update {
    /// Variables that expressions in the filter and in a pipeline may use, as `$$name`.
    pub fn let_vars(self, variables: Document) -> Self {
        self.with(|write| set_target(write, |target| target.variables = Some(variables)))
    }

    /// Whether a document is added if none matches: the filter's equalities, changed by the update.
    pub fn upsert(self, upsert: bool) -> Self {
        self.with(|write| set_upsert(write, upsert))
    }

    /// What `$[name]` means, one filter for each name.
    pub fn array_filters(self, array_filters: impl IntoIterator<Item = Document>) -> Self {
        self.with(|write| set_array_filters(write, array_filters.into_iter().collect()))
    }

    /// Which document comes first: for `update_one`.
    pub fn sort(self, sort: Document) -> Self {
        self.with(|write| set_target(write, |target| target.sort = Some(sort)))
    }

    /// The index to use. The embedded store chooses by itself.
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        self.with(|write| set_target(write, |target| target.hint = Some(hint.into())))
    }
}

impl Replace {
    /// Variables that `$expr` in the filter may use, as `$$name`.
    pub fn let_vars(self, variables: Document) -> Self {
        self.with(|write| {
            if let Ok(write) = write {
                set_target(write, |target| target.variables = Some(variables));
            }
        })
    }

    /// Whether the document is added if none matches.
    pub fn upsert(self, upsert: bool) -> Self {
        self.with(|write| {
            if let Ok(write) = write {
                set_upsert(write, upsert);
            }
        })
    }

    /// Which document comes first.
    pub fn sort(self, sort: Document) -> Self {
        self.with(|write| {
            if let Ok(write) = write {
                set_target(write, |target| target.sort = Some(sort));
            }
        })
    }

    /// The index to use. The embedded store chooses by itself.
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        self.with(|write| {
            if let Ok(write) = write {
                set_target(write, |target| target.hint = Some(hint.into()));
            }
        })
    }
}

impl Delete {
    /// Variables that expressions in the filter may use, as `$$name`.
    pub fn let_vars(self, variables: Document) -> Self {
        self.with(|write| set_target(write, |target| target.variables = Some(variables)))
    }

    /// The index to use. The embedded store chooses by itself.
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        self.with(|write| set_target(write, |target| target.hint = Some(hint.into())))
    }
}

fn set_upsert(write: &mut Write, value: bool) {
    if let Write::Update { upsert, .. } | Write::Replace { upsert, .. } = write {
        *upsert = value;
    }
}

fn set_array_filters(write: &mut Write, value: Vec<Document>) {
    if let Write::Update { array_filters, .. } = write {
        *array_filters = value;
    }
}

fn set_target(write: &mut Write, change: impl FnOnce(&mut Target)) {
    if let Some(target) = target(write) {
        change(target);
    }
}

/// The options that the three `find_one_and_…` share.
macro_rules! modification_options {
    ($name:ident) => {
        impl<T: DeserializeOwned + Send + 'static> $name<T> {
            /// Which document comes first.
            pub fn sort(self, sort: Document) -> Self {
                self.with(|ask| {
                    if let Some(target) = ask.target() {
                        target.sort = Some(sort);
                    }
                })
            }

            /// Variables that expressions in the filter and in a pipeline may use, as `$$name`.
            pub fn let_vars(self, variables: Document) -> Self {
                self.with(|ask| {
                    if let Some(target) = ask.target() {
                        target.variables = Some(variables);
                    }
                })
            }

            /// Of the document that is given these fields: with 1, or all but those with 0.
            pub fn projection(self, projection: Document) -> Self {
                self.with(|ask| ask.projection = Some(projection))
            }

            /// The index to use. The embedded store chooses by itself.
            pub fn hint(self, hint: impl Into<Hint>) -> Self {
                self.with(|ask| {
                    if let Some(target) = ask.target() {
                        target.hint = Some(hint.into());
                    }
                })
            }
        }
    };
}
modification_options!(FindOneAndUpdate);
modification_options!(FindOneAndReplace);
modification_options!(FindOneAndDelete);

/// The options of those that leave a document.
macro_rules! leaving_options {
    ($name:ident) => {
        impl<T: DeserializeOwned + Send + 'static> $name<T> {
            /// The document as it was before (the default), or as it is after.
            pub fn return_document(self, returned: ReturnDocument) -> Self {
                self.with(|ask| ask.returned = returned)
            }

            /// Whether a document is added if none matches.
            pub fn upsert(self, upsert: bool) -> Self {
                self.with(|ask| {
                    if let Ok(write) = &mut ask.write {
                        set_upsert(write, upsert);
                    }
                })
            }
        }
    };
}
leaving_options!(FindOneAndUpdate);
leaving_options!(FindOneAndReplace);

impl<T: DeserializeOwned + Send + 'static> FindOneAndUpdate<T> {
    /// What `$[name]` means, one filter for each name.
    pub fn array_filters(self, array_filters: impl IntoIterator<Item = Document>) -> Self {
        self.with(|ask| {
            if let Ok(write) = &mut ask.write {
                set_array_filters(write, array_filters.into_iter().collect());
            }
        })
    }
}
