//! The one error type of the crate, its kinds, and the two marks that steer retries.
//!
//! `Error` takes any `std::error::Error` through `?`, keeps its message and the chain behind it, and is recorded and
//! replayed as it was. It derefs to `dyn std::error::Error` without implementing the trait: only so can the blanket
//! `From` stand beside `#[from] outlast::Error` in a user's own error type.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(feature = "sqlite")]
pub(crate) use self::data::DUPLICATE_KEY;
pub use self::data::WriteError;
pub(crate) use self::data::{DataFailure, Partial};

mod data;
#[cfg(feature = "mongodb")]
pub(crate) mod driver;

/// The result of a durable function, a step or an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an [`Error`] is about; the few kinds that a program can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The user's own failure, whatever it was.
    Failed,
    /// A step failed more often, or for longer, than its retry policy allows.
    Exhausted,
    /// A step's attempt or a durable function took longer than its `timeout`.
    Timeout,
    /// A body panicked.
    Panicked,
    /// An `at_most_once` step was cut off by a crash: whether it happened is not known.
    Interrupted,
    /// The execution was cancelled.
    Cancelled,
    /// An argument, a result or a message is over its limit.
    TooLarge,
    /// A value can't be recorded so that it comes back as it went in.
    NotRecordable,
    /// Called where it can't work: a step outside an execution, a sleep inside a transaction.
    Misplaced,
    /// The id is taken by a call with other arguments or of another function.
    Conflict,
    /// The id belongs to an execution that ended so long ago that only its name is remembered.
    Expired,
    /// No such execution, function or document.
    NotFound,
    /// The function awaited something that is not durable; its execution is parked.
    NotDurable,
    /// The function went another way than its record; its execution is parked.
    Diverged,
    /// The execution is parked and needs a new build, or `resume`.
    Parked,
    /// The store is out of reach or busy; the call can be made again with the same id.
    Unavailable,
    /// The store's file is damaged, foreign, or of a newer version.
    Damaged,
    /// A setting, a URL, a name or a duration is wrong.
    Invalid,
    /// Known, but not offered by this store or this build.
    Unsupported,
}

impl ErrorKind {
    /// The kind's name in records, JSON and the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Exhausted => "exhausted",
            Self::Timeout => "timeout",
            Self::Panicked => "panicked",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
            Self::TooLarge => "too large",
            Self::NotRecordable => "not recordable",
            Self::Misplaced => "misplaced",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::NotFound => "not found",
            Self::NotDurable => "not durable",
            Self::Diverged => "diverged",
            Self::Parked => "parked",
            Self::Unavailable => "unavailable",
            Self::Damaged => "damaged",
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
        }
    }
}

/// An error that can be recorded: message, chain, kind and retry marks come back on replay as they were.
///
/// ```
/// use outlast::{Error, ErrorKind, Result};
///
/// fn read() -> Result<u32> {
///     Ok("4x".parse::<u32>()?) // any error, by `?`
/// }
/// let error: Error = read().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Failed);
/// assert!(!error.is_terminal());
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Inner::deserialize(deserializer).map(|inner| Self(Arc::new(inner)))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Inner {
    kind: ErrorKind,
    message: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    terminal: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
    /// The id of the execution that the error is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution: Option<String>,
    /// What a database says of a failed operation on data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Box<DataFailure>>,
    /// What stands behind the message, outermost first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Box<Cause>>,
}

