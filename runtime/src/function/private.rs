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
//!     const __RESULT: P::Codec<Result<Receipt>> = P::codec::<Result<Receipt>>();
//!     const __ARGUMENT_0: P::DurableArgument<Order> = P::durable_argument::<Order>();
//!     fn __durable_write(__values: &(Order,)) -> P::Arguments {
//!         … __arguments.durable("order", &__values.0, &__ARGUMENT_0); …
//!     }
//!     fn __durable_read(__input: &mut P::Input<'_>) -> P::Result<(Order,)> {
//!         P::Ok((__input.take("order", &__ARGUMENT_0)?,))
//!     }
//!     fn __durable_begin(__values: (Order,)) -> impl Future<Output = Result<Receipt>> + Send + 'static {
//!         __checkout(__values.0)                                                               // `Send`, asked once
//!     }
//!     static __FUNCTION: P::Function = P::Function {
//!         name: "checkout",
//!         place: P::Place { … },
//!         arguments: &[P::Argument { name: "order", rust_type: "Order" }],
//!         normalise: |input| P::Ok(__durable_write(&__durable_read(input)?)),
//!         start: |input| P::Ok(P::root(&__RESULT, __durable_begin(__durable_read(input)?))),
//!         ..P::Function::DURABLE
//!     };
//!     P::inventory::submit! { P::Registered(&__FUNCTION) }
//!     let __values = (order,);
//!     P::call(&__FUNCTION, __durable_write(&__values), &__RESULT, move || __durable_begin(__values))
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
pub use super::outcome::{Codec, Outcome, Root, codec, root};
pub use super::registry::Registered;
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
pub fn call<R, F, Fut>(function: &'static Function, arguments: Arguments, codec: &'static Codec<R>, body: F) -> Call<R>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    Call::new(function, arguments, codec, body)
}

/// The `main` of `#[outlast::main]`: a tokio runtime, the future, the exit code of its result.
pub fn main<E, Fut>(worker_threads: Option<usize>, main: impl FnOnce() -> Fut) -> ExitCode
where
    Fut: Future<Output = std::result::Result<(), E>>,
    E: Into<crate::Error>,
{
    crate::app::main(worker_threads, main)
}
