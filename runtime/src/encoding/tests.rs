//! The promises of the encoding, by theme.

// The odd types are the point.
#![allow(clippy::option_option, clippy::zero_sized_map_values, clippy::float_cmp, clippy::items_after_statements)]

#[path = "../../../tests/fidelity/corpus.rs"]
mod corpus;
mod damage;
mod evolution;
mod forms;
mod order;
mod properties;
mod refused;
mod round_trip;
