//! Chance that a failing run can be given back.

use std::time::{SystemTime, UNIX_EPOCH};

/// The seed of what is random: `OUTLAST_TEST_SEED`, or the time; printed.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("OUTLAST_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("OUTLAST_TEST_SEED={seed}");
    seed
}

/// Numbers that follow from a seed (`SplitMix64`).
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}
