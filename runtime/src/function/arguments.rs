//! Arguments on their way into a record and back: by name, each encoded once, bounds stated once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::spec::Secret;
use crate::encoding::{self, EncodingError, Entries};
use crate::error::{Error, ErrorKind, Result};

#[cfg(test)]
mod tests;

/// Encodes an argument onto the end of others: whether there is a map in it.
type Append<T> = fn(&T, &mut Vec<u8>) -> Result<bool, EncodingError>;

/// How an argument of a durable function is recorded: the bounds, once, where its type stands.
pub struct DurableArgument<T> {
    encode: Append<T>,
    decode: fn(&[u8]) -> Result<T, EncodingError>,
    from_json: fn(Json) -> Result<T, serde_json::Error>,
}

/// What a durable function's argument must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a durable function",
    label = "can't be recorded and read back",
    note = "an argument is recorded before the function starts: it needs `#[derive(Serialize, Deserialize)]`, and must be owned and `Send`"
)]
pub trait Durable: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Durable for T {}

/// The witness of a durable function's argument.
pub const fn durable_argument<T: Durable>() -> DurableArgument<T> {
    DurableArgument {
        encode: encoding::append,
        decode: encoding::decode,
        from_json: |json| serde_json::from_value(json),
    }
}

/// How an argument of a step is recorded and kept for further attempts; `O` is its owned form.
///
/// Without bounds of its own, as its methods are: they stand in `step_argument` alone, so that the compiler names a
/// type that breaks them once.
pub struct StepArgument<T: ?Sized, O> {
    encode: Append<T>,
    own: fn(&T) -> O,
}

impl<T: ?Sized, O> Clone for StepArgument<T, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized, O> Copy for StepArgument<T, O> {}

/// What a step's argument must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a step",
    label = "can't be recorded, or can't be kept for another attempt",
    note = "an argument is recorded and kept: its type needs `#[derive(Clone, Serialize)]` and must be `Send + Sync`; name it in `skip(…)` of `#[step]` or `#[transaction]` if it must not be recorded"
)]
pub trait Kept<O>: Serialize + KeptUnrecorded<O> {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + KeptUnrecorded<O> + ?Sized, O> Kept<O> for T {}

/// What a skipped argument of a step must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a step",
    label = "can't be kept for another attempt",
    note = "a step may be tried again, so its arguments are cloned: the type needs `Clone` and must be `Send + Sync`; put what can't be cloned into an `Arc`, or take it from `outlast::state::<T>()`"
)]
pub trait KeptUnrecorded<O> {
    #[doc(hidden)]
    fn own(&self) -> O;
}

#[diagnostic::do_not_recommend]
impl<T: ToOwned<Owned = O> + ?Sized, O: Send + Sync + 'static> KeptUnrecorded<O> for T {
    fn own(&self) -> O {
        self.to_owned()
    }
}

/// The witness of a step's argument.
pub const fn step_argument<T: Kept<O> + ?Sized, O>() -> StepArgument<T, O> {
    StepArgument { encode: encoding::append, own: |value| value.own() }
}

impl<T: ?Sized, O> StepArgument<T, O> {
    /// The owned form that further attempts borrow from.
    pub fn own(&self, value: &T) -> O {
        (self.own)(value)
    }
}

/// How a skipped argument of a step is kept; `O` is its owned form.
pub struct SkippedArgument<T: ?Sized, O> {
    own: fn(&T) -> O,
}

impl<T: ?Sized, O> Clone for SkippedArgument<T, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized, O> Copy for SkippedArgument<T, O> {}

/// The witness of a skipped argument.
pub const fn skipped_argument<T: KeptUnrecorded<O> + ?Sized, O>() -> SkippedArgument<T, O> {
    SkippedArgument { own: |value| value.own() }
}

