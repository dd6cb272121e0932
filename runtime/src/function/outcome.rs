//! Results on their way into a record and back: typed errors stay typed, and what isn't the user's reaches them
//! through `From<outlast::Error>`.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::signature::Begun;
use crate::encoding::{self, EncodingError};
use crate::error::{Error, ErrorKind};
use crate::store::Value;

/// The error of a durable function or a step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the error of a durable function or a step",
    label = "can't be recorded and replayed",
    note = "use `outlast::Error`, or a type that is `std::error::Error + Serialize + Deserialize + Send + Sync` with a variant `#[error(\"{{0}}\")] Outlast(#[from] outlast::Error)`"
)]
pub trait Failure: Serialize + DeserializeOwned + From<Error> + Send + Sync + 'static {
    /// As an `outlast::Error`: kind and marks of the one in its chain, if there is one.
    fn error(&self) -> Error;
}

impl Failure for Error {
    fn error(&self) -> Error {
        self.clone()
    }
}

#[diagnostic::do_not_recommend]
impl<E> Failure for E
where
    E: StdError + Serialize + DeserializeOwned + From<Error> + Send + Sync + 'static,
{
    fn error(&self) -> Error {
        Error::borrowed(self)
    }
}

/// The success of a durable function or a step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a durable function or a step",
    label = "can't be recorded and read back",
    note = "a result is recorded before it is used: it needs `#[derive(Serialize, Deserialize)]`, and must be owned and `Send`"
)]
pub trait Success: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Success for T {}

/// What a durable function or a step returns: `Result<T, E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a result",
    label = "must be a `Result`",
    note = "return `outlast::Result<T>` or `Result<T, E>`: what isn't the function's own (a timeout, say) reaches the caller as an error"
)]
pub trait Outcome: Send + Sized + 'static {
    #[doc(hidden)]
    fn encode(&self) -> Result<Value, EncodingError>;
    #[doc(hidden)]
    fn decode(value: &Value) -> Result<Self, EncodingError>;
    #[doc(hidden)]
    fn fault(error: Error) -> Self;
    #[doc(hidden)]
    fn error(&self) -> Option<Error>;
}

impl<T: Success, E: Failure> Outcome for Result<T, E> {
    /// Encodes, and proves that the value comes back as it went in.
    fn encode(&self) -> Result<Value, EncodingError> {
        match self {
            Ok(value) => {
                let bytes = encoding::encode(value)?;
                encoding::check::<T>(&bytes, false)?;
                Ok(Value::Ok(bytes))
            }
            Err(error) => {
                let bytes = encoding::encode(error)?;
                encoding::check::<E>(&bytes, false)?;
                Ok(Value::Err(bytes))
            }
        }
    }

    fn decode(value: &Value) -> Result<Self, EncodingError> {
        match value {
            Value::Ok(bytes) => encoding::decode(bytes).map(Ok),
            Value::Err(bytes) => encoding::decode(bytes).map(Err),
            Value::Fault(bytes) => encoding::decode::<Error>(bytes).map(|error| Err(E::from(error))),
        }
    }

    fn fault(error: Error) -> Self {
        Err(E::from(error))
    }

    fn error(&self) -> Option<Error> {
        self.as_ref().err().map(Failure::error)
    }
}

/// How a result is recorded: the bounds, once, where its type stands.
pub struct Codec<R> {
    pub(crate) encode: fn(&R) -> Result<Value, EncodingError>,
    pub(crate) decode: fn(&Value) -> Result<R, EncodingError>,
    pub(crate) fault: fn(Error) -> R,
    pub(crate) error: fn(&R) -> Option<Error>,
    /// The user's own word on whether to try again.
    pub(crate) when: Option<fn(&R) -> bool>,
}

impl<R> Clone for Codec<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Codec<R> {}

impl<R> Codec<R> {
    /// With a predicate of the user's that says whether a failed result is worth another attempt.
    #[must_use]
    pub const fn retry_when(mut self, when: fn(&R) -> bool) -> Self {
        self.when = Some(when);
        self
    }
}

/// The witness of a result.
pub const fn codec<R: Outcome>() -> Codec<R> {
    Codec { encode: R::encode, decode: R::decode, fault: R::fault, error: R::error, when: None }
}

/// What a body came to, in the record's form.
#[derive(Debug, Clone)]
pub struct Produced {
    /// What would be recorded.
    pub(crate) value: Value,
    /// The failure, if it is one, with its marks.
    pub(crate) error: Option<Error>,
    /// The user's word on another attempt, if there is one.
    pub(crate) again: Option<bool>,
}

impl<R> Codec<R> {
    /// The record's form of a body's result. What can't be recorded is a terminal fault that names the place.
    pub(crate) fn produce(&self, result: &R) -> Produced {
        match (self.encode)(result) {
            Ok(value) => {
                let error = (self.error)(result);
                let again = error.as_ref().and(self.when).map(|when| when(result));
                Produced { value, error, again }
            }
            Err(error) => Produced::fault(not_recordable(&error)),
        }
    }

    /// The result behind a recorded value.
    pub(crate) fn read(&self, value: &Value) -> R {
        match (self.decode)(value) {
            Ok(result) => result,
            Err(error) => (self.fault)(
                Error::of(ErrorKind::NotRecordable, format!("the recorded result can't be read back: {error}"))
                    .into_terminal(),
            ),
        }
    }
}

impl Produced {
    /// A failure that isn't the user's.
    pub(crate) fn fault(error: Error) -> Self {
        Self { value: Value::Fault(fault_bytes(&error)), error: Some(error), again: None }
    }
}

/// An error in the record's form.
pub(crate) fn fault_bytes(error: &Error) -> Vec<u8> {
    // `Error` is made of text, numbers and options: it always encodes.
    encoding::encode(error).unwrap_or_default()
}

/// The error in recorded bytes.
pub(crate) fn read_fault(bytes: &[u8]) -> Error {
    if encoding::as_sealed(bytes).is_some() {
        // The words of a function with secrets: who holds the key opens them before they are read.
        return Error::of(ErrorKind::Failed, "•••").into_terminal();
    }
    encoding::decode(bytes).unwrap_or_else(|error| {
        Error::of(ErrorKind::Damaged, format!("a recorded error can't be read: {error}")).into_terminal()
    })
}

fn not_recordable(error: &EncodingError) -> Error {
    let path = error.path.strip_prefix("value").unwrap_or(&error.path);
    Error::of(ErrorKind::NotRecordable, format!("the result{path} can't be recorded: {}", error.message))
        .into_terminal()
}

/// The future of a durable function's body, its result in the record's form.
pub type Root = Pin<Box<dyn Future<Output = Produced> + Send>>;

/// Makes the root of an execution.
pub(crate) fn root<R: Send + 'static>(codec: &'static Codec<R>, body: Begun<R>) -> Root {
    Box::pin(async move { codec.produce(&body.await) })
}
