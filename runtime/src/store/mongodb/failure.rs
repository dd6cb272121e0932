//! What can go wrong with the server, in the words of its user.
//!
//! A [`Failure`] is the server's or the network's: the command is sent again. An answer is a caller's: nothing was
//! written, or what was is known.

use mongodb::error::{Error as DriverError, ErrorKind as DriverKind};

use super::client::Redaction;
pub(super) use crate::error::driver::{code, words};
use crate::error::{Error, ErrorKind};

/// A unique key is taken.
pub(super) const DUPLICATE_KEY: i32 = 11_000;

/// Why the server can't be asked, now or at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody answers, or the connection broke.
    Unreachable(String),
    /// The user is unknown, or the password wrong.
    Refused(String),
    /// The user may not do this.
    Forbidden(String),
    /// What stands in the database makes no sense.
    Damaged(String),
    /// A value is larger than a document can be.
    TooBig,
    /// Anything else that the server says, with its code.
    Other(i32, String),
}

impl Failure {
    /// The failure behind an error of the driver. No secret gets into it.
    pub(super) fn of(error: &DriverError, redaction: &Redaction) -> Self {
        let text = redaction.clean(&words(error));
        if matches!(*error.kind, DriverKind::Authentication { .. }) {
            return Self::Refused(text);
        }
        match code(error) {
            Some(18) => Self::Refused(text),
            Some(13) => Self::Forbidden(text),
            Some(10_334 | 17_280 | 17_419 | 17_420) => Self::TooBig,
            Some(code) => Self::Other(code, text),
            None => match &*error.kind {
                DriverKind::BsonDeserialization(_) | DriverKind::Bson(_) | DriverKind::InvalidResponse { .. } => {
                    Self::Damaged(text)
                }
                // A handshake that was refused comes as a server that can't be selected.
                DriverKind::ServerSelection { .. } if text.contains("uthentication") => Self::Refused(text),
                _ => Self::Unreachable(text),
            },
        }
    }

    /// An answer with something else in it than was asked for. The driver doesn't look which request a reply answers: one
    /// that comes twice would be taken for the next one's.
    pub(super) fn astray() -> Self {
        Self::Unreachable(
            "an answer came that isn't one to what was asked: something between this process and the server repeats \
             replies"
                .into(),
        )
    }

    /// The error for a caller. `store` names the store.
    pub(super) fn error(&self, store: &str) -> Error {
        let unavailable = |text: String| Error::of(ErrorKind::Unavailable, text);
        match self {
            Self::Unreachable(text) => unavailable(format!(
                "the store {store} can't be reached: {text}. Look at the address, the network and the server; what was \
                 accepted goes on by itself"
            )),
            Self::Refused(text) => unavailable(format!(
                "the store {store} refuses this user: {text}. Look at the name, the password and `authSource` in \
                 OUTLAST_STORE"
            )),
            Self::Forbidden(text) => unavailable(format!(
                "the store {store} doesn't let this user do that: {text}. Give it the role `readWrite` on the database"
            )),
            Self::Damaged(text) => Error::of(
                ErrorKind::Damaged,
                format!("the store {store} is damaged: {text}. Stop all its workers and restore a backup"),
            ),
            Self::TooBig => Error::of(ErrorKind::TooLarge, "a value is larger than MongoDB can hold").into_terminal(),
            Self::Other(code, text) => unavailable(format!("the store {store} failed with code {code}: {text}")),
        }
    }

    /// Whether no wait can mend it.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Forbidden(_) | Self::Damaged(_) | Self::TooBig => true,
            Self::Unreachable(_) | Self::Other(..) => false,
        }
    }
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server's: ask it again.
    Failure(Failure),
    /// The caller's.
    Answer(Error),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

/// Whether a write failed because its key is taken.
pub(super) fn is_duplicate(error: &DriverError) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}
