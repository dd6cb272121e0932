//! The protocol of leases and epochs of `docs/mongodb-store.md`, searched exhaustively as a small model.
//!
//! One execution, some workers, and a network that loses, delays and doubles: every order of events up to a bound is gone
//! through, and after each the invariants are looked at. What time does is anything: a lease may run out at any moment
//! (the clock jumped, the worker was paused), also while its worker goes on. Left out of the model one at a time, the
//! check of the epoch, the fence, and the order of a take-back each make it fail: a model that can't fail shows nothing.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "lease_model/model.rs"]
mod model;
#[path = "lease_model/search.rs"]
mod search;

use model::{Bounds, Rules};
use search::search;

/// Enough for two take-backs in a row, with a row or two of each owner.
const TWO: Bounds = Bounds { workers: 2, places: 4, epochs: 3, messages: 2 };
const THREE: Bounds = Bounds { workers: 3, places: 3, epochs: 2, messages: 1 };

#[test]
fn no_order_of_events_lets_a_zombie_write_with_two_workers() {
    let found = search(TWO, Rules::default());
    println!("two workers: {} states", found.states);
    assert!(found.broken.is_none(), "{}", found.broken.unwrap());
    assert!(found.ends > 0 && found.take_backs > 0 && found.fenced > 0, "the model must get that far: {found:?}");
}

#[test]
fn no_order_of_events_lets_a_zombie_write_with_three_workers() {
    let found = search(THREE, Rules::default());
    println!("three workers: {} states", found.states);
    assert!(found.broken.is_none(), "{}", found.broken.unwrap());
    assert!(found.ends > 0 && found.take_backs > 0 && found.fenced > 0, "the model must get that far: {found:?}");
}

#[test]
fn without_the_check_of_the_epoch_it_fails() {
    let found = search(TWO, Rules { check_epoch: false, ..Rules::default() });
    let broken = found.broken.expect("a row of somebody else was taken for one's own");
    assert!(broken.contains("acknowledged"), "{broken}");
}

#[test]
fn without_the_fence_it_fails() {
    let found = search(TWO, Rules { fence: false, ..Rules::default() });
    let broken = found.broken.expect("a zombie wrote behind its successor's back");
    assert!(broken.contains("zombie"), "{broken}");
}

#[test]
fn with_a_fence_that_its_reader_does_not_heed_it_fails() {
    // Claimed, taken back before the log was read, and read with the fence in it.
    let found = search(TWO, Rules { heed_fence: false, ..Rules::default() });
    let broken = found.broken.expect("an owner went on behind its own fence");
    assert!(broken.contains("zombie"), "{broken}");
}

#[test]
fn with_the_owner_set_free_before_the_fence_it_fails() {
    let found = search(TWO, Rules { fence_first: false, ..Rules::default() });
    let broken = found.broken.expect("a fence fell into the log of the next owner");
    assert!(broken.contains("fence"), "{broken}");
}

#[test]
fn with_an_end_that_does_not_name_its_epoch_it_fails() {
    let found = search(TWO, Rules { guarded_end: false, ..Rules::default() });
    let broken = found.broken.expect("a zombie ended the execution");
    assert!(broken.contains("end"), "{broken}");
}
