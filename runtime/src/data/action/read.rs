//! Actions that read.

use std::time::Duration;

use bson::{Bson, Document};
use serde::de::DeserializeOwned;

use super::{action, unexpected};
use crate::data::cursor::{Cursor, typed};
use crate::data::models::Hint;
use crate::data::operation::{Query, Reply, Verb};

action! {
    /// Documents that match: see [`Collection::find`](crate::Collection::find).
    pub struct Find<T: DeserializeOwned> asks Query, gives Cursor<T>;
    verb(query) Ok(Verb::Find(query));
    read(reply) Cursor::new(reply);
}

action! {
    /// The first document that matches: see [`Collection::find_one`](crate::Collection::find_one).
    pub struct FindOne<T: DeserializeOwned> asks Query, gives Option<T>;
    verb(query) Ok(Verb::Find(Query { limit: 1, ..query }));
    read(reply) match reply {
        Reply::Documents(found) => found.into_iter().next().map(typed).transpose(),
        other => Err(unexpected(&other)),
    };
}

action! {
    /// How documents would be found: see [`Find::explain`].
    pub struct Explain asks Query, gives Document;
    verb(query) Ok(Verb::Explain(query));
    read(reply) match reply {
        Reply::Document(Some(plan)) => typed(plan),
        other => Err(unexpected(&other)),
    };
}

action! {
    /// How many documents match: see [`Collection::count_documents`](crate::Collection::count_documents).
    pub struct Count asks Query, gives u64;
    verb(query) Ok(Verb::Count(query));
    read(reply) count(reply);
}

action! {
    /// How many documents there are: see
    /// [`Collection::estimated_document_count`](crate::Collection::estimated_document_count).
    pub struct EstimatedCount asks Option<Duration>, gives u64;
    verb(max_time) Ok(Verb::EstimatedCount { max_time });
    read(reply) count(reply);
}

action! {
    /// The different values of a field: see [`Collection::distinct`](crate::Collection::distinct).
    pub struct Distinct asks (String, Query), gives Vec<Bson>;
    verb(asked) Ok(Verb::Distinct { field: asked.0, query: asked.1 });
    read(reply) match reply {
        Reply::Values(values) => Ok(values),
        other => Err(unexpected(&other)),
    };
}

fn count(reply: Reply) -> crate::Result<u64> {
    match reply {
        Reply::Count(count) => Ok(count),
        other => Err(unexpected(&other)),
    }
}

impl<T: DeserializeOwned + Send + 'static> Find<T> {
    /// In this order: fields with 1 (ascending) or -1 (descending).
    pub fn sort(self, sort: Document) -> Self {
        self.with(|query| query.sort = Some(sort))
    }

    /// Without the first so many.
    pub fn skip(self, skip: u64) -> Self {
        self.with(|query| query.skip = skip)
    }

    /// At most so many; 0 is no limit, a negative number means its absolute value.
    pub fn limit(self, limit: i64) -> Self {
        self.with(|query| query.limit = limit.unsigned_abs())
    }

    /// Of each document these fields: with 1, or all but those with 0.
    pub fn projection(self, projection: Document) -> Self {
        self.with(|query| query.projection = Some(projection))
    }

    /// The index to use. The embedded store chooses by itself.
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        self.with(|query| query.hint = Some(hint.into()))
    }

    /// How many documents come from a server at once.
    pub fn batch_size(self, batch_size: u32) -> Self {
        self.with(|query| query.batch_size = Some(batch_size))
    }

    /// How long a server may take.
    pub fn max_time(self, max_time: Duration) -> Self {
        self.with(|query| query.max_time = Some(max_time))
    }

    /// Variables that `$expr` in the filter may use, as `$$name`.
    pub fn let_vars(self, variables: Document) -> Self {
        self.with(|query| query.variables = Some(variables))
    }

    /// Whether a server may sort on its disk. The embedded store sorts in memory.
    pub fn allow_disk_use(self, allow: bool) -> Self {
        self.with(|query| query.allow_disk_use = Some(allow))
    }

    /// How the documents would be found, in place of them.
    ///
    /// On the embedded store a document with `stage` (`_id`, `index` or `scan`), the `index`, whether documents are
    /// `sorted` in memory, and how many entries and documents were `examined`; on MongoDB what the server says.
    pub fn explain(mut self) -> Explain {
        let ask = self.ask.take().unwrap_or_default();
        Explain::new(self.core, ask)
    }
}

impl<T: DeserializeOwned + Send + 'static> FindOne<T> {
    /// The first in this order: fields with 1 (ascending) or -1 (descending).
    pub fn sort(self, sort: Document) -> Self {
        self.with(|query| query.sort = Some(sort))
    }

    /// Without the first so many.
    pub fn skip(self, skip: u64) -> Self {
        self.with(|query| query.skip = skip)
    }

    /// Of the document these fields: with 1, or all but those with 0.
    pub fn projection(self, projection: Document) -> Self {
        self.with(|query| query.projection = Some(projection))
    }

    /// The index to use. The embedded store chooses by itself.
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        self.with(|query| query.hint = Some(hint.into()))
    }

    /// Variables that `$expr` in the filter may use, as `$$name`.
    pub fn let_vars(self, variables: Document) -> Self {
        self.with(|query| query.variables = Some(variables))
    }

    /// How long a server may take.
    pub fn max_time(self, max_time: Duration) -> Self {
        self.with(|query| query.max_time = Some(max_time))
    }
}

impl Count {
    /// Without the first so many.
    pub fn skip(self, skip: u64) -> Self {
        self.with(|query| query.skip = skip)
    }

    /// At most so many; 0 is no limit.
    pub fn limit(self, limit: u64) -> Self {
        self.with(|query| query.limit = limit)
    }

    /// The index to use. The embedded store chooses by itself.
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        self.with(|query| query.hint = Some(hint.into()))
    }

    /// How long a server may take.
    pub fn max_time(self, max_time: Duration) -> Self {
        self.with(|query| query.max_time = Some(max_time))
    }
}

impl EstimatedCount {
    /// How long a server may take.
    pub fn max_time(self, max_time: Duration) -> Self {
        self.with(|ask| *ask = Some(max_time))
    }
}

impl Distinct {
    /// The index to use. The embedded store chooses by itself.
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        self.with(|(_, query)| query.hint = Some(hint.into()))
    }

    /// How long a server may take.
    pub fn max_time(self, max_time: Duration) -> Self {
        self.with(|(_, query)| query.max_time = Some(max_time))
    }
}
