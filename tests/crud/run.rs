//! Runs a test: its data, its operations one after the other, what is there afterwards.
//!
//! Where a test's collection doesn't wait for the server's word (`w: 0`), it is run with acknowledged writes: outlast has
//! no others, and what is there afterwards is the same.

use std::collections::BTreeMap;
use std::time::Duration;

use bson::{Bson, Document, doc};
use outlast::{
    BulkWriteResult, Collection, Error, Hint, IndexModel, IndexOptions, ReturnDocument, Running, UpdateModifications,
    WriteModel, collection,
};

use super::matching::matches;
use super::reasons::{ARGUMENTS_OUT, OPERATIONS_OUT, Reason, Why};
use super::suite::{Data, File, Operation, Test};

/// What the embedded store is taken for where a test asks for a version.
const EMBEDDED: &[u64] = &[8, 0, 0];

/// Runs a test on the app's store: the embedded one, or a server of the version that is given.
pub(crate) async fn test(app: &Running, file: &File, test: &Test, server: Option<&[u64]>) -> Result<(), Why> {
    let requirements =
        if test.run_on_requirements.is_empty() { &file.run_on_requirements } else { &test.run_on_requirements };
    left_out(file, test)?;
    let version = server.unwrap_or(EMBEDDED);
    let is_met = requirements.is_empty() || requirements.iter().any(|requirement| is_met(requirement, version));
    // The embedded store is no server of any version: what it does as other versions do counts, what it does otherwise
    // is theirs. A server has its version.
    if !is_met && server.is_some() {
        return Err(Reason::Version.into());
    }
    match steps(app, file, test).await {
        Err(Why::Failed(_)) if !is_met => Err(Reason::Version.into()),
        done => done,
    }
}

async fn steps(app: &Running, file: &File, test: &Test) -> Result<(), Why> {
    app.scope(async {
        for data in &file.initial_data {
            fill(data).await.map_err(|error| Why::Failed(format!("the data can't be put in: {error}")))?;
        }
        for (place, operation) in test.operations.iter().enumerate() {
            one(file, operation)
                .await
                .map_err(|why| Why::Failed(format!("operation {place} ({}): {why}", operation.name)))?;
        }
        for data in &test.outcome {
            outcome(data).await.map_err(Why::Failed)?;
        }
        Ok(())
    })
    .await
}

fn left_out(file: &File, test: &Test) -> Result<(), Reason> {
    for operation in &test.operations {
        let unacknowledged = file.create_entities.iter().any(|entity| {
            let own = entity.get_document("collection").is_ok_and(|own| {
                own.get_str("id").is_ok_and(|id| id == operation.object) && own.contains_key("collectionOptions")
            });
            // Without an answer there is no document to give.
            own && operation.name.starts_with("findOneAnd")
        });
        if unacknowledged {
            return Err(Reason::Unacknowledged);
        }
        match operation.name.as_str() {
            "failPoint" => return Err(Reason::FailPoint),
            "clientBulkWrite" => return Err(Reason::ClientBulkWrite),
            name if OPERATIONS_OUT.contains(&name) => return Err(Reason::Operation(name.to_owned())),
            _ => (),
        }
        let requests = operation.arguments.get_array("requests").into_iter().flatten();
        let inside = requests.filter_map(Bson::as_document).flat_map(Document::values).filter_map(Bson::as_document);
        for arguments in inside.chain([&operation.arguments]) {
            if let Some(name) = ARGUMENTS_OUT.iter().find(|name| arguments.contains_key(**name)) {
                return Err(Reason::Argument((*name).to_owned()));
            }
        }
    }
    Ok(())
}

fn is_met(requirement: &Document, own: &[u64]) -> bool {
    let version = |name| {
        let text = requirement.get_str(name).ok()?;
        Some(text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u64>>())
    };
    let topology = requirement
        .get_array("topologies")
        .is_ok_and(|topologies| !topologies.iter().filter_map(Bson::as_str).any(|topology| topology == "replicaset"));
    version("minServerVersion").is_none_or(|least| *own >= *least)
        && version("maxServerVersion").is_none_or(|most| *own <= *most)
        && !topology
}

async fn fill(data: &Data) -> outlast::Result<()> {
    let collection = collection::<Document>(&data.collection_name);
    collection.drop().await?;
    if !data.documents.is_empty() {
        collection.insert_many(&data.documents).await?;
    }
    Ok(())
}

async fn outcome(data: &Data) -> Result<(), String> {
    let found = collection::<Document>(&data.collection_name).find(doc! {}).sort(doc! { "_id": 1 }).await;
    let found = found.map_err(|error| error.to_string())?.to_vec().await.map_err(|error| error.to_string())?;
    let all = |documents: &[Document]| Bson::Array(documents.iter().cloned().map(Bson::Document).collect());
    matches(&all(&data.documents), Some(&all(&found)), false).map_err(|why| format!("afterwards: {why}"))
}