/// One link of a recorded chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cause {
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Box<Cause>>,
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Inner {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl Cause {
    /// The chain behind `error`, itself left out.
    fn behind(error: &(dyn StdError + 'static)) -> Option<Box<Self>> {
        let source = error.source()?;
        Some(Box::new(Self { message: source.to_string(), cause: Self::behind(source) }))
    }
}

impl Error {
    /// An error of the user's own that is retried within the step's policy.
    pub fn new(message: impl fmt::Display) -> Self {
        Self::of(ErrorKind::Failed, message)
    }

    /// An error that no retry can mend: the step records it at once.
    ///
    /// ```
    /// # use outlast::Error;
    /// assert!(Error::terminal("card declined").is_terminal());
    /// ```
    pub fn terminal(message: impl fmt::Display) -> Self {
        Self::of(ErrorKind::Failed, message).into_terminal()
    }

    pub(crate) fn of(kind: ErrorKind, message: impl fmt::Display) -> Self {
        let inner = Inner {
            kind,
            message: message.to_string(),
            terminal: false,
            retry_after: None,
            execution: None,
            data: None,
            cause: None,
        };
        Self(Arc::new(inner))
    }

    /// What the error is about.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether a retry is pointless.
    pub fn is_terminal(&self) -> bool {
        self.0.terminal
    }

    /// The wait that the failing body asked for before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The id of the execution that the error is about: what a caller needs to ask again.
    pub fn execution(&self) -> Option<&str> {
        self.0.execution.as_deref()
    }

    /// The error with its terminal mark set.
    #[must_use]
    pub fn into_terminal(self) -> Self {
        self.map(|inner| inner.terminal = true)
    }

    /// The error with a wait before the next attempt, in place of the policy's back-off.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.map(|inner| inner.retry_after = Some(wait))
    }

    pub(crate) fn with_execution(self, id: impl fmt::Display) -> Self {
        self.map(|inner| inner.execution = Some(id.to_string()))
    }

    /// The error as the cause of a message that says what was being done.
    #[must_use]
    pub fn context(self, message: impl fmt::Display) -> Self {
        self.map(|inner| {
            let cause = Cause { message: std::mem::take(&mut inner.message), cause: inner.cause.take() };
            inner.message = message.to_string();
            inner.cause = Some(Box::new(cause));
        })
    }

    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        self.map(|inner| inner.kind = kind)
    }

    /// The messages of the whole chain, outermost first.
    pub fn messages(&self) -> Vec<String> {
        let mut messages = vec![self.0.message.clone()];
        let mut next = self.0.cause.as_deref();
        while let Some(cause) = next {
            messages.push(cause.message.clone());
            next = cause.cause.as_deref();
        }
        messages
    }

    fn map(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// A user's error in our form: its words and chain, with kind and marks of the `outlast::Error` in it.
    pub(crate) fn borrowed(error: &(dyn StdError + 'static)) -> Self {
        // An `outlast::Error` that a user's error wraps keeps its kind and marks; the wrapper's words come first.
        let found = Self::within(error);
        let mut inner = Inner {
            kind: ErrorKind::Failed,
            message: error.to_string(),
            terminal: false,
            retry_after: None,
            execution: None,
            data: None,
            cause: Cause::behind(error),
        };
        if let Some(found) = found {
            inner.kind = found.0.kind;
            inner.terminal = found.0.terminal;
            inner.retry_after = found.0.retry_after;
            inner.execution.clone_from(&found.0.execution);
            inner.data.clone_from(&found.0.data);
        } else {
            #[cfg(feature = "mongodb")]
            if let Some(found) = driver::within(error) {
                let (kind, data) = driver::known(found);
                inner.kind = kind;
                inner.terminal = !driver::is_passing(kind) && kind != ErrorKind::Failed;
                inner.data = Some(data.into());
            }
        }
        Self(Arc::new(inner))
    }

    /// The `outlast::Error` in the chain of a user's error, itself or behind its variants.
    pub(crate) fn within<'a>(error: &'a (dyn StdError + 'static)) -> Option<Self> {
        let mut next: Option<&'a (dyn StdError + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(inner) = error.downcast_ref::<Inner>() {
                return Some(Self(Arc::new(inner.clone())));
            }
            next = error.source();
        }
        None
    }
}

impl Deref for Error {
    type Target = dyn StdError + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    /// The message, then what stands behind it, line by line: what a failing `main` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = self.messages();
        f.write_str(&messages[0])?;
        for (place, message) in messages[1..].iter().enumerate() {
            f.write_str(if place == 0 { "\n\ncaused by:" } else { "" })?;
            write!(f, "\n    {message}")?;
        }
        Ok(())
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind()
            && self.is_terminal() == other.is_terminal()
            && self.retry_after() == other.retry_after()
            && self.0.data == other.0.data
            && self.messages() == other.messages()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self::borrowed(&error)
    }
}

/// Marks for the error of a `Result`: no retry at all, or a retry at a time of its own.
pub trait ResultExt<T> {
    /// No retry can mend this error: the step records it at once.
    ///
    /// ```
    /// use outlast::prelude::*;
    /// let result: Result<u8> = "300".parse::<u8>().terminal();
    /// assert!(result.unwrap_err().is_terminal());
    /// ```
    fn terminal(self) -> Result<T>;

    /// The next attempt waits this long, whatever the policy says.
    fn retry_after(self, wait: impl crate::IntoDuration) -> Result<T>;

    /// Says what was being done; the error at hand becomes the cause.
    fn context(self, message: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn terminal(self) -> Result<T> {
        self.map_err(|error| error.into().into_terminal())
    }

    fn retry_after(self, wait: impl crate::IntoDuration) -> Result<T> {
        match (self, wait.into_duration()) {
            (Ok(value), _) => Ok(value),
            (Err(error), Ok(wait)) => Err(error.into().with_retry_after(wait)),
            (Err(error), Err(_)) => Err(error.into()),
        }
    }

    fn context(self, message: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(message))
    }
}
