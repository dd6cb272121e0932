//! MongoDB's published corpus of BSON, through the public API on the embedded store: each valid document comes out with the
//! bytes that went in, what can't be decoded is refused. `tests/mongodb/tests/corpus.rs` asks the same of a MongoDB.
//!
//! It comes with the source distribution of pymongo, which `./tests/run` downloads; nothing of it is in this repository.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

#[path = "corpus/cases.rs"]
mod cases;
#[path = "corpus/round.rs"]
mod round;

/// So many there are: fewer are a corpus that wasn't read.
const VALID: usize = 500;
const BROKEN: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_comes_out_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("corpus.db").display());
    let tally = round::all(&store, &[]).await;
    println!("{tally}");
    assert!(tally.failed.is_empty(), "{} failed", tally.failed.len());
    assert!(tally.kept >= VALID && tally.refused >= BROKEN, "some of the corpus is missing");
}
