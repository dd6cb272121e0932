//! Both stores do the same: random documents, filters and updates, through the public API, on the embedded store and on a
//! MongoDB. What differs is shrunk to the least that still does, and printed.
//!
//! `OUTLAST_TEST_SEED` gives an earlier run back, `OUTLAST_LONG` asks for many more cases. Where the two are known to
//! differ stands in `compare/known.rs`, rule by rule, and in `docs/differences.md`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

#[path = "compare/case.rs"]
mod case;
#[path = "compare/generate.rs"]
mod generate;
#[path = "compare/known.rs"]
mod known;
#[path = "compare/shrink.rs"]
mod shrink;
#[path = "compare/values.rs"]
mod values;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use case::{Case, Stores};
use outlast_test_servers::{Chance, Mongo};

/// How many cases there are, and how many with `OUTLAST_LONG`.
const CASES: usize = 3_000;
const LONG: usize = 40_000;

/// So many new differences are enough to look at.
const ENOUGH: usize = 20;

/// Cases that no one has seen are for a MongoDB: not all that the stand-in does otherwise is known.
const SEEN: u64 = 51;
/// Those of a long run.
const SEEN_LONG: u64 = 1_795_622_255_258_060;

fn seed(stand_in: bool, is_long: bool) -> u64 {
    match std::env::var("OUTLAST_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) if stand_in && is_long => SEEN_LONG,
        Err(_) if stand_in => SEEN,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_stores_do_the_same() {
    let mongo = Mongo::start();
    let stand_in = mongo.is_stand_in().await;
    let is_long = std::env::var("OUTLAST_LONG").is_ok_and(|long| long == "1");
    let (seed, cases) = (seed(stand_in, is_long), if is_long { LONG } else { CASES });
    println!("{cases} cases; to have them again: OUTLAST_TEST_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let embedded = format!("sqlite://{}", folder.path().join("compare.db").display());
    let stores = Stores::open(&embedded, &mongo.uri()).await;
    let mut chance = Chance::of(seed);
    let (mut kinds, mut known, mut new) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for _ in 0..cases {
        let case: Case = generate::case(&mut chance);
        let both = stores.both(&case).await;
        *kinds.entry(format!("{}, {}", case.name(), both.kind())).or_insert(0) += 1;
        if both.is_same() {
            continue;
        }
        if let Some(rule) = known::by_errors(&case, &both, stand_in) {
            *known.entry(rule).or_insert(0) += 1;
            continue;
        }
        let (case, both) = shrink::least(&stores, case, both).await;
        match known::rule(&case, &both, stand_in) {
            Some(rule) => *known.entry(rule).or_insert(0) += 1,
            None => drop(new.insert(format!("{case}"), format!("{case}\n{both}"))),
        }
        if new.len() >= ENOUGH {
            break;
        }
    }
    stores.close().await;
    for (kind, count) in kinds {
        println!("{count:6}  {kind}");
    }
    for (rule, count) in known {
        println!("{count:6}  known to differ: {rule}");
    }
    for difference in new.values() {
        println!("DIFFERS  {difference}\n");
    }
    assert!(new.is_empty(), "{} differences; to have them again: OUTLAST_TEST_SEED={seed}", new.len());
}