async fn one(file: &File, operation: &Operation) -> Result<(), String> {
    let came = answer(file, operation).await;
    match (&operation.expect_error, came) {
        (None, Ok(came)) => match &operation.expect_result {
            Some(wanted) => matches(wanted, Some(&came), true),
            None => Ok(()),
        },
        (None, Err(error)) => Err(format!("it failed: {error}")),
        (Some(wanted), Ok(came)) => Err(format!("it gave {came} where it should fail: {wanted}")),
        (Some(wanted), Err(error)) => expected(wanted, &error),
    }
}

fn expected(wanted: &Document, error: &Error) -> Result<(), String> {
    for (name, value) in wanted {
        let holds = match name.as_str() {
            "isError" => true,
            // Refused before any server would have been asked, or by the store itself: here that is one.
            "isClientError" => error.code().is_some() || error.is_terminal(),
            "errorContains" => contains(error, value.as_str().unwrap_or_default()),
            "errorCode" => error.code().map(i64::from) == value.as_i64().or(value.as_i32().map(i64::from)),
            "expectResult" => {
                let came = error.partial_result().map(|done| bulk(&done));
                matches(value, came.as_ref(), true).map_err(|why| format!("what was done: {why}"))?;
                true
            }
            "errorResponse" => {
                let mut came = error.details().cloned().unwrap_or_default();
                came.extend(error.code().map(|code| ("code".to_owned(), Bson::Int32(code))));
                matches(value, Some(&came.into()), true).map_err(|why| format!("the answer: {why}"))?;
                true
            }
            "writeErrors" => {
                let indexes: Vec<usize> = error.write_errors().iter().map(|write| write.index).collect();
                let wanted: Vec<usize> = value
                    .as_document()
                    .into_iter()
                    .flat_map(Document::keys)
                    .map(|place| place.parse().unwrap())
                    .collect();
                indexes == wanted
            }
            other => return Err(format!("these tests don't know {other} of an error")),
        };
        if !holds {
            return Err(format!("{name} {value} doesn't hold of {error:?} (code {:?})", error.code()));
        }
    }
    Ok(())
}

/// The same thing in this project's words.
fn contains(error: &Error, words: &str) -> bool {
    let own = match words {
        "Unrecognized pipeline stage name" => "pipeline",
        "E11000" => "duplicate key",
        other => other,
    };
    let text = format!("{error:?}").to_lowercase();
    text.contains(&own.to_lowercase()) || text.contains(&words.to_lowercase())
}

fn name_of(file: &File, object: &str) -> String {
    let entities = file.create_entities.iter().filter_map(|entity| entity.get_document("collection").ok());
    let own = entities.into_iter().find(|entity| entity.get_str("id").is_ok_and(|id| id == object));
    own.and_then(|own| own.get_str("collectionName").ok()).unwrap_or_default().to_owned()
}

fn ids(ids: &std::collections::HashMap<usize, Bson>) -> Document {
    let sorted: BTreeMap<_, _> = ids.iter().collect();
    sorted.into_iter().map(|(place, id)| (place.to_string(), id.clone())).collect()
}

fn bulk(done: &BulkWriteResult) -> Bson {
    doc! {
        "insertedCount": done.inserted_count as i64, "matchedCount": done.matched_count as i64,
        "modifiedCount": done.modified_count as i64, "deletedCount": done.deleted_count as i64,
        "upsertedCount": done.upserted_count as i64, "insertedIds": ids(&done.inserted_ids),
        "upsertedIds": ids(&done.upserted_ids),
    }
    .into()
}

fn updated(done: outlast::UpdateResult) -> Bson {
    let mut whole = doc! {
        "matchedCount": done.matched_count as i64, "modifiedCount": done.modified_count as i64,
        "upsertedCount": i64::from(done.upserted_id.is_some()),
    };
    if let Some(id) = done.upserted_id {
        whole.insert("upsertedId", id);
    }
    whole.into()
}

/// The arguments of an operation, taken out one after the other.
struct Arguments(Document);

impl Arguments {
    fn document(&self, name: &str) -> Document {
        self.0.get_document(name).cloned().unwrap_or_default()
    }

    fn maybe(&self, name: &str) -> Option<Document> {
        self.0.get_document(name).ok().cloned()
    }

