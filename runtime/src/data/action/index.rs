//! Actions on indexes and on whole collections.

use super::{action, unexpected};
use crate::Result;
use crate::data::cursor::Cursor;
use crate::data::models::IndexModel;
use crate::data::operation::{Reply, Verb};
use crate::data::results::{CreateIndexResult, CreateIndexesResult};
use crate::error::{Error, ErrorKind};

action! {
    /// A new index: see [`Collection::create_index`](crate::Collection::create_index).
    pub struct CreateIndex asks IndexModel, gives CreateIndexResult;
    verb(model) Ok(Verb::CreateIndexes(vec![model]));
    read(reply) match names(reply)?.into_iter().next() {
        Some(index_name) => Ok(CreateIndexResult { index_name }),
        None => Err(unexpected(&Reply::Done)),
    };
}

action! {
    /// New indexes: see [`Collection::create_indexes`](crate::Collection::create_indexes).
    pub struct CreateIndexes asks Vec<IndexModel>, gives CreateIndexesResult;
    verb(models) Ok(Verb::CreateIndexes(models));
    read(reply) Ok(CreateIndexesResult { index_names: names(reply)? });
}

action! {
    /// The indexes that are there: see [`Collection::list_indexes`](crate::Collection::list_indexes).
    pub struct ListIndexes asks (), gives Cursor<IndexModel>;
    verb(_asked) Ok(Verb::ListIndexes);
    read(reply) Ok(Cursor::of(models(reply)?));
}

action! {
    /// The names of the indexes: see [`Collection::list_index_names`](crate::Collection::list_index_names).
    pub struct ListIndexNames asks (), gives Vec<String>;
    verb(_asked) Ok(Verb::ListIndexes);
    read(reply) names(reply);
}

action! {
    /// The removal of indexes: see [`Collection::drop_index`](crate::Collection::drop_index).
    pub struct DropIndexes asks Option<String>, gives ();
    verb(name) Ok(Verb::DropIndex(name));
    read(reply) done(reply);
}

action! {
    /// The removal of a collection: see [`Collection::drop`](crate::Collection::drop).
    pub struct DropCollection asks (), gives ();
    verb(_asked) Ok(Verb::Drop);
    read(reply) done(reply);
}

fn models(reply: Reply) -> Result<Vec<IndexModel>> {
    match reply {
        Reply::Indexes(models) => Ok(models),
        other => Err(unexpected(&other)),
    }
}

fn names(reply: Reply) -> Result<Vec<String>> {
    let named = models(reply)?.into_iter().map(|model| model.options.and_then(|options| options.name));
    named.map(|name| name.ok_or_else(|| Error::of(ErrorKind::Damaged, "an index has no name"))).collect()
}

fn done(reply: Reply) -> Result<()> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}
