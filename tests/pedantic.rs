//! What the attributes write draws no lint, however strict the crate that they stand in: clippy judges `pedantic/`.

use std::process::Command;

#[test]
fn a_crate_that_denies_every_lint_compiles_without_a_word() {
    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--quiet", "--package", "outlast-pedantic"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("tests/pedantic"), "{said}");
}
