//! Annotated functions in a crate that denies every warning: what the attributes write must not draw one.
//!
//! `cargo clippy -p outlast-pedantic` is the test; it allows nothing that a plain function wouldn't need, too.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    single_use_lifetimes,
    unused_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod durables;
mod private;
pub mod renamed;
pub mod steps;