    fn truth(&self, name: &str) -> bool {
        self.0.get_bool(name).unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)))
    }

    fn documents(&self, name: &str) -> Vec<Document> {
        self.0.get_array(name).into_iter().flatten().filter_map(Bson::as_document).cloned().collect()
    }

    fn hint(&self) -> Option<Hint> {
        match self.0.get("hint")? {
            Bson::String(name) => Some(name.as_str().into()),
            Bson::Document(keys) => Some(keys.clone().into()),
            other => panic!("a hint is no {other}"),
        }
    }

    fn update(&self) -> UpdateModifications {
        match self.0.get("update") {
            Some(Bson::Document(update)) => update.clone().into(),
            Some(Bson::Array(_)) => self.documents("update").into(),
            other => panic!("an update is no {other:?}"),
        }
    }

    fn returned(&self) -> ReturnDocument {
        match self.0.get_str("returnDocument") {
            Ok("After") => ReturnDocument::After,
            _ => ReturnDocument::Before,
        }
    }

    fn bypass(&self) -> Option<bool> {
        self.0.get_bool("bypassDocumentValidation").ok()
    }

    fn comment(&self) -> Option<Bson> {
        self.0.get("comment").cloned()
    }
}

/// Calls the builder's method if there is something to say.
macro_rules! with {
    ($action:expr, $($method:ident($value:expr)),+ $(,)?) => {{
        let mut action = $action;
        $(if let Some(value) = $value {
            action = action.$method(value);
        })+
        action
    }};
}

async fn answer(file: &File, operation: &Operation) -> Result<Bson, Error> {
    let arguments = Arguments(operation.arguments.clone());
    if operation.name == "dropCollection" {
        let name = operation.arguments.get_str("collection").unwrap_or_default();
        collection::<Document>(name).drop().await?;
        return Ok(Bson::Null);
    }
    let collection = collection::<Document>(name_of(file, &operation.object));
    match operation.name.as_str() {
        "find" | "findOne" | "countDocuments" | "estimatedDocumentCount" | "distinct" => {
            read(&collection, &operation.name, &arguments).await
        }
        "findOneAndUpdate" | "findOneAndReplace" | "findOneAndDelete" => {
            modify(&collection, &operation.name, &arguments).await
        }
        _ => write(&collection, &operation.name, &arguments).await,
    }
}

async fn read(collection: &Collection<Document>, name: &str, arguments: &Arguments) -> Result<Bson, Error> {
    let filter = arguments.document("filter");
    Ok(match name {
        "find" => {
            let find = with!(
                collection.find(filter),
                sort(arguments.maybe("sort")),
                skip(arguments.number("skip").map(i64::unsigned_abs)),
                limit(arguments.number("limit")),
                projection(arguments.maybe("projection")),
                batch_size(arguments.number("batchSize").map(|size| size as u32)),
                hint(arguments.hint()),
                allow_disk_use(arguments.0.get_bool("allowDiskUse").ok()),
                let_vars(arguments.maybe("let")),
                comment(arguments.comment()),
            );
            find.await?.to_vec().await?.into()
        }
        "findOne" => {
            let find = with!(
                collection.find_one(filter),
                sort(arguments.maybe("sort")),
                skip(arguments.number("skip").map(i64::unsigned_abs)),
            );
            find.await?.map_or(Bson::Null, Bson::Document)
        }
        "countDocuments" => {
            let count = with!(
                collection.count_documents(filter),
                skip(arguments.number("skip").map(i64::unsigned_abs)),
                limit(arguments.number("limit").map(i64::unsigned_abs)),
                comment(arguments.comment()),
            );
            Bson::Int64(count.await? as i64)
        }
        "estimatedDocumentCount" => {
            let count = with!(
                collection.estimated_document_count(),
                max_time(arguments.number("maxTimeMS").map(|millis| Duration::from_millis(millis.unsigned_abs()))),
                comment(arguments.comment()),
            )
            .await?;
            Bson::Int64(count as i64)
        }
        "distinct" => {
            let field = arguments.0.get_str("fieldName").unwrap_or_default();
            with!(collection.distinct(field, filter), hint(arguments.hint()), comment(arguments.comment()))
                .await?
                .into()
        }
        other => panic!("{other} is no read"),
    })
}

