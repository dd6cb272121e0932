//! Annotated functions as the engine sees them: what they are called, how their arguments and results are recorded.
//!
//! Generated code names the function, its types and its options, and calls one generic function of `private`; what it
//! names there is the whole contract between the two crates.

pub(crate) mod arguments;
pub(crate) mod outcome;
pub mod private;
pub(crate) mod registry;
pub(crate) mod signature;
pub(crate) mod spec;