impl<T: ?Sized, O> SkippedArgument<T, O> {
    /// The owned form that further attempts borrow from.
    pub fn own(&self, value: &T) -> O {
        (self.own)(value)
    }
}

/// Encoded arguments, by name. The first that can't be recorded is kept as the call's error.
pub struct Arguments {
    entries: Entries,
    /// There is a map in one of them.
    maps: bool,
    secret: &'static Secret,
    error: Option<Error>,
}

impl Arguments {
    /// An empty list.
    pub fn new(secret: &'static Secret) -> Self {
        Self { entries: Entries::default(), maps: false, secret, error: None }
    }

    /// Adds a step's argument.
    pub fn step<T: ?Sized, O>(&mut self, name: &'static str, value: &T, argument: &StepArgument<T, O>) {
        let added = self.entries.add(name, value, argument.encode);
        self.added(name, added);
    }

    /// Adds a durable function's argument.
    pub fn durable<T>(&mut self, name: &'static str, value: &T, argument: &DurableArgument<T>) {
        let added = self.entries.add(name, value, argument.encode);
        self.added(name, added);
    }

    fn added(&mut self, name: &'static str, added: Result<bool, EncodingError>) {
        match added {
            Ok(maps) => self.maps |= maps,
            Err(error) if self.error.is_none() => {
                self.error = Some(not_recordable(name, &error, self.secret));
            }
            Err(_) => {}
        }
    }

    /// The values as they were written, by name, with nothing hidden.
    pub(crate) fn plain(&self) -> Result<Vec<u8>> {
        self.checked()?.map().map_err(damaged)
    }

    /// The form that is stored: secret arguments sealed by `seal`.
    pub(crate) fn stored(&self, seal: impl Fn(&[u8]) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        self.checked()?.map_with(|name, bytes| {
            if self.secret.arguments.contains(&name) { Ok(seal(bytes)?.into()) } else { Ok(bytes.into()) }
        })
    }

    /// Takes no more room than it needs, to be kept for a while.
    pub(crate) fn keep(mut self) -> Self {
        self.entries.keep();
        self
    }

    /// What tells calls apart: `plain` with the entries of every map sorted, so that a `HashMap` is the same in every run.
    /// What is stored and what the function gets keep their order.
    pub(crate) fn identity<'p>(&self, plain: &'p [u8]) -> Result<Cow<'p, [u8]>> {
        if self.maps { encoding::canonical(plain).map_err(damaged) } else { Ok(plain.into()) }
    }

    pub(crate) fn has_secrets(&self) -> bool {
        !self.secret.arguments.is_empty()
    }

    fn checked(&self) -> Result<&Entries> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(&self.entries),
        }
    }
}

/// Neither path nor words of a secret argument: a map's key or a type's own message may give it away.
fn not_recordable(name: &str, error: &EncodingError, secret: &Secret) -> Error {
    let message = if secret.arguments.contains(&name) {
        format!("the argument `{name}` can't be recorded: it is secret, so why isn't said")
    } else {
        format!("the argument `{name}{}` can't be recorded: {}", inside(error), error.message)
    };
    Error::of(ErrorKind::NotRecordable, message).into_terminal()
}

/// Where inside an argument.
fn inside(error: &EncodingError) -> &str {
    error.path.strip_prefix("value").unwrap_or(&error.path)
}

/// Arguments on their way to a function: from a record or from JSON.
pub struct Input<'r> {
    source: Source<'r>,
    secret: &'static Secret,
}

enum Source<'r> {
    /// Those that haven't been taken.
    Record(Vec<(&'r str, Cow<'r, [u8]>)>),
    Json(BTreeMap<String, Json>),
    /// A single argument without its name.
    Bare(Json),
}