async fn modify(collection: &Collection<Document>, name: &str, arguments: &Arguments) -> Result<Bson, Error> {
    let filter = arguments.document("filter");
    let found = match name {
        "findOneAndUpdate" => {
            let action = with!(
                collection.find_one_and_update(filter, arguments.update()).upsert(arguments.truth("upsert")),
                bypass_document_validation(arguments.bypass()),
                sort(arguments.maybe("sort")),
                projection(arguments.maybe("projection")),
                hint(arguments.hint()),
                let_vars(arguments.maybe("let")),
                comment(arguments.comment()),
            );
            action.array_filters(arguments.documents("arrayFilters")).return_document(arguments.returned()).await?
        }
        "findOneAndReplace" => {
            let replacement = arguments.document("replacement");
            let action = with!(
                collection.find_one_and_replace(filter, replacement).upsert(arguments.truth("upsert")),
                bypass_document_validation(arguments.bypass()),
                sort(arguments.maybe("sort")),
                projection(arguments.maybe("projection")),
                hint(arguments.hint()),
                let_vars(arguments.maybe("let")),
                comment(arguments.comment()),
            );
            action.return_document(arguments.returned()).await?
        }
        _ => {
            with!(
                collection.find_one_and_delete(filter),
                sort(arguments.maybe("sort")),
                projection(arguments.maybe("projection")),
                hint(arguments.hint()),
                let_vars(arguments.maybe("let")),
                comment(arguments.comment()),
            )
            .await?
        }
    };
    Ok(found.map_or(Bson::Null, Bson::Document))
}

async fn write(collection: &Collection<Document>, name: &str, arguments: &Arguments) -> Result<Bson, Error> {
    let filter = arguments.document("filter");
    Ok(match name {
        "insertOne" => {
            let done = with!(
                collection.insert_one(arguments.document("document")),
                bypass_document_validation(arguments.bypass()),
                comment(arguments.comment()),
            )
            .await?;
            doc! { "insertedId": done.inserted_id }.into()
        }
        "insertMany" => {
            let action = with!(
                collection.insert_many(arguments.documents("documents")),
                bypass_document_validation(arguments.bypass()),
                ordered(arguments.0.get_bool("ordered").ok()),
                comment(arguments.comment()),
            );
            doc! { "insertedIds": ids(&action.await?.inserted_ids) }.into()
        }
        "updateOne" | "updateMany" => {
            let update = arguments.update();
            let action = if name == "updateOne" {
                collection.update_one(filter, update)
            } else {
                collection.update_many(filter, update)
            };
            let action = with!(
                action.upsert(arguments.truth("upsert")).array_filters(arguments.documents("arrayFilters")),
                bypass_document_validation(arguments.bypass()),
                sort(arguments.maybe("sort")),
                hint(arguments.hint()),
                let_vars(arguments.maybe("let")),
                comment(arguments.comment()),
            );
            updated(action.await?)
        }
        "replaceOne" => {
            let action = with!(
                collection.replace_one(filter, arguments.document("replacement")).upsert(arguments.truth("upsert")),
                bypass_document_validation(arguments.bypass()),
                sort(arguments.maybe("sort")),
                hint(arguments.hint()),
                let_vars(arguments.maybe("let")),
                comment(arguments.comment()),
            );
            updated(action.await?)
        }
        "deleteOne" | "deleteMany" => {
            let action =
                if name == "deleteOne" { collection.delete_one(filter) } else { collection.delete_many(filter) };
            let action =
                with!(action, hint(arguments.hint()), let_vars(arguments.maybe("let")), comment(arguments.comment()));
            doc! { "deletedCount": action.await?.deleted_count as i64 }.into()
        }
        "bulkWrite" => {
            let writes = arguments.documents("requests").into_iter().map(model);
            let action = with!(
                collection.bulk_write(writes),
                bypass_document_validation(arguments.bypass()),
                ordered(arguments.0.get_bool("ordered").ok()),
                let_vars(arguments.maybe("let")),
                comment(arguments.comment()),
            );
            bulk(&action.await?)
        }
        "createIndex" => {
            let options = IndexOptions::builder().unique(arguments.0.get_bool("unique").ok()).build();
            let model = IndexModel::builder().keys(arguments.document("keys")).options(options).build();
            collection.create_index(model).await?.index_name.into()
        }
        other => panic!("these tests don't know the operation {other}"),
    })
}

fn model(request: Document) -> WriteModel<Document> {
    let (name, arguments) = request.into_iter().next().unwrap();
    let arguments = Arguments(arguments.as_document().unwrap().clone());
    let filter = arguments.document("filter");
    let model = match name.as_str() {
        "insertOne" => WriteModel::insert_one(arguments.document("document")),
        "updateOne" => WriteModel::update_one(filter, arguments.update()),
        "updateMany" => WriteModel::update_many(filter, arguments.update()),
        "replaceOne" => WriteModel::replace_one(filter, arguments.document("replacement")),
        "deleteOne" => WriteModel::delete_one(filter),
        "deleteMany" => WriteModel::delete_many(filter),
        other => panic!("these tests don't know the write {other}"),
    };
    let model = model.upsert(arguments.truth("upsert")).array_filters(arguments.documents("arrayFilters"));
    with!(model, sort(arguments.maybe("sort")), hint(arguments.hint()))
}
