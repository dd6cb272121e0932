//! What the functions of the crate are registered as.

use std::time::Duration;

use outlast::__private::{Argument, Function, Registered, Secret, inventory};
use outlast_pedantic as _;

fn registered(name: &str, module: &str) -> &'static Function {
    let all = inventory::iter::<Registered>.into_iter().map(|registered| registered.0);
    let mut found = all.filter(|function| function.name == name && function.place.module.ends_with(module));
    let function = found.next().unwrap_or_else(|| panic!("{module}::{name} is not registered"));
    assert!(found.next().is_none(), "{module}::{name} is registered twice");
    function
}

#[test]
fn an_option_that_is_given_is_kept() {
    let checkout = registered("checkout", "durables");
    assert_eq!(checkout.version, 2);
    assert_eq!(checkout.timeout, Some(Duration::from_secs(7200)));
    assert_eq!(checkout.secret, Secret { arguments: &["note"], result: true });
    assert_eq!(checkout.summary, "Goes on after its last finished step, whatever kills the container.");
}

#[test]
fn an_option_that_is_not_given_has_its_default() {
    let many = registered("many", "durables");
    assert_eq!((many.version, many.timeout, many.secret), (1, None, Secret::NONE));
    let nothing = registered("nothing", "durables");
    assert!(nothing.arguments.is_empty());
}

#[test]
fn types_are_shown_as_they_were_written() {
    let arguments = registered("many", "durables").arguments;
    assert_eq!(arguments.len(), 12);
    assert_eq!(arguments[10], Argument { name: "eleventh", rust_type: "Option<String>" });
    let last = "std::collections::BTreeMap<String, Vec<Option<(u8, String)>>>";
    assert_eq!(arguments[11], Argument { name: "twelfth", rust_type: last });
}

#[test]
fn the_place_is_the_functions_name() {
    let place = registered("checkout", "durables").place;
    let source = include_str!("../src/durables.rs").lines().nth(place.line as usize - 1);
    assert_eq!(source, Some("pub async fn checkout(mut order: Order, note: String) -> Result<String> {"));
    assert!(place.file.ends_with("durables.rs"), "{place}");
}

#[test]
fn functions_are_found_wherever_they_stand() {
    registered("kept", "private");
    registered("kept", "private::inside");
    registered("deeper", "durables");
    registered("kept", "renamed");
    let written = registered("written", "renamed");
    assert_eq!(written.summary, "Written by a macro.");
    assert_eq!(written.arguments, [Argument { name: "word", rust_type: "String" }]);
}
