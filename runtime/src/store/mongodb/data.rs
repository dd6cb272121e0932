//! Data operations through the driver: the application's words go to the server as they are, its answers come back in
//! outlast's.

use std::sync::Arc;
use std::time::Duration;

use bson::{RawDocumentBuf, doc};
use futures_core::Stream;
use mongodb::error::Result as Driven;
use mongodb::options::Hint as DriverHint;
use mongodb::{ClientSession, Collection, Cursor, IndexModel as DriverIndexModel};

use self::failed::Failed;
use super::concerns;
use super::shared::{Shared, closed};
use crate::data::models::{Hint, IndexModel};
use crate::data::operation::{Query, Rows, Verb};
use crate::data::{Operation, Reply};
use crate::error::{Error, ErrorKind, Result};
use crate::store::BoxFuture;

mod failed;
mod writes;

/// Awaits an action of the driver, inside a transaction if there is one.
macro_rules! within {
    ($session:expr, $action:expr) => {{
        let action = $action;
        match $session.as_deref_mut() {
            Some(session) => action.session(session).await,
            None => action.await,
        }
    }};
}
use within;

/// An operation and where it runs.
pub(super) struct Run<'r> {
    pub(super) shared: &'r Arc<Shared>,
    pub(super) collection: Collection<RawDocumentBuf>,
    /// The transaction that it is part of.
    pub(super) session: Option<&'r mut ClientSession>,
    pub(super) comment: Option<bson::Bson>,
    /// Whether the server's rules for documents are passed over; it is asked to only where it is so.
    pub(super) bypass: Option<bool>,
}

/// Whether MongoDB has the operation outside transactions alone.
pub(super) fn is_outside(verb: &Verb) -> bool {
    match verb {
        Verb::Explain(_) | Verb::CreateIndexes(_) | Verb::ListIndexes | Verb::DropIndex(_) | Verb::Drop => true,
        Verb::Insert { .. }
        | Verb::Find(_)
        | Verb::Count(_)
        | Verb::EstimatedCount { .. }
        | Verb::Distinct { .. }
        | Verb::Write(_)
        | Verb::Bulk { .. }
        | Verb::FindAndModify { .. }
        | Verb::Modify { .. } => false,
    }
}

impl Shared {
    /// An operation outside transactions.
    pub(super) fn data(self: &Arc<Self>, operation: Operation) -> impl Future<Output = Result<Reply>> + Send + use<> {
        let shared = self.clone();
        async move {
            if shared.is_closed() {
                return Err(closed());
            }
            shared.check_not_replaced()?;
            let asked = shared.clone();
            let mut task = shared.runtime.spawn(async move {
                asked.point_of_data(&operation, "before-commit");
                let reply = asked.plainly(&operation).await;
                asked.point_of_data(&operation, "after-commit");
                reply
            });
            loop {
                match tokio::time::timeout(shared.options.limit, &mut task).await {
                    Ok(Ok(reply)) => return reply,
                    Ok(Err(_)) => return Err(closed()),
                    // A query may take its time, if the server is there.
                    Err(_) => drop(shared.ask(|shared| async move { Ok(shared.ping().await?) }).await?),
                }
            }
        }
    }

    fn point_of_data(&self, operation: &Operation, moment: &str) {
        if !operation.is_read() {
            self.point(moment, || "data".to_owned());
        }
    }

    async fn ping(&self) -> Result<(), super::failure::Failure> {
        self.command(self.own.run_command(doc! { "ping": 1 })).await.map(drop)
    }

    /// Runs an operation as the URI says, outside any transaction.
    pub(super) async fn plainly(self: &Arc<Self>, operation: &Operation) -> Result<Reply> {
        if let Verb::Modify { id, change } = &operation.verb {
            return self.modify_alone(&operation.collection, id, change).await;
        }
        let collection = self.plain.collection(&operation.collection);
        let (comment, bypass) = (operation.comment.clone(), operation.bypass_validation.then_some(true));
        let run = Run { shared: self, collection, session: None, comment, bypass };
        run.operation(&operation.verb).await.map_err(|said| said.error)
    }
}

/// An error, and who says so: what the server says ends a transaction.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) error: Error,
    pub(super) by_server: bool,
}

