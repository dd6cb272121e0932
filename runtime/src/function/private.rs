//! What generated code calls; the whole contract with `outlast-macros`. Not for people: it changes without notice.
//!
//! A step or transaction:
//! ```text
//! pub fn charge(order: &Order) -> P::Step<Result<ChargeId>> {
//!     async fn __charge(order: &Order) -> Result<ChargeId> { /* the user's tokens */ }
//!     const __RESULT: P::Codec<Result<ChargeId>> = P::codec::<Result<ChargeId>>();            // span: the type
//!     static __SPEC: P::StepSpec = P::StepSpec { name: "charge", place: P::Place { … }, ..P::StepSpec::STEP };
//!     let __argument_0 = P::step_argument::<Order, _>();                                       // span: the type
//!     let mut __arguments = P::Arguments::new(&__SPEC.secret);
//!     __arguments.step("order", order, &__argument_0);
//!     P::step(&__SPEC, __arguments, &__RESULT, move || {                                       // if it may run
//!         let __kept = ::std::sync::Arc::new((__argument_0.own(order),));                       // a value: moved
//!         move || {
//!             let __kept = ::std::sync::Arc::clone(&__kept);
//!             async move { __charge(&__kept.0).await }                                         // a value: cloned
//!         }
//!     })
//! }
//! ```
//! A durable function:
//! ```text
//! pub fn checkout(order: Order) -> P::Call<Result<Receipt>> {
//!     async fn __checkout(order: Order) -> Result<Receipt> { /* the user's tokens, `select!` biased */ }
//!     fn __checkout_begin((__value_0, ()): (Order, ())) -> P::Begun<Result<Receipt>> {
//!         ::std::boxed::Box::pin(__checkout(__value_0))                                        // `Send`, asked once
//!     }
//!     static __SIGNATURE: P::Signature<(P::DurableArgument<Order>, ()), Result<Receipt>> = P::Signature {
//!         arguments: (P::durable_argument::<Order>(), ()),                                     // span: the type
//!         result: P::codec::<Result<Receipt>>(),                                               // span: the type
//!         begin: __checkout_begin,
//!     };
//!     static __FUNCTION: P::Function = P::Function {
//!         name: "checkout",
//!         place: P::Place { … },
//!         arguments: &[P::Argument { name: "order", rust_type: "Order" }],
//!         normalise: |input| P::normalise(&__FUNCTION, &__SIGNATURE, input),
//!         start: |input| P::start(&__FUNCTION, &__SIGNATURE, input),
//!         ..P::Function::DURABLE
//!     };
//!     P::inventory::submit! { P::Registered(&__FUNCTION) }
//!     P::call(&__FUNCTION, &__SIGNATURE, (order, ()))
//! }
//! ```

use std::future::Future;
use std::process::ExitCode;

pub use inventory;
pub use std::result::Result::{Err, Ok};
pub use tokio;

pub use super::arguments::{
    Arguments, DurableArgument, Input, SkippedArgument, StepArgument, durable_argument, skipped_argument, step_argument,
};
pub use super::outcome::{Codec, Outcome, Root, codec};
pub use super::registry::Registered;
pub use super::signature::{Begun, List, Signature};
pub use super::spec::{Argument, Function, Place, Retry, Secret, StepSpec};
pub use crate::engine::{Call, Step};
pub use crate::error::Result;

/// A step's operation: takes its place in the record now, runs its body when first awaited. `make` gives the body; it isn't
/// called for an outcome that is recorded.
pub fn step<R, F, Fut>(
    spec: &'static StepSpec,
    arguments: Arguments,
    codec: &'static Codec<R>,
    make: impl FnOnce() -> F,
) -> Step<R>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    Step::new(spec, arguments, codec, make)
}

/// A durable function's call.
pub fn call<A, R>(function: &'static Function, signature: &'static Signature<A, R>, values: A::Values) -> Call<R>
where
    A: List,
    R: Send + 'static,
{
    Call::new(function, signature, values)
}

/// A durable function's arguments, decoded and encoded again.
///
/// # Errors
/// Where they can't be read.
pub fn normalise<A: List, R: Send + 'static>(
    function: &'static Function,
    signature: &'static Signature<A, R>,
    input: &mut Input<'_>,
) -> Result<Arguments> {
    signature.normalise(function, input)
}

/// A durable function's body, with decoded arguments.
///
/// # Errors
/// Where they can't be read.
pub fn start<A: List, R: Send + 'static>(
    function: &'static Function,
    signature: &'static Signature<A, R>,
    input: &mut Input<'_>,
) -> Result<Root> {
    signature.start(function, input)
}

/// The `main` of `#[outlast::main]`: a tokio runtime, the future, the exit code of its result.
pub fn main<E, Fut>(worker_threads: Option<usize>, main: impl FnOnce() -> Fut) -> ExitCode
where
    Fut: Future<Output = std::result::Result<(), E>>,
    E: Into<crate::Error>,
{
    crate::app::main(worker_threads, main)
}
