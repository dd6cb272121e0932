//! Async functions that outlast their container: durable execution as a library.
//!
//! Put [`#[durable]`](macro@durable) on a plain `async fn`, and each call of it goes on after its last finished
//! [`#[step]`](macro@step), whatever stops the process: a crash, a deployment, `kill -9`, a power cut. There is no server:
//! your binary, and one file.
//!
//! ```standalone_crate
//! use outlast::prelude::*;
//!
//! /// Goes on after its last finished step, whatever kills the process.
//! #[durable]
//! async fn checkout(order: u64, cents: i64) -> Result<String> {
//!     let charge = charge(&order, cents).await?; // recorded once, replayed ever after
//!     outlast::sleep("20ms").await?; // "20d" would hold no process either
//!     Ok(format!("order {order}: {charge}"))
//! }
//!
//! #[step(retry(max_attempts = 5), timeout = "10s")]
//! async fn charge(order: &u64, cents: i64) -> Result<String> {
//!     // The key is the same over retries and crashes: for the header that payment providers ask for.
//!     let key = outlast::idempotency_key();
//!     Ok(format!("{cents} cents, charged once as {} characters", key.len()))
//! }
//!
//! # fn main() -> Result<()> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let app = App::new().store("memory:").start().await?; // `from_env()` in a program: one file, `outlast.db`
//! let receipt = checkout(42, 990).id("order-42").await?; // the id makes the call idempotent
//! assert_eq!(receipt, "order 42: 990 cents, charged once as 32 characters");
//! assert_eq!(checkout(42, 990).id("order-42").await?, receipt);
//! app.shutdown().await;
//! # Ok(()) }) }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! | --- | --- |
//! | the attributes and their options | [`durable`](macro@durable), [`step`](macro@step), [`transaction`](macro@transaction), [`main`](macro@main) |
//! | calls: ids, deadlines, starting later, handles | [`Call`], [`Handle`] |
//! | what a durable function may await | other durable functions, steps, transactions, [`sleep`], [`signal`], [`step()`], single operations on a [`collection`], and any combinator over them |
//! | time and chance in a durable function | [`now`], [`random`], [`uuid()`] |
//! | in a step | [`idempotency_key`], [`state()`] |
//! | errors, retries, your own error types | [`Error`], [`ErrorKind`], [`ResultExt`] |
//! | settings, start and shutdown, executions by id | [`App`], [`Running`], [`AnyHandle`], [`Execution`] |
//! | `tokio::select!` in helper functions | [`select!`] |
//!
//! Anything else that waits (a socket, a timer of tokio's, a lock, a spawned task) belongs in a step: a durable function
//! that awaits it is parked with an error of kind [`ErrorKind::NotDurable`], as far as that can be seen. A `collection` in
//! a task that a durable function spawns can't be told apart from one in any other program: it is plain, unrecorded
//! access.
//!
//! # Features
//!
//! A feature chooses a room, never behaviour inside one. A store whose feature is off is refused at the start, by name.
//!
//! | feature | default | what it brings |
//! | --- | --- | --- |
//! | `sqlite` | yes | the embedded store: one SQLite file, or `memory:` for tests |
//! | `mongodb` | no | stores in MongoDB 6.0 or later: `mongodb://…`, replica sets and sharded clusters |
//! | `cli` | yes | [`App::run`]: the command line of a binary with [`#[outlast::main]`](macro@main) |
//! | `crash-points` | no | named points at which a test can kill a process; never in production |

#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(feature = "sqlite", feature = "mongodb")),
    allow(dead_code, reason = "most of the engine waits for a store")
)]

#[allow(unused_extern_crates, reason = "the attributes name this crate by its name, in its own tests too")]
extern crate self as outlast;

mod app;
#[cfg(feature = "cli")]
mod archive;
#[cfg(feature = "crash-points")]
pub(crate) mod crash_point;
mod data;
mod digest;
mod duration;
mod encoding;
mod engine;
mod error;
mod function;
mod hashing;
#[cfg(feature = "micro")]
#[doc(hidden)]
pub mod micro;
mod pace;
mod panics;
mod sealing;
#[cfg(feature = "cli")]
mod serve;
mod settings;
mod store;

#[doc(hidden)]
pub use function::private as __private;

pub use bson;

pub use app::{AnyHandle, App, Execution, Running};
pub use data::collection::{Collection, collection};
pub use data::cursor::Cursor;
pub use data::models::{Hint, IndexModel, IndexOptions, ReturnDocument, UpdateModifications, WriteModel};
pub use data::results::{
    BulkWriteResult, CreateIndexResult, CreateIndexesResult, DeleteResult, InsertManyResult, InsertOneResult,
    UpdateResult,
};
pub use data::shared::{Shared, shared};
pub use duration::IntoDuration;
pub use engine::{
    Call, Handle, Operation, Random, Signal, Step, idempotency_key, now, random, signal, sleep, state, step, uuid,
};
pub use error::{Error, ErrorKind, Result, ResultExt, WriteError};
pub use outlast_macros::{durable, main, step, transaction};
#[cfg(feature = "sqlite")]
pub use rusqlite;
#[cfg(feature = "sqlite")]
pub use store::sqlite::sqlite;
pub use store::{End, ExecutionId, Filter, Kind, Status, Summary};

/// Waits for the first of several futures, looking at them in written order: for helper functions of durable ones,
/// where a draw would send a replay another way. Takes what `tokio::select!` takes.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let first = outlast::select! {
///     one = async { 1 } => one,
///     two = async { 2 } => two,
/// };
/// assert_eq!(first, 1);
/// # });
/// ```
#[macro_export]
macro_rules! select {
    (biased; $($branches:tt)*) => {
        $crate::__private::tokio::select! { biased; $($branches)* }
    };
    ($($branches:tt)*) => {
        $crate::__private::tokio::select! { biased; $($branches)* }
    };
}

/// The operations of a [`Collection`] as futures, with their options.
pub mod action {
    pub use crate::data::action::{
        BulkWrite, Count, CreateIndex, CreateIndexes, Delete, Distinct, DropCollection, DropIndexes, EstimatedCount,
        Explain, Find, FindOne, FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate, InsertMany, InsertOne,
        ListIndexNames, ListIndexes, Replace, Update,
    };
}

/// The ways out to MongoDB's own driver, for what a [`Collection`] doesn't offer.
#[cfg(feature = "mongodb")]
pub mod mongodb {
    pub use ::mongodb as driver;

    pub use crate::app::database;
    pub use crate::store::mongodb::session;
}

/// What most programs need.
pub mod prelude {
    pub use bson::doc;
    pub use serde::{Deserialize, Serialize};

    pub use crate::{App, IndexModel, Result, ResultExt, collection, durable, step, transaction};
}
