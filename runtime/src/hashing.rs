//! Maps and sets of the hot path: seeded at random, so that nobody can choose keys that collide, but quicker than the
//! standard ones.

pub(crate) use foldhash::fast::RandomState;

/// A map; `default()` makes an empty one.
pub(crate) type FastMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set; `default()` makes an empty one.
pub(crate) type FastSet<K> = std::collections::HashSet<K, RandomState>;
