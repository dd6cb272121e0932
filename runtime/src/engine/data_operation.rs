//! Operations on data by where they stand: recorded in a durable body, part of a transaction, or plain.

use std::future::Future;
use std::sync::Arc;

use bson::{Bson, RawDocumentBuf};
use serde::{Deserialize, Serialize};

use super::body::{BodySpec, ErasedBody};
use super::context::{self, Context};
use super::handle::{decoded, until_answered};
use super::launch::Launch;
use super::operation::{Operation, Placed, misplaced};
use crate::data::{self, Reply};
use crate::encoding;
use crate::error::{Error, ErrorKind, Partial, Result};
use crate::function::outcome::Produced;
use crate::function::spec::{Retry, Secret};
use crate::pace::Pace;
use crate::store::{BoxFuture, Kind, Value};

/// The call of a data operation: where it stands, and its place in the record if it has one.
pub(crate) struct DataCall {
    name: &'static str,
    context: Option<Context>,
    placed: Option<Placed>,
}

impl DataCall {
    /// Called where the user calls the operation. `identity` is what tells it apart from others of its name.
    pub(crate) fn new(name: &'static str, reads: bool, identity: impl FnOnce() -> Vec<u8>) -> Self {
        let context = context::current();
        let placed = match &context {
            Some(Context::Execution(execution)) => {
                let kind = if reads { Kind::Read } else { Kind::Write };
                let digest = execution.engine.digest(kind, name, &[&identity()]);
                // What really starts is known once it is awaited.
                Some(Placed::new(execution, kind, name.into(), digest, Vec::new(), || Launch::Signal(None)))
            }
            Some(Context::Body(_) | Context::Transaction(_) | Context::Plain(_) | Context::Dropping) | None => None,
        };
        Self { name, context, placed }
    }

    /// The operation behind an awaited call. Once.
    pub(crate) fn run<T: Send + 'static>(
        &mut self,
        operation: Result<data::Operation>,
        read: impl FnOnce(Reply) -> Result<T> + Send + 'static,
    ) -> Operation<Result<T>> {
        if let Some(mut placed) = self.placed.take() {
            if placed.starts() {
                let launch = match operation {
                    Ok(operation) => {
                        placed.set_arguments(encoding::encode(&operation.described()).unwrap_or_default());
                        launch(&placed, self.name, operation)
                    }
                    Err(error) => Launch::Fail(error),
                };
                placed.relaunch(launch);
            }
            return Operation::placed(placed, move |taken| read(decoded::<Recorded>(taken)?.try_into()?));
        }
        let operation = match operation {
            Ok(operation) => operation,
            Err(error) => return Operation::ready(Err(error)),
        };
        match self.context.take() {
            Some(Context::Transaction(_)) => match data::current() {
                Some(access) => {
                    let reply = access.data(operation);
                    Operation::direct(async move { read(reply.await.map_err(Error::undone)?) })
                }
                None => Operation::ready(Err(misplaced("a data operation", None))),
            },
            Some(Context::Body(scope)) => {
                let store = scope.engine.store.clone();
                Operation::direct(async move { read(store.data(operation).await?) })
            }
            Some(context @ (Context::Dropping | Context::Execution(_))) => {
                Operation::ready(Err(misplaced("a data operation", Some(&context))))
            }
            Some(Context::Plain(_)) | None => match super::running::current() {
                Ok(engine) => Operation::direct(async move { read(engine.store.data(operation).await?) }),
                Err(error) => Operation::ready(Err(error)),
            },
        }
    }
}

/// The store that a plain operation would reach here.
#[cfg(feature = "mongodb")]
pub(crate) struct AtHand {
    pub(crate) store: Arc<dyn crate::store::Store>,
    /// Whether a transaction's body stands here.
    pub(crate) in_transaction: bool,
}

/// Finds the store for what is unrecorded. `what` names it in an error.
#[cfg(feature = "mongodb")]
pub(crate) fn at_hand(what: &str) -> Result<AtHand> {
    match context::current() {
        Some(Context::Transaction(scope)) => Ok(AtHand { store: scope.engine.store.clone(), in_transaction: true }),
        Some(Context::Body(scope)) => Ok(AtHand { store: scope.engine.store.clone(), in_transaction: false }),
        Some(Context::Execution(execution)) => Err(Error::of(
            ErrorKind::Misplaced,
            format!(
                "`{what}` was called in the durable function `{}` itself, where nothing of it would be recorded: call it in \
                 a step or a transaction",
                execution.function.name
            ),
        )
        .into_terminal()),
        Some(context @ Context::Dropping) => Err(misplaced(&format!("`{what}`"), Some(&context))),
        Some(Context::Plain(_)) | None => {
            Ok(AtHand { store: super::running::current()?.store.clone(), in_transaction: false })
        }
    }
}

fn launch(placed: &Placed, name: &'static str, operation: data::Operation) -> Launch {
    if operation.is_read() { asked(&placed.execution().engine, operation) } else { written(name, operation) }
}