impl Run<'_> {
    /// Runs an operation.
    pub(super) async fn operation(mut self, verb: &Verb) -> Result<Reply, Said> {
        let name = self.collection.name().to_owned();
        let shared = self.shared.clone();
        self.run(verb)
            .await
            .map_err(|failed| Said { by_server: failed.is_of_server(), error: failed.error(&name, &shared.redaction) })
    }

    async fn run(&mut self, verb: &Verb) -> Result<Reply, Failed> {
        match verb {
            Verb::Insert { documents, ordered, single } => self.insert(documents, *ordered, *single).await,
            Verb::Find(query) => self.find(query).await,
            Verb::Explain(query) => self.explain(query).await,
            Verb::Count(query) => self.count(query).await,
            Verb::EstimatedCount { max_time } => self.count_all(*max_time).await,
            Verb::Distinct { field, query } => self.distinct(field, query).await,
            Verb::Write(write) => self.write(write).await.map(Reply::Wrote),
            Verb::Bulk { writes, ordered } => self.bulk(writes, *ordered).await,
            Verb::FindAndModify { write, returned, projection } => {
                self.find_and_modify(write, *returned, projection.as_ref()).await
            }
            Verb::Modify { id, change } => self.modify(id, change).await,
            Verb::CreateIndexes(models) => self.create_indexes(models).await,
            Verb::ListIndexes => self.list_indexes().await,
            Verb::DropIndex(index) => self.drop_index(index.as_deref()).await,
            Verb::Drop => self.collection.drop().await.map(|()| Reply::Done).map_err(Failed::from),
        }
    }

    async fn find(&mut self, query: &Query) -> Result<Reply, Failed> {
        let find = self.collection.find(query.filter.clone());
        let find = match &query.sort {
            Some(sort) => find.sort(sort.clone()),
            None => find,
        };
        let find = match &query.projection {
            Some(projection) => find.projection(projection.clone()),
            None => find,
        };
        let find = find.with_options_of(query).with_comment(self.comment.take());
        let Some(session) = self.session.as_deref_mut() else {
            let rows = Batches(find.await?, self.shared.clone(), self.collection.name().into());
            // The first alone is read at once.
            return if query.limit == 1 { rows.all().await } else { Ok(Reply::Rows(Box::new(rows))) };
        };
        let mut cursor = find.session(&mut *session).await?;
        let mut all = Vec::new();
        while let Some(next) = cursor.next(session).await {
            all.push(next?);
        }
        Ok(Reply::Documents(all))
    }

    async fn explain(&mut self, query: &Query) -> Result<Reply, Failed> {
        let mut find = doc! { "find": self.collection.name(), "filter": query.filter.clone() };
        for (name, value) in [("sort", &query.sort), ("projection", &query.projection), ("let", &query.variables)] {
            if let Some(value) = value {
                find.insert(name, value);
            }
        }
        for (name, value) in [("skip", query.skip), ("limit", query.limit)] {
            if value > 0 {
                find.insert(name, value as i64);
            }
        }
        match &query.hint {
            Some(Hint::Keys(keys)) => drop(find.insert("hint", keys)),
            Some(Hint::Name(name)) => drop(find.insert("hint", name)),
            None => {}
        }
        let plan = self.shared.plain.run_command(doc! { "explain": find, "verbosity": "executionStats" }).await?;
        Ok(Reply::Document(Some(RawDocumentBuf::try_from(&plan).map_err(Error::from)?)))
    }

    async fn count(&mut self, query: &Query) -> Result<Reply, Failed> {
        let count = self.collection.count_documents(query.filter.clone());
        let count = if query.skip > 0 { count.skip(query.skip) } else { count };
        let count = if query.limit > 0 { count.limit(query.limit) } else { count };
        let count = match hint(query.hint.as_ref()) {
            Some(hint) => count.hint(hint),
            None => count,
        };
        let count = match query.max_time {
            Some(time) => count.max_time(time),
            None => count,
        };
        let count = match self.comment.take() {
            Some(comment) => count.comment(comment),
            None => count,
        };
        Ok(Reply::Count(within!(self.session, count)?))
    }

    /// A transaction has no estimate: there they are counted.
    async fn count_all(&mut self, max_time: Option<Duration>) -> Result<Reply, Failed> {
        if self.session.is_some() {
            return self.count(&Query { max_time, ..Query::default() }).await;
        }
        let count = self.collection.estimated_document_count();
        let count = match concerns::of_estimates(self.collection.read_concern()) {
            Some(concern) => count.read_concern(concern),
            None => count,
        };
        let count = match max_time {
            Some(time) => count.max_time(time),
            None => count,
        };
        Ok(Reply::Count(count.await?))
    }

    async fn distinct(&mut self, field: &str, query: &Query) -> Result<Reply, Failed> {
        let distinct = self.collection.distinct(field, query.filter.clone());
        let distinct = match query.max_time {
            Some(time) => distinct.max_time(time),
            None => distinct,
        };
        let distinct = match hint(query.hint.as_ref()) {
            Some(hint) => distinct.hint(hint),
            None => distinct,
        };
        let distinct = match self.comment.take() {
            Some(comment) => distinct.comment(comment),
            None => distinct,
        };
        Ok(Reply::Values(within!(self.session, distinct)?))
    }

    async fn create_indexes(&mut self, models: &[IndexModel]) -> Result<Reply, Failed> {
        let made = self.collection.create_indexes(models.iter().cloned().map(DriverIndexModel::from)).await?;
        let named = |(model, name): (&IndexModel, String)| {
            let mut model = model.clone();
            model.options.get_or_insert_default().name = Some(name);
            model
        };
        Ok(Reply::Indexes(models.iter().zip(made.index_names).map(named).collect()))
    }

    async fn list_indexes(&mut self) -> Result<Reply, Failed> {
        let mut cursor = match self.collection.list_indexes().await {
            Ok(cursor) => cursor,
            // A collection that isn't there has none.
            Err(error) if super::failure::code(&error) == Some(NAMESPACE_NOT_FOUND) => {
                return Ok(Reply::Indexes(Vec::new()));
            }
            Err(error) => return Err(error.into()),
        };
        let mut models = Vec::new();
        while let Some(model) = next(&mut cursor).await? {
            models.push(model.into());
        }
        Ok(Reply::Indexes(models))
    }

    async fn drop_index(&mut self, name: Option<&str>) -> Result<Reply, Failed> {
        match name {
            Some(name) => self.collection.drop_index(name).await?,
            None => self.collection.drop_indexes().await?,
        }
        Ok(Reply::Done)
    }
}

