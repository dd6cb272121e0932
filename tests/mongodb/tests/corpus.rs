//! MongoDB's published corpus of BSON on a MongoDB: as `tests/corpus.rs` has it on the embedded store.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

#[path = "../../corpus/cases.rs"]
mod cases;
#[path = "../../corpus/round.rs"]
mod round;

use outlast_test_servers::Mongo;

/// So many there are: fewer are a corpus that wasn't read.
const VALID: usize = 400;
const BROKEN: usize = 60;

/// What the stand-in doesn't keep.
const STAND_IN: &[round::LeftOut] = &[
    ("datetime: Y10K", "the stand-in can't read dates after the year 9999"),
    ("dbpointer: DBpointer", POINTER),
    ("dbpointer: DBpointer with opposite key order", POINTER),
    ("dbpointer: With two-byte UTF-8", POINTER),
    ("multi-type-deprecated: All BSON types", POINTER),
    ("symbol: Empty string", SYMBOL),
    ("symbol: Single character", SYMBOL),
    ("symbol: Multi-character", SYMBOL),
    ("symbol: two-byte UTF-8 (\u{e9})", SYMBOL),
    ("symbol: three-byte UTF-8 (\u{2606})", SYMBOL),
    ("symbol: Embedded nulls", SYMBOL),
    ("undefined: Undefined", "the stand-in makes null of undefined"),
];

const POINTER: &str = "the stand-in makes a document of a DBPointer";
const SYMBOL: &str = "the stand-in makes text of a symbol";

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_comes_out_byte_for_byte() {
    let mongo = Mongo::start();
    let left_out = if mongo.is_stand_in().await { STAND_IN } else { &[] };
    let tally = round::all(&mongo.uri(), left_out).await;
    println!("{tally}");
    assert!(tally.failed.is_empty(), "{} failed", tally.failed.len());
    assert!(tally.kept >= VALID && tally.refused >= BROKEN, "some of the corpus is missing");
}
