//! The rule "offered in order, taken one at a time", proved on the engine as it is: real driver, real store (in memory),
//! real macros.
//!
//! `probe` is what the engine lets tests see and steer; `harness` runs a function, kills it, replays it, and compares;
//! `program` and `strategy` make functions at random for `random`; `named` holds the shortest function for each way of
//! getting the rule wrong. `docs/rule-breaking.md` says which test fails for which sentence of the rule.

#[cfg(feature = "sqlite")]
mod harness;
#[cfg(feature = "sqlite")]
mod named;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "its tests need the embedded store"))]
pub(super) mod probe;
#[cfg(feature = "sqlite")]
mod program;
#[cfg(feature = "sqlite")]
mod random;
#[cfg(feature = "sqlite")]
mod strategy;
