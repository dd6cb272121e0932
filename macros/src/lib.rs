//! The attributes of the crate `outlast`, which re-exports them: write `use outlast::prelude::*;`.
//!
//! Inside, each attribute goes the same way: its tokens become a `Model` (as written), the model a `Plan` (checked),
//! the plan tokens. All of it are pure functions over `proc_macro2`. A wrong option still lets the function be written,
//! beside the error; a function with a wrong signature is given back as its author wrote it. What generated code calls
//! is `outlast::__private` and nothing else.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)]

mod determinism;
mod durable;
mod errors;
#[cfg(test)]
mod expected;
mod generated;
mod item;
mod main_fn;
mod options;
mod signature;
mod step;
mod transaction;

use proc_macro::TokenStream;

/// An async function whose calls are executions: each goes on after its last finished operation, whatever stops the
/// process, until it has an outcome.
///
/// ```
/// use outlast::prelude::*;
///
/// # #[derive(Clone, Serialize, Deserialize)] struct Order { id: String }
/// # #[derive(Clone, Serialize, Deserialize)] struct Receipt { order: String, charge: u64, label: u64 }
/// # #[step] async fn charge(order: &Order) -> Result<u64> { Ok(order.id.len() as u64) }
/// # #[step] async fn print_label(order: &Order) -> Result<u64> { Ok(order.id.len() as u64) }
/// /// Goes on after its last finished step.
/// #[durable(timeout = "2h")]
/// async fn checkout(order: Order) -> Result<Receipt> {
///     let charge = charge(&order).await?; // a step: recorded once, replayed ever after
///     let label = print_label(&order).await?;
///     Ok(Receipt { order: order.id, charge, label })
/// }
/// ```
///
/// The function keeps its name, visibility, documentation and arguments, and gives a `Call`: a future that starts
/// nothing until it is awaited or started. Arguments are owned, `Serialize + DeserializeOwned + Send`; the result is a
/// `Result`.
///
/// | option | means |
/// | --- | --- |
/// | `name = "orders.checkout"` | its name in the record; else the function's own |
/// | `version = 2` | beside an older function of the same name; else 1 |
/// | `timeout = "2h"` | how long an execution may take, from its creation |
/// | `secret(card, …)` | these arguments are encrypted at rest and never shown |
/// | `secret` | the same for the result |
/// | `crate = path` | where `outlast` is, if not at `::outlast` |
///
/// A durable body goes the same way on every replay. So each `tokio::select!` in it tries its branches in written order
/// (as if it began with `biased;`), and what can't be replayed is an error that says what to write instead: a bare
/// `select!`, `futures::select!`, `tokio::spawn`, `tokio::time::sleep`, `SystemTime::now` and their like. Nested
/// functions, async closures and the inline `step(…)` are free to use them.
#[proc_macro_attribute]
pub fn durable(options: TokenStream, item: TokenStream) -> TokenStream {
    durable::expand(options.into(), item.into()).into()
}

/// An async function that is recorded once and replayed ever after, when a durable function calls it.
///
/// ```
/// use outlast::prelude::*;
///
/// # #[derive(Clone, Serialize, Deserialize)] struct Order { cents: i64 }
/// # #[derive(Clone)] struct Payments;
/// # impl Payments { async fn charge(&self, cents: i64) -> std::io::Result<String> { Ok(cents.to_string()) } }
/// #[step(retry(max_attempts = 5, initial = "200ms", factor = 2.0, max = "30s"), timeout = "10s", skip(payments))]
/// async fn charge(order: &Order, payments: &Payments) -> Result<String> {
///     Ok(payments.charge(order.cents).await?)
/// }
/// ```
///
/// Arguments are values, `&T`, `&str` or `&[T]`: they are recorded, and cloned for each attempt
/// (`Clone + Serialize + Send + Sync`). The result is a `Result`; an `Err` is tried again within the policy, unless it
/// is terminal.
///
/// | option | means |
/// | --- | --- |
/// | `name = "payments.charge"` | its name in the record; else the function's own |
/// | `retry(max_attempts = 5)` | attempts in all, the first included |
/// | `retry(initial = "200ms", factor = 2.0, max = "30s")` | the first wait, how much longer each further one is, the longest |
/// | `retry(limit = "10m")` | the time that attempts and waits may take together |
/// | `retry(when = is_transient)` | a `fn(&E) -> bool`: is this error worth another attempt? |
/// | `timeout = "10s"` | how long one attempt may take |
/// | `at_most_once` | never begun a second time; cut off by a crash, it is an error of kind `Interrupted` |
/// | `skip(client, …)` | these arguments aren't recorded, only cloned |
/// | `secret(card, …)`, `secret` | these arguments, or the result, are encrypted at rest and never shown |
/// | `crate = path` | where `outlast` is, if not at `::outlast` |
#[proc_macro_attribute]
pub fn step(options: TokenStream, item: TokenStream) -> TokenStream {
    step::expand(options.into(), item.into()).into()
}

/// A step that runs in the store: its writes and its record commit together, exactly once.
///
/// ```
/// use outlast::prelude::*;
///
/// # #[derive(Clone, Serialize, Deserialize)] struct Order { id: String }
/// # async fn write(order: &Order) -> Result<()> { drop(order.id.clone()); Ok(()) }
/// #[transaction(name = "orders.reserve")]
/// async fn reserve(order: &Order) -> Result<()> {
///     write(order).await?; // reads and writes: all of it, or nothing
///     Ok(())
/// }
/// ```
///
/// It has the options of [`macro@step`] but `timeout` and `at_most_once`: it is short work, and happens once anyway.
#[proc_macro_attribute]
pub fn transaction(options: TokenStream, item: TokenStream) -> TokenStream {
    transaction::expand(options.into(), item.into()).into()
}

/// A tokio runtime around an async `main`, whose binary is also the command line of its functions.
///
/// ```no_run
/// # async fn run() -> Result<(), std::io::Error> { Ok(()) }
/// #[outlast::main(worker_threads = 4)]
/// async fn main() -> outlast::Result<()> {
///     run().await?;
///     Ok(())
/// }
/// ```
///
/// `main` returns nothing, or a `Result<(), E>` with an error that `outlast::Error` can be made of.
///
/// | option | means |
/// | --- | --- |
/// | `worker_threads = 4` | threads of the runtime; else one for each core |
/// | `crate = path` | where `outlast` is, if not at `::outlast` |
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(options.into(), item.into()).into()
}
