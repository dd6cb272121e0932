//! Async functions that outlast their container.

#![forbid(unsafe_code)]

extern crate self as outlast;

mod app;
#[cfg(feature = "crash-points")]
mod crash_point;
pub mod data;
mod digest;
mod duration;
#[doc(hidden)]
pub mod encoding;
mod engine;
mod error;
mod function;
pub mod store;

#[doc(hidden)]
pub use function::private as __private;

pub use duration::IntoDuration;
pub use engine::{Call, Step};
pub use error::{Error, ErrorKind, Result, ResultExt};
pub use outlast_macros::{durable, main, step, transaction};

/// What most programs need.
pub mod prelude {
    pub use bson::doc;
    pub use serde::{Deserialize, Serialize};

    pub use crate::{Result, ResultExt, durable, step, transaction};
}
