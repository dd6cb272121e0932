//! What the driver and the server say of a failed data operation, in outlast's words: kind, code, labels, and of several
//! writes which failed and what was done all the same.

use bson::{Bson, Document};
use mongodb::error::{Error as DriverError, ErrorKind as DriverKind};

use crate::error::{Error, ErrorKind, Partial, WriteError};
use crate::store::mongodb::client::Redaction;
use crate::store::mongodb::failure::{code, words};

/// MongoDB's code for what has no other.
const BAD_VALUE: i32 = 2;

/// Why an operation failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The driver's or the server's word.
    Driver(Box<DriverError>),
    /// Some of several writes, and what was done all the same.
    Writes(Box<SomeWrites>),
    /// Ours, or the application's.
    Said(Error),
}

/// Several writes of which some failed.
#[derive(Debug)]
pub(super) struct SomeWrites {
    pub(super) failed: Vec<WriteError>,
    pub(super) done: Partial,
    pub(super) labels: Vec<String>,
}

impl From<DriverError> for Failed {
    fn from(error: DriverError) -> Self {
        Self::Driver(Box::new(error))
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl Failed {
    /// Whether the server, or the way to it, says so.
    pub(super) fn is_of_server(&self) -> bool {
        match self {
            Self::Driver(error) => {
                !matches!(*error.kind, DriverKind::InvalidArgument { .. } | DriverKind::BsonSerialization(_))
            }
            Self::Writes(_) => true,
            Self::Said(_) => false,
        }
    }

    /// The error for the application.
    pub(super) fn error(self, collection: &str, redaction: &Redaction) -> Error {
        match self {
            Self::Said(error) => error,
            Self::Driver(error) => of_driver(collection, &error, redaction),
            Self::Writes(some) => {
                let first = some.failed.first();
                let text = first.map_or_else(String::new, |first| format!("number {}: {}", first.index, first.message));
                let taken = some.failed.iter().find(|write| is_taken(write.code)).map(|write| write.code);
                let kind = kind(taken.or_else(|| first.map(|first| first.code)).unwrap_or(BAD_VALUE));
                let count = some.failed.len();
                let error = Error::of(kind, format!("{collection}: {count} of the writes failed; {text}"));
                let error = error.with_data(|data| {
                    data.partial = Some(some.done);
                    data.writes = some.failed;
                    data.labels = some.labels;
                });
                if is_passing(kind) { error } else { error.into_terminal() }
            }
        }
    }
}

fn of_driver(collection: &str, error: &DriverError, redaction: &Redaction) -> Error {
    let text = redaction.clean(&words(error));
    let (kind, code) = match (code(error), &*error.kind) {
        (Some(code), _) => (kind(code), Some(code)),
        // Refused before it was sent.
        (None, DriverKind::InvalidArgument { message, .. }) if message.contains("bytes") => {
            (ErrorKind::TooLarge, Some(10_334))
        }
        (None, DriverKind::InvalidArgument { .. } | DriverKind::BsonSerialization(_) | DriverKind::Bson(_)) => {
            (ErrorKind::Invalid, Some(BAD_VALUE))
        }
        (None, _) => (ErrorKind::Unavailable, None),
    };
    let mut labels: Vec<String> = error.labels().iter().cloned().collect();
    labels.sort();
    let mut failed = Error::of(kind, format!("{collection}: {text}"));
    if let Some(code) = code {
        failed = failed.with_code(code);
    }
    if !labels.is_empty() {
        failed = failed.with_data(|data| data.labels = labels);
    }
    if let Some(details) = details(error) {
        failed = failed.with_data(|data| data.details = Some(details));
    }
    if is_passing(kind) { failed } else { failed.into_terminal() }
}

/// What the server says beside its words: a write that failed says it in its own place of the answer.
fn details(error: &DriverError) -> Option<Document> {
    let answer = error.server_response()?;
    let first = answer.get_array("writeErrors").ok().and_then(|errors| errors.get_document(0).ok());
    let said = first.unwrap_or(answer);
    let named = ["keyPattern", "keyValue", "errInfo"].into_iter();
    let found = named.filter_map(|name| Some((name.to_owned(), Bson::try_from(said.get(name).ok()??).ok()?)));
    let details: Document = found.collect();
    (!details.is_empty()).then_some(details)
}

fn is_taken(code: i32) -> bool {
    matches!(code, 11_000 | 11_001 | 12_582)
}

/// Whether a wait may mend it.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout)
}

/// What a code is about.
fn kind(code: i32) -> ErrorKind {
    match code {
        // Taken keys; an index of this name with other options.
        11_000 | 11_001 | 12_582 | 85 | 86 => ErrorKind::Conflict,
        // Documents over the limit.
        10_334 | 17_280 | 17_419 | 17_420 => ErrorKind::TooLarge,
        // A collection or an index that isn't there.
        26 | 27 => ErrorKind::NotFound,
        // Time is up on the server.
        50 => ErrorKind::Timeout,
        // Unknown commands, stages and operators.
        59 | 115 | 168 | 238 | 40_324 => ErrorKind::Unsupported,
        // Elections, shutdowns, networks, locks, conflicts: later it may be done.
        6 | 7 | 13 | 18 | 24 | 46 | 64 | 79 | 89 | 91 | 112 | 134 | 189 | 225 | 244 | 251 | 262 | 317 | 358 | 9001
        | 10_058 | 10_107 | 11_600 | 11_602 | 13_388 | 13_435 | 13_436 => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}
