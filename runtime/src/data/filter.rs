//! Which documents a filter means.
