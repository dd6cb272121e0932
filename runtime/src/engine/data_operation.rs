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
use super::pace::Pace;
use super::state::Taken;
use crate::data::{self, Reply};
use crate::encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::function::outcome::Produced;
use crate::function::spec::{Retry, Secret};
use crate::store::{BoxFuture, Kind, Value};

/// Runs a data operation, and reads its reply.
pub(crate) fn data<T: Send + 'static>(
    name: &'static str,
    operation: Result<data::Operation>,
    read: impl FnOnce(Reply) -> Result<T> + Send + 'static,
) -> Operation<Result<T>> {
    let operation = match operation {
        Ok(operation) => operation,
        Err(error) => return Operation::ready(Err(error)),
    };
    match context::current() {
        Some(Context::Execution(execution)) => {
            let kind = if operation.is_read() { Kind::Read } else { Kind::Write };
            let (arguments, shown) = described(&operation);
            let digest = execution.engine.digest(kind, name, &[&arguments]);
            let launch =
                if operation.is_read() { asked(&execution.engine, operation) } else { written(name, operation) };
            let placed = Placed::new(&execution, kind, name.into(), digest, shown, || launch);
            Operation::placed(placed, move |taken| read(recorded(taken)?))
        }
        Some(Context::Transaction(_)) => match data::current() {
            Some(access) => {
                let reply = access.data(operation);
                Operation::direct(async move { read(reply.await?) })
            }
            None => Operation::ready(Err(misplaced("a data operation", None))),
        },
        Some(Context::Body(scope)) => {
            let store = scope.engine.store.clone();
            Operation::direct(async move { read(store.data(operation).await?) })
        }
        Some(context @ Context::Dropping) => Operation::ready(Err(misplaced("a data operation", Some(&context)))),
        Some(Context::Plain(_)) | None => match super::running::current() {
            Ok(engine) => Operation::direct(async move { read(engine.store.data(operation).await?) }),
            Err(error) => Operation::ready(Err(error)),
        },
    }
}

fn recorded(taken: Result<Taken>) -> Result<Reply> {
    decoded::<Recorded>(taken)?.try_into()
}

/// A read: on a reader, again until the store answers; its reply counts against the payload limit.
fn asked(engine: &Arc<super::Engine>, operation: data::Operation) -> Launch {
    let engine = engine.clone();
    Launch::Request(Box::new(move || {
        Box::pin(async move {
            let limits = engine.clone();
            let ask = move |_| -> BoxFuture<'static, Result<Recorded>> {
                let (store, operation) = (engine.store.clone(), operation.clone());
                Box::pin(async move { Ok(Recorded::from(store.data(operation).await?)) })
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
    match reply.await.map(Recorded::from) {
        Ok(recorded) => match encoding::encode(&recorded) {
            Ok(bytes) => Produced { value: Value::Ok(bytes), error: None, again: None },
            Err(error) => Produced::fault(Error::of(ErrorKind::NotRecordable, error).into_terminal()),
        },
        Err(error) => Produced::fault(error.into_terminal()),
    }
}

/// What tells two operations apart, and how they are shown.
fn described(operation: &data::Operation) -> (Vec<u8>, Vec<u8>) {
    let document = operation.described();
    let bytes = document.to_vec().unwrap_or_default();
    let shown = encoding::encode(&document).unwrap_or_default();
    (bytes, shown)
}

/// A reply in the record's form: documents to the byte.
#[derive(Serialize, Deserialize)]
enum Recorded {
    Inserted(Bson),
    Found(Option<Document>),
    All(Vec<Document>),
    Updated { matched: u64, modified: u64 },
    Deleted(u64),
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

impl From<Reply> for Recorded {
    fn from(reply: Reply) -> Self {
        let bytes = |document: RawDocumentBuf| Document(document.into_bytes());
        match reply {
            Reply::Inserted(id) => Self::Inserted(id),
            Reply::Found(document) => Self::Found(document.map(bytes)),
            Reply::All(documents) => Self::All(documents.into_iter().map(bytes).collect()),
            Reply::Updated { matched, modified } => Self::Updated { matched, modified },
            Reply::Deleted(count) => Self::Deleted(count),
        }
    }
}

impl TryFrom<Recorded> for Reply {
    type Error = Error;

    fn try_from(recorded: Recorded) -> Result<Self> {
        let document = |document: Document| {
            RawDocumentBuf::from_bytes(document.0)
                .map_err(|error| Error::of(ErrorKind::Damaged, format!("a recorded document can't be read: {error}")))
        };
        Ok(match recorded {
            Recorded::Inserted(id) => Self::Inserted(id),
            Recorded::Found(found) => Self::Found(found.map(document).transpose()?),
            Recorded::All(documents) => Self::All(documents.into_iter().map(document).collect::<Result<_>>()?),
            Recorded::Updated { matched, modified } => Self::Updated { matched, modified },
            Recorded::Deleted(count) => Self::Deleted(count),
        })
    }
}