/// MongoDB's code for a collection that isn't there.
const NAMESPACE_NOT_FOUND: i32 = 26;

/// The options that a find has beside its document.
trait Finding: Sized {
    fn with_options_of(self, query: &Query) -> Self;
    fn with_comment(self, comment: Option<bson::Bson>) -> Self;
}

impl Finding for mongodb::action::Find<'_, RawDocumentBuf> {
    fn with_options_of(self, query: &Query) -> Self {
        let mut find = self;
        if query.skip > 0 {
            find = find.skip(query.skip);
        }
        match query.limit {
            0 => {}
            // In a single batch, after which there is no cursor to ask.
            1 => find = find.limit(-1),
            limit => find = find.limit(i64::try_from(limit).unwrap_or(i64::MAX)),
        }
        if let Some(hint) = hint(query.hint.as_ref()) {
            find = find.hint(hint);
        }
        if let Some(size) = query.batch_size {
            find = find.batch_size(size);
        }
        if let Some(time) = query.max_time {
            find = find.max_time(time);
        }
        if let Some(variables) = &query.variables {
            find = find.let_vars(variables.clone());
        }
        if let Some(allowed) = query.allow_disk_use {
            find = find.allow_disk_use(allowed);
        }
        find
    }

    fn with_comment(self, comment: Option<bson::Bson>) -> Self {
        match comment {
            Some(comment) => self.comment(comment),
            None => self,
        }
    }
}

/// A hint in the driver's type.
fn hint(hint: Option<&Hint>) -> Option<DriverHint> {
    hint.cloned().map(DriverHint::from)
}

/// The next of a stream.
pub(super) async fn next<T>(stream: &mut (impl Stream<Item = Driven<T>> + Unpin)) -> Driven<Option<T>> {
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut *stream).poll_next(cx)).await.transpose()
}

/// Documents as the server sends them.
struct Batches(Cursor<RawDocumentBuf>, Arc<Shared>, Arc<str>);

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batches")
    }
}

/// The most documents that are handed on together.
const AT_ONCE: usize = 256;

impl Batches {
    async fn all(mut self) -> Result<Reply, Failed> {
        let mut all = Vec::new();
        while let Some(document) = next(&mut self.0).await? {
            all.push(document);
        }
        Ok(Reply::Documents(all))
    }

    /// What has come, and at least one.
    async fn batch(&mut self) -> Driven<Vec<RawDocumentBuf>> {
        let mut batch = Vec::new();
        while batch.len() < AT_ONCE && (batch.is_empty() || self.0.has_next()) {
            match next(&mut self.0).await? {
                Some(document) => batch.push(document),
                None => break,
            }
        }
        Ok(batch)
    }
}

impl Rows for Batches {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<RawDocumentBuf>>> {
        Box::pin(async move {
            let batch = self.batch().await;
            batch.map_err(|error| Failed::from(error).error(&self.2, &self.1.redaction))
        })
    }
}

/// An error that says an operation has no place inside a transaction any more.
pub(super) fn too_late_for(verb: &Verb) -> Error {
    let what = match verb {
        Verb::CreateIndexes(_) | Verb::DropIndex(_) | Verb::ListIndexes => "an operation on indexes",
        Verb::Drop => "dropping a collection",
        _ => "this operation",
    };
    Error::of(
        ErrorKind::Unsupported,
        format!("{what} can't be part of a transaction on MongoDB: await it before the transaction, in a step"),
    )
    .into_terminal()
}
