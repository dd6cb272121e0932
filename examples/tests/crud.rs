//! The example `crud` checks itself: on the embedded store, in a folder of its own.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_worked_example_is_right_on_the_embedded_store() {
    let done = Command::new(env!("CARGO_BIN_EXE_crud")).env_remove("OUTLAST_STORE").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.ends_with("all of it is right\n"), "{said}");
}
