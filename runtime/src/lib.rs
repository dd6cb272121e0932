//! Async functions that outlast their container.

#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "most of the engine waits for a store"))]

#[allow(unused_extern_crates, reason = "the attributes name this crate by its name, in its own tests too")]
extern crate self as outlast;

mod app;
#[cfg(feature = "crash-points")]
pub(crate) mod crash_point;
mod data;
mod digest;
mod duration;
mod encoding;
mod engine;
mod error;
mod function;
mod sealing;
#[cfg(feature = "cli")]
mod serve;
mod settings;
mod store;

#[doc(hidden)]
pub use function::private as __private;

pub use app::{AnyHandle, App, Execution, Running};
pub use data::collection::{Collection, DeleteResult, InsertOneResult, UpdateResult, collection};
pub use duration::IntoDuration;
pub use engine::{
    Call, Handle, Operation, Random, Signal, Step, idempotency_key, now, random, signal, sleep, state, step, uuid,
};
pub use error::{Error, ErrorKind, Result, ResultExt};
pub use outlast_macros::{durable, main, step, transaction};
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

/// What most programs need.
pub mod prelude {
    pub use bson::doc;
    pub use serde::{Deserialize, Serialize};

    pub use crate::{App, Result, ResultExt, collection, durable, step, transaction};
}
