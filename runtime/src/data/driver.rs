//! outlast's words and the driver's are the same: each into the other.

use mongodb::options::{
    Hint as DriverHint, IndexOptions as DriverIndexOptions, ReturnDocument as DriverReturn,
    UpdateModifications as DriverUpdate,
};
use mongodb::{IndexModel as DriverIndexModel, results};

use super::models::{Hint, IndexModel, IndexOptions, ReturnDocument, UpdateModifications};
use super::results::{
    CreateIndexResult, CreateIndexesResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult,
};

impl From<IndexOptions> for DriverIndexOptions {
    fn from(options: IndexOptions) -> Self {
        Self::builder()
            .name(options.name)
            .unique(options.unique)
            .sparse(options.sparse)
            .partial_filter_expression(options.partial_filter_expression)
            .expire_after(options.expire_after)
            .build()
    }
}

impl From<DriverIndexOptions> for IndexOptions {
    /// As far as outlast has words for them.
    fn from(options: DriverIndexOptions) -> Self {
        Self {
            name: options.name,
            unique: options.unique,
            sparse: options.sparse,
            partial_filter_expression: options.partial_filter_expression,
            expire_after: options.expire_after,
        }
    }
}

impl From<IndexModel> for DriverIndexModel {
    fn from(model: IndexModel) -> Self {
        let options = model.options.map(DriverIndexOptions::from);
        Self::builder().keys(model.keys).options(options).build()
    }
}

impl From<DriverIndexModel> for IndexModel {
    /// As far as outlast has words for it.
    fn from(model: DriverIndexModel) -> Self {
        Self { keys: model.keys, options: model.options.map(IndexOptions::from) }
    }
}

impl From<Hint> for DriverHint {
    fn from(hint: Hint) -> Self {
        match hint {
            Hint::Keys(keys) => Self::Keys(keys),
            Hint::Name(name) => Self::Name(name),
        }
    }
}

impl From<ReturnDocument> for DriverReturn {
    fn from(returned: ReturnDocument) -> Self {
        match returned {
            ReturnDocument::Before => Self::Before,
            ReturnDocument::After => Self::After,
        }
    }
}

impl From<UpdateModifications> for DriverUpdate {
    fn from(update: UpdateModifications) -> Self {
        match update {
            UpdateModifications::Document(update) => Self::Document(update),
            UpdateModifications::Pipeline(stages) => Self::Pipeline(stages),
        }
    }
}

impl From<results::InsertOneResult> for InsertOneResult {
    fn from(result: results::InsertOneResult) -> Self {
        Self { inserted_id: result.inserted_id }
    }
}

impl From<results::InsertManyResult> for InsertManyResult {
    fn from(result: results::InsertManyResult) -> Self {
        Self { inserted_ids: result.inserted_ids }
    }
}

impl From<results::UpdateResult> for UpdateResult {
    fn from(result: results::UpdateResult) -> Self {
        Self {
            matched_count: result.matched_count,
            modified_count: result.modified_count,
            upserted_id: result.upserted_id,
        }
    }
}

impl From<results::DeleteResult> for DeleteResult {
    fn from(result: results::DeleteResult) -> Self {
        Self { deleted_count: result.deleted_count }
    }
}

impl From<results::CreateIndexResult> for CreateIndexResult {
    fn from(result: results::CreateIndexResult) -> Self {
        Self { index_name: result.index_name }
    }
}

impl From<results::CreateIndexesResult> for CreateIndexesResult {
    fn from(result: results::CreateIndexesResult) -> Self {
        Self { index_names: result.index_names }
    }
}
