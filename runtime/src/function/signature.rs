//! A durable function's types, apart from the function: its arguments, its result, and how its body is begun.
//!
//! What is generic here is compiled once for each list of types, not for each annotated function.

use std::future::Future;
use std::pin::Pin;

use super::arguments::{Arguments, DurableArgument, Input};
use super::outcome::{Codec, Root, root};
use super::spec::{Argument, Function};
use crate::error::Result;

/// A body that has begun.
pub type Begun<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// The arguments of a durable function and its result, and its body.
pub struct Signature<A: List, R: 'static> {
    /// A witness for each argument.
    pub arguments: A,
    /// That of the result.
    pub result: Codec<R>,
    /// The body, boxed.
    pub begin: fn(A::Values) -> Begun<R>,
}

/// Witnesses of arguments, each before the rest: `(first, (second, ()))`.
pub trait List: Sync + 'static {
    /// The arguments, in the same form.
    type Values;
    #[doc(hidden)]
    fn write(&self, names: &'static [Argument], values: &Self::Values, into: &mut Arguments);
    #[doc(hidden)]
    fn read(&self, names: &'static [Argument], input: &mut Input<'_>) -> Result<Self::Values>;
}

impl List for () {
    type Values = ();

    fn write(&self, _: &'static [Argument], (): &(), _: &mut Arguments) {}

    fn read(&self, _: &'static [Argument], _: &mut Input<'_>) -> Result<()> {
        Ok(())
    }
}

impl<T: 'static, Rest: List> List for (DurableArgument<T>, Rest) {
    type Values = (T, Rest::Values);

    fn write(&self, names: &'static [Argument], (value, rest): &Self::Values, into: &mut Arguments) {
        into.durable(first(names), value, &self.0);
        self.1.write(others(names), rest, into);
    }

    fn read(&self, names: &'static [Argument], input: &mut Input<'_>) -> Result<Self::Values> {
        let value = input.take(first(names), &self.0)?;
        Ok((value, self.1.read(others(names), input)?))
    }
}

/// There are as many names as witnesses: both are written by the attribute.
fn first(names: &'static [Argument]) -> &'static str {
    names.first().map_or("", |argument| argument.name)
}

fn others(names: &'static [Argument]) -> &'static [Argument] {
    names.get(1..).unwrap_or_default()
}

impl<A: List, R: Send + 'static> Signature<A, R> {
    /// Encodes the arguments of a call.
    pub(crate) fn write(&self, function: &'static Function, values: &A::Values) -> Arguments {
        let mut arguments = Arguments::new(&function.secret);
        self.arguments.write(function.arguments, values, &mut arguments);
        arguments
    }

    /// Decodes arguments, from the record or from JSON, and encodes them again.
    pub(crate) fn normalise(&self, function: &'static Function, input: &mut Input<'_>) -> Result<Arguments> {
        let values = self.arguments.read(function.arguments, input)?;
        Ok(self.write(function, &values))
    }

    /// Decodes arguments and makes the body's future.
    pub(crate) fn start(&'static self, function: &'static Function, input: &mut Input<'_>) -> Result<Root> {
        let values = self.arguments.read(function.arguments, input)?;
        Ok(root(&self.result, (self.begin)(values)))
    }
}
