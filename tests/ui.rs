//! What users see of a mistake: one case each, named after it, with the compiler's whole answer beside it.
//!
//! The answers are those of the toolchain that CI pins. After a change: `TRYBUILD=overwrite cargo test -p outlast-tests
//! --test ui`, then read each difference as a user would.

#[test]
fn mistakes_are_answered_with_the_way_out() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
    cases.pass("ui/pass/*.rs");
}
