//! What the driver and the server say of a failed data operation, in outlast's words: kind, code, labels, and of several
//! writes which failed and what was done all the same.

use mongodb::error::{Error as DriverError, ErrorKind as DriverKind};

use crate::error::driver::{BAD_VALUE, is_passing, kind_of, known, words};
use crate::error::{Error, Partial, WriteError};
use crate::store::mongodb::client::Redaction;

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
                let kind = kind_of(taken.or_else(|| first.map(|first| first.code)).unwrap_or(BAD_VALUE));
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
    let (kind, data) = known(error);
    let failed = Error::of(kind, format!("{collection}: {text}")).with_data(|all| *all = data);
    if is_passing(kind) { failed } else { failed.into_terminal() }
}

fn is_taken(code: i32) -> bool {
    matches!(code, 11_000 | 11_001 | 12_582)
}