/// A read: on a reader, again until the store answers; its reply counts against the payload limit.
fn asked(engine: &Arc<super::Engine>, operation: data::Operation) -> Launch {
    let engine = engine.clone();
    Launch::Request(Box::new(move || {
        Box::pin(async move {
            let limits = engine.clone();
            let ask = move |_| -> BoxFuture<'static, Result<Recorded>> {
                let (store, operation) = (engine.store.clone(), operation.clone());
                Box::pin(async move { Recorded::of(store.data(operation).await?).await })
            };
            let value = until_answered(ask, "".into()).await;
            match limits.check_size(value.bytes(), || "what a read found".to_owned()) {
                Ok(()) => value,
                Err(error) => Produced::fault(error).value,
            }
        })
    }))
}

/// A write: a transaction of its own.
fn written(name: &'static str, operation: data::Operation) -> Launch {
    let spec = BodySpec {
        name: name.into(),
        retry: Retry { max_attempts: 1, ..Retry::DEFAULT },
        timeout: None,
        at_most_once: false,
        secret: Secret::NONE.into(),
    };
    Launch::Transaction(Arc::new(Single { spec, operation }))
}

/// A transaction of one operation.
struct Single {
    spec: BodySpec,
    operation: data::Operation,
}

impl ErasedBody for Single {
    fn spec(&self) -> &BodySpec {
        &self.spec
    }

    fn recorded(&self) -> BoxFuture<'static, Produced> {
        let reply: BoxFuture<'static, Result<Reply>> = match data::current() {
            Some(access) => access.data(self.operation.clone()),
            None => Box::pin(std::future::ready(Err(misplaced("a data operation", None)))),
        };
        Box::pin(produced(reply))
    }

    fn pace(&self) -> &'static Pace {
        Pace::of::<Self>()
    }
}

async fn produced(reply: impl Future<Output = Result<Reply>>) -> Produced {
    let reply = match reply.await {
        Ok(reply) => Recorded::of(reply).await,
        Err(error) => Err(error),
    };
    match reply {
        Ok(recorded) => match encoding::encode(&recorded) {
            Ok(bytes) => Produced { value: Value::Ok(bytes), error: None, again: None },
            Err(error) => Produced::fault(Error::of(ErrorKind::NotRecordable, error).into_terminal()),
        },
        Err(error) => Produced::fault(undone(error).into_terminal()),
    }
}

/// The error of a write whose transaction is undone with it.
fn undone(error: Error) -> Error {
    if !error.partial().is_some_and(|done| *done != Partial::default()) {
        return error.undone();
    }
    error.undone().context(
        "nothing was written: in a durable function a write is a transaction of its own; call it in a step to keep what \
         didn't fail",
    )
}

/// A reply in the record's form: documents to the byte.
#[derive(Serialize, Deserialize)]
enum Recorded {
    Inserted(Vec<Bson>),
    Documents(Vec<Document>),
    Document(Option<Document>),
    Count(u64),
    Values(Vec<Bson>),
    Wrote(Partial),
    Indexes(Vec<Document>),
    Done,
}

impl Recorded {
    /// All of a reply: rows are read to their end.
    async fn of(reply: Reply) -> Result<Self> {
        let bytes = |document: RawDocumentBuf| Document(document.into_bytes());
        Ok(match reply {
            Reply::Inserted(ids) => Self::Inserted(ids),
            Reply::Documents(documents) => Self::Documents(documents.into_iter().map(bytes).collect()),
            Reply::Rows(mut rows) => {
                let mut all = Vec::new();
                loop {
                    let next = rows.next().await?;
                    if next.is_empty() {
                        break Self::Documents(all);
                    }
                    all.extend(next.into_iter().map(bytes));
                }
            }
            Reply::Document(document) => Self::Document(document.map(bytes)),
            Reply::Count(count) => Self::Count(count),
            Reply::Values(values) => Self::Values(values),
            Reply::Wrote(done) => Self::Wrote(done),
            Reply::Indexes(models) => {
                let models = models.iter().map(|model| bson::serialize_to_raw_document_buf(model).map(bytes));
                Self::Indexes(models.collect::<Result<_, _>>()?)
            }
            Reply::Done => Self::Done,
        })
    }
}

/// A document's bytes.
struct Document(Vec<u8>);

impl Serialize for Document {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Document;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the bytes of a document")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<Document, E> {
                Ok(Document(bytes.to_vec()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> std::result::Result<Document, E> {
                Ok(Document(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

impl TryFrom<Recorded> for Reply {
    type Error = Error;

    fn try_from(recorded: Recorded) -> Result<Self> {
        let damaged = |error| Error::of(ErrorKind::Damaged, format!("a recorded document can't be read: {error}"));
        let document = |document: Document| RawDocumentBuf::from_bytes(document.0).map_err(damaged);
        Ok(match recorded {
            Recorded::Inserted(ids) => Self::Inserted(ids),
            Recorded::Documents(found) => Self::Documents(found.into_iter().map(document).collect::<Result<_>>()?),
            Recorded::Document(found) => Self::Document(found.map(document).transpose()?),
            Recorded::Count(count) => Self::Count(count),
            Recorded::Values(values) => Self::Values(values),
            Recorded::Wrote(done) => Self::Wrote(done),
            Recorded::Indexes(models) => {
                let models = models.into_iter().map(|model| bson::deserialize_from_slice(&model.0).map_err(damaged));
                Self::Indexes(models.collect::<Result<_>>()?)
            }
            Recorded::Done => Self::Done,
        })
    }
}
