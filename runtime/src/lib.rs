//! Async functions that outlast their container.

#![forbid(unsafe_code)]

// The attributes name this crate by its name, in its own tests too.
#[allow(unused_extern_crates)]
extern crate self as outlast;

mod app;
#[cfg(feature = "crash-points")]
pub(crate) mod crash_point;
pub mod data;
mod digest;
mod duration;
#[doc(hidden)]
pub mod encoding;
mod engine;
mod error;
mod function;
mod panics;
mod sealing;
#[cfg(feature = "cli")]
mod serve;
mod settings;
pub mod store;

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
