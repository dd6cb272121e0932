//! The rule "offered in order, taken one at a time", proved on the engine as it is: real driver, real store (in memory),
//! real macros.
//!
//! `probe` is what the engine lets tests see and steer; `harness` runs a function, kills it, replays it, and compares;
//! `program` and `strategy` make functions at random for `random`; `named` holds the shortest function for each way of
//! getting the rule wrong. `docs/rule-breaking.md` says which test fails for which sentence of the rule.

mod harness;
mod named;
pub(super) mod probe;
mod program;
mod random;
mod strategy;