impl<'r> Input<'r> {
    /// From a record; sealed entries are opened by `open`.
    pub(crate) fn from_record(
        bytes: &'r [u8],
        secret: &'static Secret,
        open: impl Fn(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let opened = |(name, value)| match encoding::as_sealed(value) {
            Some(sealed) => Ok((name, Cow::Owned(open(sealed)?))),
            None => Ok((name, Cow::Borrowed(value))),
        };
        let entries = encoding::entries(bytes).map_err(damaged)?;
        Ok(Self { source: Source::Record(entries.into_iter().map(opened).collect::<Result<_>>()?), secret })
    }

    /// From JSON: an object by name, or a single argument bare.
    pub(crate) fn from_json(json: Json, names: &[&str], secret: &'static Secret) -> Result<Self> {
        let source = match (json, names) {
            (Json::Object(map), [only]) if map.len() == 1 && map.contains_key(*only) => {
                Source::Json(map.into_iter().collect())
            }
            (json, [_]) => Source::Bare(json),
            (Json::Null, _) => Source::Json(BTreeMap::new()),
            (Json::Object(map), names) => match map.keys().find(|key| !names.contains(&key.as_str())) {
                Some(unknown) => {
                    return Err(invalid(format!("no argument is called `{unknown}`; {}", expected(names))));
                }
                None => Source::Json(map.into_iter().collect()),
            },
            (_, names) => return Err(invalid(expected(names))),
        };
        Ok(Self { source, secret })
    }

    /// Takes an argument; a missing one is `None` or null.
    pub fn take<T>(&mut self, name: &'static str, argument: &DurableArgument<T>) -> Result<T> {
        let secret = self.secret.arguments.contains(&name);
        match &mut self.source {
            Source::Record(entries) => match entries.iter().position(|(other, _)| *other == name) {
                Some(at) => {
                    (argument.decode)(&entries.swap_remove(at).1).map_err(|error| not_readable(name, &error, secret))
                }
                None => (argument.decode)(&encoding::none()).map_err(|_| missing_in_record(name)),
            },
            Source::Json(map) => match map.remove(name) {
                Some(json) => (argument.from_json)(json).map_err(|error| unfit(name, &error, secret)),
                None => {
                    (argument.from_json)(Json::Null).map_err(|_| invalid(format!("the argument `{name}` is missing")))
                }
            },
            Source::Bare(json) => {
                let named = json.is_object();
                (argument.from_json)(std::mem::take(json)).map_err(|error| {
                    let error = unfit(name, &error, secret);
                    // Perhaps it was meant by name, and the name is wrong.
                    if named {
                        invalid(format!("{error}; to give it by name, write {{\"{name}\": …}}"))
                    } else {
                        error
                    }
                })
            }
        }
    }
}

fn expected(names: &[&str]) -> String {
    match names {
        [] => "the function takes no arguments".to_owned(),
        names => format!("the arguments are a JSON object with {}", names.join(", ")),
    }
}

fn invalid(message: String) -> Error {
    Error::of(ErrorKind::Invalid, message).into_terminal()
}

fn damaged(error: EncodingError) -> Error {
    Error::of(ErrorKind::Damaged, format!("recorded arguments can't be read: {error}"))
}

fn unfit(name: &str, error: &serde_json::Error, secret: bool) -> Error {
    invalid(if secret {
        format!("the argument `{name}` doesn't fit: it is secret, so why isn't said")
    } else {
        format!("the argument `{name}` doesn't fit: {error}")
    })
}

fn missing_in_record(name: &str) -> Error {
    let message = format!(
        "the argument `{name}` is missing: it wasn't recorded when the call was made; make it an `Option`, or give the \
         function with it a new version"
    );
    Error::of(ErrorKind::NotRecordable, message).into_terminal()
}

fn not_readable(name: &str, error: &EncodingError, secret: bool) -> Error {
    let message = if secret {
        format!("the argument `{name}` can't be read back: it is secret, so why isn't said")
    } else {
        format!("the argument `{name}{}` can't be read back: {}", inside(error), error.message)
    };
    Error::of(ErrorKind::NotRecordable, message).into_terminal()
}
