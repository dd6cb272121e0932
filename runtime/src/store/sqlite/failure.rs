//! What can go wrong with the file, in the words of its user.
//!
//! A [`Failure`] is the medium's: the group is rolled back whole and tried again. An answer is a caller's: nothing was
//! written, and the group goes on.

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

/// Why the file can't be read or written, now or at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No space is left.
    Full,
    /// Another process holds the lock.
    Busy,
    /// The file, or its directory, can't be written to.
    ReadOnly,
    /// The operating system says no.
    Io(String),
    /// Another file stands in its place.
    Replaced,
    /// What stands in the file makes no sense.
    Damaged(String),
    /// A value is larger than SQLite can hold.
    TooBig,
    /// Anything else that SQLite says.
    Other(String),
    /// Not the file's: a body has to be undone that has no savepoint (see `bodies`). The group is made again at once.
    Undo,
}

impl Failure {
    /// The error for a caller. `file` names the store.
    pub(super) fn error(&self, file: &str) -> Error {
        let unavailable = |text: String| Error::of(ErrorKind::Unavailable, text);
        match self {
            Self::Full => unavailable(format!(
                "the store {file} can't be written: no space is left on its disk. Free some; what was accepted goes on by itself"
            )),
            Self::Busy => unavailable(format!(
                "the store {file} is locked by another process. Look for one that is stopped, or that keeps a transaction \
                 open (a database browser, say), and call again"
            )),
            Self::ReadOnly => unavailable(format!(
                "the store {file} can't be written: the file or its directory is read-only. Let this user write to both"
            )),
            Self::Io(text) => {
                unavailable(format!("the store {file} can't be reached: {text}. Look at the disk, and call again"))
            }
            Self::Replaced => unavailable(format!(
                "the store {file} can't be reached: another file was put in its place while it was open. Restart the \
                 program, which opens what is there now"
            )),
            Self::Damaged(text) => Error::of(
                ErrorKind::Damaged,
                format!(
                    "the store {file} is damaged: {text}. Stop all its processes, keep a copy of the file with its -wal \
                     and -shm, and restore a backup"
                ),
            ),
            Self::TooBig => Error::of(ErrorKind::TooLarge, "a value is larger than SQLite can hold"),
            Self::Other(text) => unavailable(format!("the store {file} failed: {text}")),
            Self::Undo => unavailable(format!("the store {file} undoes a transaction. Call again")),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::from_ref(&error)
    }
}

impl Failure {
    /// What an error of SQLite's means for the file.
    pub(super) fn from_ref(error: &rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else {
            // A column of another type than was written.
            return Self::Damaged(error.to_string());
        };
        match code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Self::Busy,
            ErrorCode::ReadOnly => Self::ReadOnly,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged(error.to_string()),
            ErrorCode::TooBig => Self::TooBig,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                Self::Io(error.to_string())
            }
            // The enum is SQLite's, not ours.
            _ => Self::Other(error.to_string()),
        }
    }
}

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file's: roll the group back and try it again.
    Failure(Failure),
    /// The caller's: nothing was written.
    Answer(Error),
}

impl Fault {
    /// The error for a caller. `file` names the store.
    pub(super) fn error(self, file: &str) -> Error {
        match self {
            Self::Failure(failure) => failure.error(file),
            Self::Answer(error) => error,
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

/// Whether a statement failed because a row of the same key is there.
pub(super) fn is_duplicate(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}
